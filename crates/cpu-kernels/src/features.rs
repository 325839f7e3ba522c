//! The instructions for reduced precision that this process uses.

use super::amx::detect;
use super::bf16::dot_product::Bf16DotProduct;
use super::bf16::tiles::Form;
use crate::precision::Precision;

/// Whether linear layers run on AMX: the processor has it, the system lets this process use it, and nobody turned it off.
#[must_use]
pub fn uses_amx() -> bool {
    detect::wanted()
}

/// Whether the processor has a fast dot product of bfloat16, on AMX or as AVX512-BF16 of AMD.
///
/// Linear layers with bfloat16 weights then also round their inputs to bfloat16, and so do attention's products next to
/// bfloat16 or int8 weights.
#[must_use]
pub fn has_bf16_dot_product() -> bool {
    detect::wanted() || Bf16DotProduct::fast().is_some()
}

/// The form in which weights of this precision are packed as tiles, if they are. int8 weights are
/// [quantized](super::bf16::weights::TileWeights::pack_int8) first.
pub(super) fn tile_form(precision: Precision) -> Option<Form> {
    match precision {
        Precision::Float32 => uses_amx().then_some(Form::Split),
        Precision::Bfloat16 => has_bf16_dot_product().then_some(Form::Single),
        Precision::Float16 | Precision::Int8 => None,
    }
}
