//! The operations on plain slices: nothing here knows a tensor.

mod attention;
mod int8;
mod layer_norm;
mod linear;
mod math;
mod panels;
mod simd;
mod tile;

pub use attention::{PositionBias, Projections, Strided, attention};
pub use int8::Int8Matrix;
pub use layer_norm::add_layer_norm;
pub use linear::{Activation, linear};
pub use panels::PackedLinear;

#[cfg(test)]
mod tests;
