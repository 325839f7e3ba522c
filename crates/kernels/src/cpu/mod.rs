//! The operations on plain slices: nothing here knows a tensor.
//!
//! Dense layers run on the matrix unit of the processor where there is one that this knows (AMX on Linux)
//! ([`uses_amx`]), unless the environment has `MPNET_BURN_AMX=0`. Weights kept as float32 take 25 bits then: they are the
//! sum of two bfloat16, within `2^-17` of what they were, and so is what they are multiplied with. Weights of bfloat16 are multiplied
//! as such where the processor has instructions for it ([`has_bf16_dot_product`]), which rounds their inputs too, and attention's products
//! beside weights of bfloat16 or of eight bits are of such numbers then.

mod adamw;
mod amx;
mod attention;
mod dropout;
mod encoder_layer;
mod feed_forward;
mod gelu;
mod input;
mod int8;
mod kept;
mod lanes;
mod layer_norm;
mod linear;
mod math;
mod matmul;
mod matrices;
mod pages;
mod panels;
mod prefetch;
mod simd;
mod sums;
mod threads;
mod tile;
mod transpose;

pub use adamw::adamw;
pub use amx::has_bf16_dot_product;
pub use attention::{
    Attention, Gradients, PositionBias, Projections, Strided, attention, attention_backward,
};
pub use dropout::dropout;
pub use encoder_layer::{Context, EncoderLayer, encoder_layer};
pub use feed_forward::FeedForwardBlock;
pub use gelu::{gelu, gelu_backward};
pub use int8::Int8Matrix;
pub use layer_norm::{
    LayerNormParameterGradients, LayerNormParameters, add_layer_norm, layer_norm,
    layer_norm_backward,
};
pub use linear::{Activation, linear};
pub use matmul::{Operand, matmul};
pub use panels::PackedLinear;
#[cfg(test)]
pub(crate) use simd::every;
pub use sums::{column_sums, sum_of_squares};
pub use threads::ThreadBudget;

/// Whether dense layers run on the processor's matrix unit: it has one, the system lets this process use it, and
/// nobody turned it off.
#[must_use]
pub fn uses_amx() -> bool {
    amx::wanted()
}

#[cfg(test)]
mod tests;
