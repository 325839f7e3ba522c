//! The operations, and their definitions.

use burn::tensor::Tensor;
use burn::tensor::backend::{AutodiffBackend, Backend};
use cpu_kernels::{
    Activation, AdamWStep, DropoutMask, PackedLinear, Precision, RotaryTable, Rotation,
};

use crate::attention_options::AttentionOptions;
use crate::half_precision;
use crate::reference;
use crate::sequences::SequenceRanges;
use crate::weights::{EncoderLayerWeights, LayerNormWeights, LinearWeights};

/// A backend with the operations of an encoder.
///
/// [`Autodiff`](burn::backend::Autodiff) over the backend calls the operations named `…_backward` in the backward pass.
pub trait EncoderOps: Backend {
    /// Whether varlen batches (sequences without padding) are faster on this backend than padded ones.
    const VARLEN: bool = false;

    /// Whether several threads may compute on one device at a time. With two threads on one device, losses were wrong now
    /// and then on wgpu (burn 0.21). CUDA, whose backend has the same base, was not tried.
    const THREADS_SHARE_A_DEVICE: bool = true;

    /// Whether [`pack_linear`](Self::pack_linear) packs float32 weights.
    const PACKS_WEIGHTS: bool = false;

    /// Whether the backend multiplies float32 matrices as TF32, which keeps 11 bits of each factor, and
    /// [`exact_matmul`](Self::exact_matmul) does not: only then does autodiff call that one, too.
    #[must_use]
    fn matmul_uses_tf32() -> bool {
        false
    }

    /// The precisions in which `device` can compute a network: float32, and half precision where it has all operations.
    #[must_use]
    fn precisions(device: &Self::Device) -> Vec<Precision> {
        half_precision::precisions::<Self>(device)
    }

    /// Packs linear layers that share their input into one; `None` where this backend does not pack weights.
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

    /// Packs a gated layer from its two matrices, the activated one first: see [`gated_linear`](Self::gated_linear). `None`
    /// where this backend does not pack weights.
    ///
    /// Each matrix is a weight `[input, output]` and a bias `[output]`.
    #[must_use]
    fn pack_gated_linear(
        layers: [(Tensor<Self, 2>, Tensor<Self, 1>); 2],
        precision: Precision,
    ) -> Option<PackedLinear> {
        let _ = (layers, precision);
        None
    }

    /// The matmul of the last two dimensions with the accuracy of float32, also where the backend's own uses TF32.
    ///
    /// # Shapes
    ///
    /// - `left`: `[…, rows, depth]`
    /// - `right`: `[…, depth, columns]`, with the same other dimensions
    /// - output: `[…, rows, columns]`
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

    /// A gated linear layer, `activation(input * a) * (input * b)` with a bias each (Shazeer, "GLU Variants Improve
    /// Transformer", 2020): `[rows, input]` in, `[rows, output]` out.
    ///
    /// The weights are `a` and `b` side by side, `[input, 2 * output]`, or
    /// [packed](Self::pack_gated_linear). ([`linear`](Self::linear) with weights that are packed so is the same.)
    #[must_use]
    fn gated_linear(
        input: Tensor<Self, 2>,
        weights: LinearWeights<Self>,
        activation: Activation,
    ) -> Tensor<Self, 2> {
        reference::gated_linear(input, weights, activation)
    }

    /// Rotary position embeddings: rotates the pairs of columns of every head, which are half a head apart, by the angles of
    /// the row's position, counted from the start of its sequence. `[tokens, heads * head_size]` in and out.
    ///
    /// # Panics
    ///
    /// When a sequence has more tokens than `table` has positions, and when rows are not whole heads.
    #[must_use]
    fn rotary(
        values: Tensor<Self, 2>,
        table: &RotaryTable,
        sequences: &SequenceRanges,
    ) -> Tensor<Self, 2> {
        reference::rotary(values, table, sequences, Rotation::Forward)
    }

    /// The gradient of [`rotary`](Self::rotary)'s input: `gradient`, rotated by the opposite angles.
    #[must_use]
    fn rotary_backward(
        gradient: Tensor<Self, 2>,
        table: &RotaryTable,
        sequences: &SequenceRanges,
    ) -> Tensor<Self, 2> {
        reference::rotary(gradient, table, sequences, Rotation::Backward)
    }

    /// The gradients of [`linear`](Self::linear) without an activation: of the `input` and of the `weight`, each where the
    /// other is given, and of the bias.
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

    /// `activation(x)` of each `x`, in float32 for half precision: `[rows, width]` in and out.
    #[must_use]
    fn activation(values: Tensor<Self, 2>, activation: Activation) -> Tensor<Self, 2> {
        reference::activation(values, activation)
    }

    /// The gradient of [`activation`](Self::activation)'s input `values`.
    #[must_use]
    fn activation_backward(
        values: Tensor<Self, 2>,
        gradient: Tensor<Self, 2>,
        activation: Activation,
    ) -> Tensor<Self, 2> {
        reference::activation_backward(values, gradient, activation)
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

    /// An encoder layer without dropout.
    ///
    /// `attended` is the [attention](Self::varlen_attention) over the projections of `hidden`, whose queries and keys are
    /// [rotated](Self::rotary) first where the layer has rotary position embeddings.
    ///
    /// - In [post-norm order](crate::EncoderLayerNorms::Post), with `x = attention_norm(linear(attended) + hidden)`, the
    ///   output is `output_norm(linear(activation(linear(x))) + x)`.
    /// - In [pre-norm order](crate::EncoderLayerNorms::Pre), the projections are of `attention_norm(hidden)`. With
    ///   `x = linear(attended) + hidden`, the output is `linear(activation(linear(feed_forward_norm(x)))) + x`.
    ///
    /// The first linear layer of the feed-forward may be [gated](Self::gated_linear).
    ///
    /// # Shapes
    ///
    /// - `hidden`: `[tokens, width]`
    /// - output: `[tokens, width]`
    ///
    /// # Panics
    ///
    /// When the shapes do not fit each other.
    #[must_use]
    fn encoder_layer(
        hidden: Tensor<Self, 2>,
        options: AttentionOptions<Self>,
        sequences: &SequenceRanges,
        weights: EncoderLayerWeights<Self>,
    ) -> Tensor<Self, 2> {
        reference::encoder_layer(hidden, options, sequences, weights)
    }

    /// Attention within each of `sequences`: `dropout(softmax(query * key^T * scale + bias)) * value` for every head, the
    /// softmax over the keys in the query's window.
    ///
    /// # Shapes
    ///
    /// - `query_key_value`: `[tokens, heads * head_size]` each, one sequence after another
    /// - output: `[tokens, heads * head_size]`
    ///
    /// `precision` is that of the linear layers around it. If it is below float32, the forward pass may round the factors of
    /// both products to bfloat16; the backward pass keeps float32.
    #[must_use]
    fn varlen_attention(
        query_key_value: [Tensor<Self, 2>; 3],
        options: AttentionOptions<Self>,
        sequences: &SequenceRanges,
        dropout: Option<DropoutMask>,
        precision: Precision,
    ) -> Tensor<Self, 2> {
        let _ = precision;
        reference::varlen_attention(query_key_value, options, sequences, dropout)
    }

    /// The gradients of [`varlen_attention`](Self::varlen_attention)'s input, with that of the bias if there is one and
    /// `of_bias`.
    #[must_use]
    fn varlen_attention_backward(
        query_key_value: [Tensor<Self, 2>; 3],
        options: AttentionOptions<Self>,
        sequences: &SequenceRanges,
        dropout: Option<DropoutMask>,
        gradient: Tensor<Self, 2>,
        of_bias: bool,
    ) -> AttentionGradients<Self> {
        reference::varlen_attention_backward(
            query_key_value,
            options,
            sequences,
            dropout,
            gradient,
            of_bias,
        )
    }

    /// Dropout: multiplies every element with the mask's factor, 0 or `1 / (1 - probability)`.
    ///
    /// The gradient is the same operation with the same mask.
    #[must_use]
    fn dropout<const D: usize>(values: Tensor<Self, D>, mask: DropoutMask) -> Tensor<Self, D> {
        reference::dropout(values, mask)
    }

    /// A step of AdamW: the new weights, and the new moments of the gradients.
    ///
    /// All have one shape. The first moment is the running mean of gradients, the second that of squared gradients. Both are
    /// zeros before the first step.
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

    /// The sum of the squares of all elements, always in the same order.
    #[must_use]
    fn sum_of_squares<const D: usize>(values: Tensor<Self, D>) -> f64 {
        reference::sum_of_squares(values)
    }
}

/// The gradients from [`EncoderOps::linear_backward`].
#[derive(Clone, Debug)]
pub struct LinearGradients<B: Backend> {
    /// `[rows, input]`.
    pub input: Option<Tensor<B, 2>>,
    /// `[input, output]`.
    pub weight: Option<Tensor<B, 2>>,
    /// `[output]`.
    pub bias: Tensor<B, 1>,
}

/// The gradients from [`EncoderOps::layer_norm_backward`].
#[derive(Clone, Debug)]
pub struct LayerNormGradients<B: Backend> {
    /// Of the input, `[rows, width]`.
    pub values: Tensor<B, 2>,
    /// Of the factor, `[width]`.
    pub gamma: Tensor<B, 1>,
    /// Of the offset, `[width]`.
    pub beta: Tensor<B, 1>,
}

/// The gradients from [`EncoderOps::varlen_attention_backward`].
#[derive(Clone, Debug)]
pub struct AttentionGradients<B: Backend> {
    /// `[tokens, heads * head_size]` each.
    pub query_key_value: [Tensor<B, 2>; 3],
    /// `[1, heads, longest, longest]`, if there is a bias and the caller asked for its gradient.
    pub bias: Option<Tensor<B, 4>>,
}

/// A backend that records gradients of the encoder's operations.
pub trait TrainingBackend: EncoderOps + AutodiffBackend<InnerBackend: EncoderOps> {}

impl<B: EncoderOps + AutodiffBackend<InnerBackend: EncoderOps>> TrainingBackend for B {}
