//! The weights that the operations take.

use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use cpu_kernels::{Activation, PackedLinear, RotaryTable};

/// The weights of a linear layer.
#[derive(Clone, Debug)]
pub enum LinearWeights<B: Backend> {
    /// As tensors, for which there can be gradients. Of a gated layer, both matrices side by side, the activated one first.
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
                // Of a gated layer, two for each output.
                let columns = bias.len();
                let shape = [packed.input(), columns];
                (
                    Tensor::from_data(TensorData::new(weight, shape), device),
                    Tensor::from_data(TensorData::new(bias, [columns]), device),
                )
            }
        }
    }
}

/// The packed weights of an encoder layer, and the functions between them.
#[derive(Clone, Debug)]
pub struct EncoderLayerWeights<B: Backend> {
    /// Query, key and value side by side: `[width, 3 * width]`.
    pub projections: PackedLinear,
    /// Rotates queries and keys, if the layer has rotary position embeddings.
    pub rotary: Option<RotaryTable>,
    /// `[width, width]`.
    pub attention_output: PackedLinear,
    /// The LayerNorms, and the order of the layer.
    pub norms: EncoderLayerNorms<B>,
    /// `[width, intermediate]`, which may be [gated](PackedLinear::pack_gated).
    pub intermediate: PackedLinear,
    /// The activation after it, or of its gate.
    pub activation: Activation,
    /// `[intermediate, width]`.
    pub output: PackedLinear,
}

/// The LayerNorms of an encoder layer in the places where its order has them.
#[derive(Clone, Debug)]
pub enum EncoderLayerNorms<B: Backend> {
    /// Post-norm order: each LayerNorm follows a residual addition, as in BERT.
    Post {
        /// After attention and its residual.
        attention: LayerNormWeights<B>,
        /// After the feed-forward and its residual.
        output: LayerNormWeights<B>,
    },
    /// Pre-norm order: the input of attention and that of the feed-forward are normalized, and the residuals are not, as in
    /// ModernBERT.
    Pre {
        /// Before attention; none, for example, in the first layer of ModernBERT.
        attention: Option<LayerNormWeights<B>>,
        /// Before the feed-forward.
        feed_forward: LayerNormWeights<B>,
    },
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
