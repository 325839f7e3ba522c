//! The operations on plain slices: nothing here knows a tensor.
//!
//! Dense layers run on the matrix unit of the processor where there is one that this knows (AMX on Linux)
//! ([`uses_amx`]), unless the environment has `MPNET_BURN_AMX=0`. Weights kept as float32 take 25 bits then: they are the
//! sum of two bfloat16, within `2^-17` of what they were, and so is what they are multiplied with. Weights of bfloat16 are multiplied
//! as such where the processor has instructions for it ([`has_bf16_dot_product`]), which rounds their inputs too, and attention's products
//! beside weights of bfloat16 or of eight bits are of such numbers then.

mod activation;
mod amx;
mod bf16;
mod features;
mod float;
mod int8;
mod layer;
mod packed_linear;
mod pages;
mod prefetch;
mod schedule;
mod scratch;
mod simd;
mod threads;
mod training;

pub use activation::Activation;
pub use features::{has_bf16_dot_product, uses_amx};
pub use int8::matrix::Int8Matrix;
pub use layer::attention::forward::attention;
pub use layer::attention::input::{Attention, PositionBias, Projections, Strided};
pub use layer::encoder_layer::{Context, EncoderLayer, encoder_layer};
pub use layer::feed_forward::FeedForwardBlock;
pub use layer::gelu::gelu;
pub use layer::layer_norm::{LayerNormParameters, add_layer_norm, layer_norm};
pub use packed_linear::{PackedLinear, linear};
#[cfg(test)]
pub(crate) use simd::arch::every;
pub use threads::ThreadBudget;
pub use training::adamw::adamw;
pub use training::attention_backward::{Gradients, attention_backward};
pub use training::dropout::dropout;
pub use training::gelu_backward::gelu_backward;
pub use training::layer_norm_backward::{LayerNormParameterGradients, layer_norm_backward};
pub use training::matmul::{Operand, matmul};
pub use training::sums::{column_sums, sum_of_squares};

#[cfg(test)]
mod tests;
