//! The weights that the operations take.

use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use cpu_kernels::{Activation, PackedLinear};

/// The weights of a linear layer.
#[derive(Clone, Debug)]
pub enum LinearWeights<B: Backend> {
    /// As tensors, for which there can be gradients.
    Unpacked {
        /// `[input, output]`.
        weight: Tensor<B, 2>,
        /// `[output]`.
        bias: Tensor<B, 1>,
    },
    /// As [`EncoderOps::pack_linear`](crate::EncoderOps::pack_linear) packed them.
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

/// The packed weights of an encoder layer, and the activation between them.
#[derive(Clone, Debug)]
pub struct EncoderLayerWeights<B: Backend> {
    /// Query, key and value side by side: `[width, 3 * width]`.
    pub projections: PackedLinear,
    /// `[width, width]`.
    pub attention_output: PackedLinear,
    /// LayerNorm after the first residual addition.
    pub attention_norm: LayerNormWeights<B>,
    /// `[width, intermediate]`.
    pub intermediate: PackedLinear,
    /// The activation after it.
    pub activation: Activation,
    /// `[intermediate, width]`.
    pub output: PackedLinear,
    /// LayerNorm after the second residual addition.
    pub output_norm: LayerNormWeights<B>,
}

/// The parameters of a LayerNorm.
#[derive(Clone, Debug)]
pub struct LayerNormWeights<B: Backend> {
    /// The factor, `[width]`.
    pub gamma: Tensor<B, 1>,
    /// The offset, `[width]`.
    pub beta: Tensor<B, 1>,
    /// Added to the variance.
    pub epsilon: f64,
}
