//! The choice between AMX and AVX512-BF16 for attention's bfloat16 products.

use crate::amx::detect;
use crate::amx::rounded_products::with_tile_products;
use crate::bf16::dot_product::Bf16DotProduct;
use crate::bf16::rounded_rows::{RoundedWork, With};

/// Does `work` with AVX512-BF16 where AMX is not used, else with AMX or its emulation.
pub(crate) fn with_rounded_products(work: impl RoundedWork) {
    let dot_product = if detect::wanted() {
        None
    } else {
        Bf16DotProduct::fast()
    };
    if let Some(dot_product) = dot_product {
        return dot_product.vectorize(With(work, dot_product));
    }
    with_tile_products(work);
}
