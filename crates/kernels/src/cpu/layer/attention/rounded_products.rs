//! Which implementation multiplies attention's rows that are rounded to bfloat16.

use crate::cpu::amx::detect;
use crate::cpu::amx::rounded_products::with_tile_products;
use crate::cpu::bf16::dot_product::Bf16DotProduct;
use crate::cpu::bf16::rounded_rows::{RoundedWork, With};

/// Does `work` with the products of this processor, where there are any, and else with the unit's portable twin.
pub(in crate::cpu) fn with_rounded_products(work: impl RoundedWork) {
    let vectors = if detect::wanted() {
        None
    } else {
        Bf16DotProduct::fast()
    };
    if let Some(vectors) = vectors {
        return vectors.vectorize(With(work, vectors));
    }
    with_tile_products(work);
}
