//! The operations on plain slices: nothing here knows a tensor.

mod attention;
mod dropout;
mod gelu;
mod layer_norm;
mod linear;
mod math;
mod panels;
mod simd;
mod tile;

pub use attention::{
    Attention, Gradients, PositionBias, Projections, Strided, attention, attention_backward,
};
pub use dropout::drop_elements;
pub use gelu::{gelu, gelu_backward};
pub use layer_norm::{NormGradients, add_layer_norm, layer_norm, layer_norm_backward};
pub use linear::{Activation, linear};
pub use panels::PackedLinear;

#[cfg(test)]
mod tests;
