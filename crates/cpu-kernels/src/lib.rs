//! CPU kernels on plain slices: no code in this crate knows a tensor.
//!
//! # Map
//!
//! - `packed_linear`: packed weights and the linear layer, the one `match` over weight formats
//! - `float`, `bf16`, `int8`, `amx`: the GEMM of each format; `int8` also scans rows for those with a large product
//! - `bits`: a scan of rows of one bit a value
//! - `layer`: attention, LayerNorm, the feed-forward block, and the whole encoder layer
//! - `training`: backward passes, the optimizer's step, dropout
//! - `simd`: instruction sets, elementary functions, reductions, transposition
//! - `schedule`, `threads`, `scratch`, `pages`, `prefetch`: how work and memory are shared out
//!
//! Arrows point down this list; no two files import each other.
//!
//! # Reduced precision
//!
//! Linear layers run on AMX where the processor and the system have it ([`uses_amx`]), unless the environment has
//! `MPNET_BURN_AMX=0`. float32 weights are then the sum of two bfloat16, within `2^-17` of what they were, and so is the
//! input that they multiply. bfloat16 weights are multiplied as such where the processor has a fast instruction for it
//! ([`has_bf16_dot_product`]). Their inputs are then rounded to bfloat16, too, and so are attention's products next to
//! bfloat16 or int8 weights.

mod activation;
mod adamw;
mod amx;
mod bf16;
mod bits;
mod columns;
mod dropout;
mod features;
mod float;
mod int8;
mod layer;
mod packed_linear;
mod pages;
mod precision;
mod prefetch;
mod schedule;
mod scratch;
mod simd;
mod threads;
mod training;

pub use activation::Activation;
pub use adamw::AdamWStep;
pub use bits::{BitQuery, BitRow, BitRows};
pub use dropout::{DropoutMask, Factors};
pub use features::{has_bf16_dot_product, uses_amx};
pub use int8::matrix::Int8Matrix;
pub use int8::scan::{CodeRow, CodeRows, Reached, ScanQueries};
pub use layer::activate::activate;
pub use layer::attention::forward::attention;
pub use layer::attention::input::{Attention, PositionBias, Projections, Strided};
pub use layer::encoder_layer::{Context, EncoderLayer, encoder_layer};
pub use layer::feed_forward::{FeedForwardBlock, LayerNorms};
pub use layer::layer_norm::{LayerNormParameters, add_layer_norm, layer_norm};
pub use layer::rotary::{RotaryRows, RotaryTable, Rotation, rotary};
pub use packed_linear::{PackedLinear, linear};
pub use precision::{Precision, UnknownPrecision};
#[cfg(any(test, feature = "testing"))]
#[doc(hidden)]
pub use simd::arch::every;
pub use threads::ThreadBudget;
pub use training::activation_backward::activation_backward;
pub use training::adamw::adamw;
pub use training::attention_backward::{Gradients, attention_backward};
pub use training::dropout::dropout;
pub use training::layer_norm_backward::{LayerNormParameterGradients, layer_norm_backward};
pub use training::matmul::{Operand, matmul};
pub use training::sums::{column_sums, sum_of_squares};

#[cfg(test)]
mod tests;
