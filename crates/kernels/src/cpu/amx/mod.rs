//! Dense layers, and attention's products, over tiles: for the matrix unit of newer Intel processors (AMX, Sapphire
//! Rapids and later), and for the vector units of newer AMD processors, which multiply bfloat16.
//!
//! The unit has eight tiles of 16 rows of 64 bytes, and an instruction that adds to a tile of 16 x 16
//! float32 sums the products of 16 rows of 32 bfloat16 with 32 rows of 16: 8,192 products in 16
//! cycles, eight times what AVX-512 does with float32. Another adds to whole sums of 32 bits the
//! products of 16 rows of 64 bytes with 64 rows of 16: twice as many in the same time.
//!
//! # Strategy
//!
//! - bfloat16 weights take one such product of the unit: each input row is rounded to bfloat16, the sums, the
//!   bias and what follows stay float32.
//! - float32 weights take three. Every number is split into two bfloat16, `high` near to it
//!   and `low` near to the rest, together within `2^-17` of it; a product is then
//!   `high * high + high * low + low * high`. What is missing (`low * low` and the rests of the rests)
//!   is at most `2^-15` of the product, and in a sum of many these mostly cancel. A weight takes 25 bits of memory
//!   ([`split_weights`]).
//! - Weights of eight bits take one product of bytes: unsigned ones of the rows, each less its row's
//!   zero point, and signed ones of the weights. The sums are exact; what the zero points have
//!   taken off is put back with the sums of the columns' weights, and the result is the same to the
//!   bit as [without the unit](super::int8) ([`bytes`]).
//! - Weights and inputs lie as whole tiles of 1 KiB, in the order in which they are read
//!   ([`tiles`], [`weights`]): rows of a matrix that are a power of two apart would share cache sets.
//! - Four tiles of sums (32 rows x 32 columns) stay in the unit while it walks the depth once; the
//!   other four hold what is multiplied ([`loops`]). So every tile that is read is used twice; on the first walk
//!   over a panel, its weights are asked for ahead of their use. What follows the sums is done while the next ones are
//!   made ([`blocks`]).
//! - Blocks of rows that fit the second-level cache are converted and multiplied with all weights;
//!   of a few rows the weights are shared out instead ([`linear`]).
//! - Attention's products beside weights of bfloat16 or of eight bits go over the same tiles ([`products`]).
//! - For weights of bfloat16 where there is no matrix unit, the vector units multiply the same tiles of weights
//!   ([`vectors`]).
//!
//! The unit's product in plain Rust ([`portable`]) adds in the same order. It is what other processors
//! test the packing, the edges and the sharing out with, and it is not fast.
//!
//! In the split form an infinite weight gives not-a-number, and by the unit an infinite number of the input times one that
//! is no short bfloat16 may (`infinity * low` can be `infinity * 0`). In products of bfloat16 numbers below `2^-126` count as 0.
//!
//! A row gives the same bits in whatever company.
//!
//! # Switch
//!
//! `MPNET_BURN_AMX=0` in the environment (or `off`, `false`, `no`) turns the unit off; any other value, or
//! none, leaves it on where there is one. It is read once, when the first weights are packed.

mod blocks;
mod bytes;
mod detect;
mod linear;
mod portable;
mod products;
mod split_weights;
pub(super) mod tiles;
#[cfg_attr(not(target_arch = "x86_64"), path = "no_vectors.rs")]
mod vectors;
mod weights;

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod loops;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod unit;

#[cfg(test)]
mod byte_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod vector_tests;

use std::ffi::OsStr;
use std::sync::OnceLock;

#[cfg(test)]
pub(super) use products::with_products_of_twin;

pub(super) use linear::{
    ROWS_OF_LAYERS, block_of_layers, by_unit, linear, linear_of_block, rows_of_blocks,
};
pub(super) use products::{Line, RoundedProducts, RoundedRows, RoundedWork, with_rounded_products};
pub(super) use weights::TileWeights;

use crate::precision::Precision;

/// Whether the matrix unit is to be used: there is one, Linux lets this process use it, and nobody
/// turned it off. Found out once.
pub(super) fn wanted() -> bool {
    static WANTED: OnceLock<bool> = OnceLock::new();
    *WANTED.get_or_init(|| {
        let off = std::env::var_os("MPNET_BURN_AMX").is_some_and(|value| means_off(&value));
        !off && detect::usable()
    })
}

fn means_off(value: &OsStr) -> bool {
    ["0", "off", "false", "no"]
        .iter()
        .any(|word| value.eq_ignore_ascii_case(word))
}

/// The form in which weights of this precision are to be packed as tiles, if they are; those of eight bits are
/// [whole numbers](TileWeights::pack_int8) first.
pub(super) fn form(precision: Precision) -> Option<Form> {
    match precision {
        Precision::Float32 => wanted().then_some(Form::Split),
        Precision::Bfloat16 => has_bf16_dot_product().then_some(Form::Single),
        Precision::Float16 | Precision::Int8 => None,
    }
}

/// Whether dense layers with weights of bfloat16 multiply such numbers, by the processor's matrix unit or by its vector
/// units (AVX512-BF16 of AMD): what goes into them is rounded then, too, and into attention's products beside them and
/// beside weights of eight bits.
#[must_use]
pub fn has_bf16_dot_product() -> bool {
    wanted() || vectors::Vectors::fast().is_some()
}

/// What tiles hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Numbers {
    /// bfloat16, with sums of float32.
    Bfloat16(Form),
    /// Whole numbers of eight bits, unsigned times signed, with sums of 32 bits.
    Bytes,
}

impl Numbers {
    /// Tiles for as many numbers of the input as one tile has places.
    const fn parts(self) -> usize {
        match self {
            Self::Bfloat16(form) => form.parts(),
            Self::Bytes => 1,
        }
    }

    /// Tiles of a panel of weights for as much of the depth as one tile covers.
    const fn weights_in_step(self) -> usize {
        match self {
            Self::Bfloat16(Form::Split) => split_weights::SPLIT_STEP,
            Self::Bfloat16(Form::Single) | Self::Bytes => tiles::PAIR,
        }
    }

    /// Tiles at the start of a panel, for all of its steps.
    const fn tiles_of_bits(self, steps: usize) -> usize {
        match self {
            Self::Bfloat16(Form::Split) => split_weights::tiles_of_bits(steps),
            Self::Bfloat16(Form::Single) | Self::Bytes => 0,
        }
    }

    /// Tiles of a panel as deep as so many steps.
    const fn tiles_of_panel(self, steps: usize) -> usize {
        self.tiles_of_bits(steps) + steps * self.weights_in_step()
    }

    /// Tiles that are made of a step's weights on the way.
    const fn low_in_step(self) -> usize {
        match self {
            Self::Bfloat16(Form::Split) => tiles::PAIR,
            Self::Bfloat16(Form::Single) | Self::Bytes => 0,
        }
    }

    /// Numbers of a tile's row: how much of the depth one tile covers.
    const fn depth(self) -> usize {
        match self {
            Self::Bfloat16(_) => tiles::DEPTH,
            Self::Bytes => tiles::ROW_BYTES,
        }
    }
}

/// How a number becomes bfloat16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// The nearest one.
    Single,
    /// A near one and one for what it leaves: in the input the nearest ones, of weights [nine bits](split_weights).
    Split,
}

impl Form {
    /// Tiles for as many numbers of the input as one tile has places.
    const fn parts(self) -> usize {
        match self {
            Self::Single => 1,
            Self::Split => 2,
        }
    }
}
