//! The operations on plain slices: nothing here knows a tensor.
//!
//! Dense layers run on the matrix unit of the processor where there is one that this knows (AMX on Linux),
//! unless the environment has `MPNET_BURN_AMX=0`. Weights kept as float32 then are the sum of two
//! bfloat16, within `2^-17` of what they were, and so is what they are multiplied with.

mod amx;
mod attention;
mod layer_norm;
mod linear;
mod math;
mod panels;
mod simd;
mod tile;

pub use attention::{PositionBias, Projections, Strided, attention};
pub use layer_norm::add_layer_norm;
pub use linear::{Activation, linear};
pub use panels::PackedLinear;

#[cfg(test)]
mod tests;
