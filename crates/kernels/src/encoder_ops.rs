//! The operations and what they mean.

use burn::tensor::Tensor;
use burn::tensor::backend::{AutodiffBackend, Backend};

use crate::adamw::AdamWStep;
use crate::cpu::{Activation, PackedLinear};
use crate::dropout::DropoutMask;
use crate::half_precision;
use crate::precision::Precision;
use crate::reference;
use crate::sequences::SequenceRanges;
use crate::weights::{EncoderLayerWeights, LayerNormWeights, LinearWeights};

/// A backend with the operations of an encoder.
///
/// Those named `…_backward` are what [`Autodiff`](burn::backend::Autodiff) over the backend calls on
/// the way back.
pub trait EncoderOps: Backend {
    /// Whether sequences that stand end to end are faster here than padded ones.
    const VARLEN: bool = false;

    /// Whether [`pack_linear`](Self::pack_linear) packs weights of float32.
    const PACKS_WEIGHTS: bool = false;

    /// Whether the backend multiplies float32 matrices as TF32, which keeps 11 bits of each factor, and
    /// [`exact_matmul`](Self::exact_matmul) does not: only then does autodiff call that one, too.
    #[must_use]
    fn matmul_uses_tf32() -> bool {
        false
    }

    /// The precisions in which a network can be computed on `device`: float32, and the numbers of
    /// sixteen bits that it has all operations for.
    #[must_use]
    fn precisions(device: &Self::Device) -> Vec<Precision> {
        half_precision::precisions::<Self>(device)
    }

    /// Packs dense layers that share their input into one, or says that this backend reads plain
    /// tensors (`None`).
    ///
    /// Each layer is a weight `[input, output]` and a bias `[output]`.
    #[must_use]
    fn pack_linear(
        layers: &[(Tensor<Self, 2>, Tensor<Self, 1>)],
        precision: Precision,
    ) -> Option<PackedLinear> {
        let _ = (layers, precision);
        None
    }

    /// The product of matrices, the last two dimensions, as exact as float32 has it: `[…, rows, depth]` and
    /// `[…, depth, columns]`, whose other dimensions are the same, in; `[…, rows, columns]` out.
    ///
    /// # Panics
    ///
    /// When the shapes do not fit each other.
    #[must_use]
    fn exact_matmul<const D: usize>(
        left: Tensor<Self, D>,
        right: Tensor<Self, D>,
    ) -> Tensor<Self, D> {
        left.matmul(right)
    }

    /// `activation(input * weight + bias)`: `[rows, input]` in, `[rows, output]` out.
    #[must_use]
    fn linear(
        input: Tensor<Self, 2>,
        weights: LinearWeights<Self>,
        activation: Activation,
    ) -> Tensor<Self, 2> {
        reference::linear(input, weights, activation)
    }

    /// The gradients of [`linear`](Self::linear) without an activation: those of the `input` and of the
    /// `weight`, each where the other is given, and that of the bias.
    ///
    /// # Shapes
    ///
    /// - `input`: `[rows, input]`
    /// - `weight`: `[input, output]`
    /// - `gradient`: `[rows, output]`
    ///
    /// # Panics
    ///
    /// When the shapes do not fit each other.
    #[must_use]
    fn linear_backward(
        input: Option<Tensor<Self, 2>>,
        weight: Option<Tensor<Self, 2>>,
        gradient: Tensor<Self, 2>,
    ) -> LinearGradients<Self> {
        reference::linear_backward(input, weight, gradient)
    }

    /// `x * (1 + erf(x / sqrt(2))) / 2`, without the tanh that stands in for it elsewhere: any
    /// `[rows, width]` in and out.
    #[must_use]
    fn exact_gelu(values: Tensor<Self, 2>) -> Tensor<Self, 2> {
        reference::exact_gelu(values)
    }

    /// The gradient of [`exact_gelu`](Self::exact_gelu)'s input `values`.
    #[must_use]
    fn exact_gelu_backward(values: Tensor<Self, 2>, gradient: Tensor<Self, 2>) -> Tensor<Self, 2> {
        reference::exact_gelu_backward(values, gradient)
    }

    /// `layer_norm(values)`: `[rows, width]` in and out.
    #[must_use]
    fn layer_norm(values: Tensor<Self, 2>, norm: LayerNormWeights<Self>) -> Tensor<Self, 2> {
        reference::layer_norm(values, norm)
    }

    /// The gradients of [`layer_norm`](Self::layer_norm)'s input.
    #[must_use]
    fn layer_norm_backward(
        values: Tensor<Self, 2>,
        norm: LayerNormWeights<Self>,
        gradient: Tensor<Self, 2>,
    ) -> LayerNormGradients<Self> {
        reference::layer_norm_backward(values, norm, gradient)
    }

    /// `layer_norm(values + residual)`: `[rows, width]` in and out.
    #[must_use]
    fn add_layer_norm(
        values: Tensor<Self, 2>,
        residual: Tensor<Self, 2>,
        norm: LayerNormWeights<Self>,
    ) -> Tensor<Self, 2> {
        reference::add_layer_norm(values, residual, norm)
    }

    /// An encoder layer without dropout: with `attended`, what [attention](Self::varlen_attention) gives of the
    /// projections of `hidden`, and `x = attention_norm(linear(attended) + hidden)` it is `output_norm(linear(gelu(linear(x))) +
    /// x)`.
    ///
    /// # Shapes
    ///
    /// - `hidden`: `[tokens, width]`
    /// - `bias`: `[1, heads, longest, longest]`; a shorter sequence takes the upper left corner
    /// - output: `[tokens, width]`
    ///
    /// # Panics
    ///
    /// When the shapes do not fit each other.
    #[must_use]
    fn encoder_layer(
        hidden: Tensor<Self, 2>,
        bias: Tensor<Self, 4>,
        sequences: &SequenceRanges,
        weights: EncoderLayerWeights<Self>,
    ) -> Tensor<Self, 2> {
        reference::encoder_layer(hidden, bias, sequences, weights)
    }

    /// Attention within each of `sequences`, no further: `dropout(softmax(query * key^T /
    /// sqrt(head_size) + bias)) * value` for every head.
    ///
    /// # Shapes
    ///
    /// - `query_key_value`: `[tokens, heads * head_size]` each
    /// - `bias`: `[1, heads, longest, longest]`; a shorter sequence takes the upper left corner
    /// - output: `[tokens, heads * head_size]`
    ///
    /// `precision` is that of the dense layers around it: where it has fewer bits than float32, float32 numbers may be
    /// rounded to bfloat16 on their way into the products. The gradients are not.
    #[must_use]
    fn varlen_attention(
        query_key_value: [Tensor<Self, 2>; 3],
        bias: Tensor<Self, 4>,
        sequences: &SequenceRanges,
        dropout: Option<DropoutMask>,
        precision: Precision,
    ) -> Tensor<Self, 2> {
        let _ = precision;
        reference::varlen_attention(query_key_value, bias, sequences, dropout)
    }

    /// The gradients of [`varlen_attention`](Self::varlen_attention)'s input; the one of the bias
    /// when `of_bias`.
    #[must_use]
    fn varlen_attention_backward(
        query_key_value: [Tensor<Self, 2>; 3],
        bias: Tensor<Self, 4>,
        sequences: &SequenceRanges,
        dropout: Option<DropoutMask>,
        gradient: Tensor<Self, 2>,
        of_bias: bool,
    ) -> AttentionGradients<Self> {
        reference::varlen_attention_backward(
            query_key_value,
            bias,
            sequences,
            dropout,
            gradient,
            of_bias,
        )
    }

    /// Multiplies every element with the mask's factor: 0, or `1 / (1 - probability)`. Its gradient
    /// is the same operation.
    #[must_use]
    fn dropout<const D: usize>(values: Tensor<Self, D>, mask: DropoutMask) -> Tensor<Self, D> {
        reference::dropout(values, mask)
    }

    /// A step of AdamW: the weights after it, and the moments of the gradients.
    ///
    /// All are of one shape. The first moment is the mean of gradients and the second that of squared gradients;
    /// before the first step both are zeros.
    ///
    /// # Panics
    ///
    /// When the shapes differ.
    #[must_use]
    fn adamw<const D: usize>(
        weights: Tensor<Self, D>,
        gradient: Tensor<Self, D>,
        moments: [Tensor<Self, D>; 2],
        step: &AdamWStep,
    ) -> (Tensor<Self, D>, [Tensor<Self, D>; 2]) {
        reference::adamw(weights, gradient, moments, step)
    }

    /// The sum of the squares of all elements, in an order that does not change.
    #[must_use]
    fn sum_of_squares<const D: usize>(values: Tensor<Self, D>) -> f64 {
        reference::sum_of_squares(values)
    }
}

/// What [`EncoderOps::linear_backward`] gives.
#[derive(Clone, Debug)]
pub struct LinearGradients<B: Backend> {
    /// `[rows, input]`.
    pub input: Option<Tensor<B, 2>>,
    /// `[input, output]`.
    pub weight: Option<Tensor<B, 2>>,
    /// `[output]`.
    pub bias: Tensor<B, 1>,
}

/// What [`EncoderOps::layer_norm_backward`] gives.
#[derive(Clone, Debug)]
pub struct LayerNormGradients<B: Backend> {
    /// `[rows, width]`.
    pub values: Tensor<B, 2>,
    /// `[width]`.
    pub gamma: Tensor<B, 1>,
    /// `[width]`.
    pub beta: Tensor<B, 1>,
}

/// What [`EncoderOps::varlen_attention_backward`] gives.
#[derive(Clone, Debug)]
pub struct AttentionGradients<B: Backend> {
    /// `[tokens, heads * head_size]` each.
    pub query_key_value: [Tensor<B, 2>; 3],
    /// `[1, heads, longest, longest]`, when it was asked for.
    pub bias: Option<Tensor<B, 4>>,
}

/// A backend that records gradients of the encoder's operations.
pub trait TrainingBackend: EncoderOps + AutodiffBackend<InnerBackend: EncoderOps> {}

impl<B: EncoderOps + AutodiffBackend<InnerBackend: EncoderOps>> TrainingBackend for B {}
