//! The operations and what they mean.

use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::tensor::activation::{gelu, softmax};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Tensor, TensorData, TensorPrimitive};

use crate::cpu::{Activation, PackedLinear};
use crate::precision::Precision;
use crate::texts::Texts;

/// The weights of a dense layer.
#[derive(Clone, Debug)]
pub enum LinearWeights<B: Backend> {
    /// As tensors, which gradients may reach.
    Plain {
        /// `[input, output]`.
        weight: Tensor<B, 2>,
        /// `[output]`.
        bias: Tensor<B, 1>,
    },
    /// In the form that [`EncoderOps::pack_linear`] gave.
    Packed(PackedLinear),
}

impl<B: Backend> LinearWeights<B> {
    fn into_tensors(self, device: &B::Device) -> (Tensor<B, 2>, Tensor<B, 1>) {
        match self {
            Self::Plain { weight, bias } => (weight, bias),
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

/// Scale, shift and epsilon of a layer normalisation.
#[derive(Clone, Debug)]
pub struct Norm<B: Backend> {
    /// `[width]`.
    pub scale: Tensor<B, 1>,
    /// `[width]`.
    pub shift: Tensor<B, 1>,
    /// Added to the variance.
    pub epsilon: f64,
}

/// A backend with the operations of an encoder.
pub trait EncoderOps: Backend {
    /// Whether texts that stand end to end are faster here than padded ones.
    const END_TO_END: bool = false;

    /// Whether [`pack_linear`](Self::pack_linear) packs weights of float32.
    const PACKS_WEIGHTS: bool = false;

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

    /// `activation(input * weight + bias)`: `[rows, input]` in, `[rows, output]` out.
    #[must_use]
    fn dense(
        input: Tensor<Self, 2>,
        weights: LinearWeights<Self>,
        activation: Activation,
    ) -> Tensor<Self, 2> {
        plain_dense(input, weights, activation)
    }

    /// `layer_norm(values + residual)`: `[rows, width]` in and out.
    #[must_use]
    fn add_layer_norm(
        values: Tensor<Self, 2>,
        residual: Tensor<Self, 2>,
        norm: Norm<Self>,
    ) -> Tensor<Self, 2> {
        plain_add_layer_norm(values, residual, norm)
    }

    /// Attention within each of `texts`, no further: `softmax(query * key^T / sqrt(head_size) +
    /// bias) * value` for every head.
    ///
    /// # Shapes
    ///
    /// - `query_key_value`: `[tokens, heads * head_size]` each
    /// - `bias`: `[1, heads, longest, longest]`; a shorter text takes the upper left corner
    /// - output: `[tokens, heads * head_size]`
    #[must_use]
    fn attention_within(
        query_key_value: [Tensor<Self, 2>; 3],
        bias: Tensor<Self, 4>,
        texts: &Texts,
    ) -> Tensor<Self, 2> {
        plain_attention_within(query_key_value, bias, texts)
    }
}

impl<B: EncoderOps, C: CheckpointStrategy> EncoderOps for Autodiff<B, C> {}

/// A backend that records gradients of the encoder's operations.
pub trait TrainingBackend: EncoderOps + AutodiffBackend<InnerBackend: EncoderOps> {}

impl<B: EncoderOps + AutodiffBackend<InnerBackend: EncoderOps>> TrainingBackend for B {}

pub(crate) fn plain_dense<B: Backend>(
    input: Tensor<B, 2>,
    weights: LinearWeights<B>,
    activation: Activation,
) -> Tensor<B, 2> {
    let (weight, bias) = weights.into_tensors(&input.device());
    let sum = burn::tensor::module::linear(input, weight, Some(bias));
    match activation {
        Activation::Identity => sum,
        Activation::Gelu => exact_gelu(sum),
    }
}

pub(crate) fn plain_add_layer_norm<B: Backend>(
    values: Tensor<B, 2>,
    residual: Tensor<B, 2>,
    norm: Norm<B>,
) -> Tensor<B, 2> {
    Tensor::from_primitive(TensorPrimitive::Float(B::layer_norm(
        (values + residual).into_primitive().tensor(),
        norm.scale.into_primitive().tensor(),
        Some(norm.shift.into_primitive().tensor()),
        norm.epsilon,
    )))
}

pub(crate) fn plain_attention_within<B: Backend>(
    query_key_value: [Tensor<B, 2>; 3],
    bias: Tensor<B, 4>,
    texts: &Texts,
) -> Tensor<B, 2> {
    let [_, heads, _, _] = bias.dims();
    let [_, width] = query_key_value[0].dims();
    let head_size = width / heads;
    let within = texts.ranges().iter().map(|text| {
        let length = text.len();
        // [tokens, width] -> [1, heads, length, head_size]
        let [query, key, value] = query_key_value.clone().map(|projection| {
            projection
                .slice([text.clone(), 0..width])
                .reshape([1, length, heads, head_size])
                .swap_dims(1, 2)
        });
        let bias = bias.clone().slice([0..1, 0..heads, 0..length, 0..length]);
        let scores = query.matmul(key.transpose()) / (head_size as f64).sqrt() + bias;
        softmax(scores, 3)
            .matmul(value)
            .swap_dims(1, 2)
            .reshape([length, width])
    });
    let attended: Vec<Tensor<B, 2>> = within.collect();
    if attended.is_empty() {
        // No texts, no rows.
        return query_key_value[0].clone();
    }
    Tensor::cat(attended, 0)
}

/// `x * (1 + erf(x / sqrt(2))) / 2`, without the tanh that stands in for it elsewhere.
///
/// burn 0.21 computes its own `gelu` in this way, but in the backward pass most backends take the
/// derivative of the tanh form (`gelu_backward` in burn-backend's `activation.rs`), which is up to
/// 3e-4 off. Under autodiff the formula is spelt out on those, and its derivative is exact.
fn exact_gelu<B: Backend, const D: usize>(x: Tensor<B, D>) -> Tensor<B, D> {
    let device = x.device();
    if !B::ad_enabled(&device) || has_exact_gelu_backward::<B>(&device) {
        return gelu(x);
    }
    let erf = (x.clone() / std::f64::consts::SQRT_2).erf();
    x * (erf + 1.0) * 0.5
}

/// burn-flex has a `gelu_backward` of its own, which is exact; one operation keeps a fifth of what
/// the spelt-out formula keeps for the way back.
fn has_exact_gelu_backward<B: Backend>(device: &B::Device) -> bool {
    B::name(device).contains("flex")
}
