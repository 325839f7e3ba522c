//! Which instructions for reduced precision this process uses.

use super::amx::detect;
use super::bf16::dot_product::Bf16DotProduct;
use super::bf16::tiles::Form;
use crate::precision::Precision;

/// Whether linear layers run on AMX: the processor has it, the system lets this process use it, and nobody turned it off.
#[must_use]
pub fn uses_amx() -> bool {
    detect::wanted()
}

/// Whether dense layers with weights of bfloat16 multiply such numbers, by the processor's matrix unit or by its vector
/// units (AVX512-BF16 of AMD): what goes into them is rounded then, too, and into attention's products beside them and
/// beside weights of eight bits.
#[must_use]
pub fn has_bf16_dot_product() -> bool {
    detect::wanted() || Bf16DotProduct::fast().is_some()
}

/// The form in which weights of this precision are packed as tiles, if they are; those of int8 are
/// [quantized](super::bf16::weights::TileWeights::pack_int8) first.
pub(super) fn tile_form(precision: Precision) -> Option<Form> {
    match precision {
        Precision::Float32 => uses_amx().then_some(Form::Split),
        Precision::Bfloat16 => has_bf16_dot_product().then_some(Form::Single),
        Precision::Float16 | Precision::Int8 => None,
    }
}
