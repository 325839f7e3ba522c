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
mod byte_rows;
pub(in crate::cpu) mod detect;
mod emulated;
pub(in crate::cpu) mod linear;
mod multiply;
pub(in crate::cpu) mod rounded_products;

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod loops;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod unit;

#[cfg(test)]
mod byte_tests;
#[cfg(test)]
mod dot_product_tests;
#[cfg(test)]
mod tests;

use emulated::Emulated;
use multiply::Multiply;

/// Does `work` with this thread's AMX unit, or with its emulation where there is none.
fn with_unit(work: impl FnOnce(&mut dyn Multiply)) {
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    if let Some(mut unit) = unit::Unit::hold() {
        return work(&mut unit);
    }
    work(&mut Emulated);
}
