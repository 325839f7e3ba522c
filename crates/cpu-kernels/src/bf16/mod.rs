//! bfloat16 products: weights in tiles, for AMX and for the dot product of AVX512-BF16.

mod byte_tiles;
#[cfg_attr(not(target_arch = "x86_64"), path = "no_dot_product.rs")]
pub(crate) mod dot_product;
pub(crate) mod rounded_rows;
pub(crate) mod tiles;
pub(crate) mod weights;
