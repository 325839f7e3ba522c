//! What the operations take beside activations.

use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

use crate::cpu::PackedLinear;

/// The weights of a dense layer.
#[derive(Clone, Debug)]
pub enum LinearWeights<B: Backend> {
    /// As tensors, which gradients may reach.
    Unpacked {
        /// `[input, output]`.
        weight: Tensor<B, 2>,
        /// `[output]`.
        bias: Tensor<B, 1>,
    },
    /// In the form that [`EncoderOps::pack_linear`](crate::EncoderOps::pack_linear) gave.
    Packed(PackedLinear),
}

impl<B: Backend> LinearWeights<B> {
    pub(crate) fn into_tensors(self, device: &B::Device) -> (Tensor<B, 2>, Tensor<B, 1>) {
        match self {
            Self::Unpacked { weight, bias } => (weight, bias),
            Self::Packed(packed) => {
                let (weight, bias) = packed.unpack();
                let shape = [packed.input(), packed.output()];
                (
                    Tensor::from_data(TensorData::new(weight, shape), device),
                    Tensor::from_data(TensorData::new(bias, [packed.output()]), device),
                )
            }
        }
    }
}

/// The weights of an encoder layer, packed.
#[derive(Clone, Debug)]
pub struct EncoderLayerWeights<B: Backend> {
    /// Query, key and value side by side: `[width, 3 * width]`.
    pub projections: PackedLinear,
    /// `[width, width]`.
    pub attention_output: PackedLinear,
    /// Behind the first addition.
    pub attention_norm: LayerNormWeights<B>,
    /// `[width, intermediate]`.
    pub intermediate: PackedLinear,
    /// `[intermediate, width]`.
    pub output: PackedLinear,
    /// Behind the second addition.
    pub output_norm: LayerNormWeights<B>,
}

/// Scale, shift and epsilon of a layer normalisation.
#[derive(Clone, Debug)]
pub struct LayerNormWeights<B: Backend> {
    /// `[width]`.
    pub gamma: Tensor<B, 1>,
    /// `[width]`.
    pub beta: Tensor<B, 1>,
    /// Added to the variance.
    pub epsilon: f64,
}
