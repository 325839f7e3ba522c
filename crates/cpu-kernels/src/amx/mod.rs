//! AMX, the tile unit of newer Intel processors (Sapphire Rapids and later, on Linux).
//!
//! The unit has eight tile registers of 16 rows of 64 bytes. One instruction (`TDPBF16PS`) adds the products of 16 rows of
//! 32 bfloat16 with 32 rows of 16 to a tile of 16 x 16 float32 sums: 8,192 products in 16 cycles, eight times AVX-512's
//! float32. Another (`TDPBUSD`) adds the products of 16 rows of 64 bytes with 64 rows of 16 to sums of 32 bits: twice as
//! many in the same time.
//!
//! # Strategy
//!
//! - bfloat16 weights take one such product. Each input row is rounded to bfloat16; the sums and the epilogue stay float32.
//! - float32 weights take three ("bf16x3"). Every number is split into two bfloat16, `high` the nearest to it and `low` the
//!   nearest to the rest, together within `2^-17` of it. A product is then `high * high + high * low + low * high`. The
//!   error (`low * low` and the rests of the rests) is at most `2^-15` of the product, and in a sum of many it mostly
//!   cancels. The two halves take as many bytes as the float32 did.
//! - int8 weights take one product of bytes: unsigned ones of the rows, each less its row's zero point, and signed ones of
//!   the weights. The sums are exact. The sums of the columns' weights put the zero points back, so the result equals
//!   [the one without AMX](super::int8) bit for bit ([`int8_rows`]).
//! - Weights and inputs are stored as whole tiles of 1 KiB, in the order in which they are read
//!   ([`tiles`](super::bf16::tiles), [`weights`](super::bf16::weights)). Rows of a matrix that are a power of two apart
//!   would share cache sets.
//! - Four tiles of sums (32 rows x 32 columns) stay in the unit while it walks the depth once; the other four hold the
//!   operands ([`loops`]). So every tile is used twice for each time it is read. On the first walk over a panel its weights
//!   are prefetched. The epilogue of a block runs while the next block is multiplied ([`blocks`]).
//! - Blocks of rows that fit the second-level cache are converted and multiplied with all weights. Of a few rows the
//!   weights are shared out instead ([`linear`]).
//! - Attention's products go over the same tiles, where the layers around it have reduced precision
//!   ([`rounded_products`]).
//!
//! The [emulation](emulated) adds in the same order as the unit. Other processors use it to test packing, edges and
//! scheduling. It is slow.
//!
//! # Exceptions
//!
//! In the split form an infinite factor may give NaN (`infinity * low` can be `infinity * 0`). In products of bfloat16,
//! numbers below `2^-126` count as 0. A row gives the same bits in any batch.
//!
//! # Switch
//!
//! `MPNET_BURN_AMX=0` in the environment (or `off`, `false`, `no`) turns AMX off. `MPNET_BURN_AMX=emulated` runs its
//! emulation on any processor, for tests. Any other value, or none, uses AMX where there is one. The variable is read
//! once, when the first weights are packed.

mod blocks;
pub(crate) mod detect;
mod emulated;
mod int8_rows;
pub(crate) mod linear;
mod multiply;
pub(crate) mod rounded_products;

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod loops;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod tile_registers;

#[cfg(test)]
mod dot_product_tests;
#[cfg(test)]
mod int8_tests;
#[cfg(test)]
mod tests;

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
use detect::Amx;
use emulated::Emulated;
use multiply::Multiply;

/// Does `work` with this thread's AMX unit, or with its emulation where there is none.
fn with_unit(work: impl FnOnce(&mut dyn Multiply)) {
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    if detect::amx() != Amx::Emulated
        && let Some(mut unit) = tile_registers::TileRegisters::hold()
    {
        return work(&mut unit);
    }
    work(&mut Emulated);
}
