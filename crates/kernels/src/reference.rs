//! The reference implementations of the operations, from burn's own tensors, on every backend.
//!
//! They define the operations, and tests hold the fast implementations against them.

mod activation;
mod attention;

pub(crate) use activation::{activation, activation_backward};
pub(crate) use attention::{varlen_attention, varlen_attention_backward};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData, TensorPrimitive};
use cpu_kernels::{Activation, AdamWStep, DropoutMask};

use crate::attention_options::AttentionOptions;
use crate::encoder_ops::{EncoderOps, LayerNormGradients, LinearGradients};
use crate::half_precision::{in_float32, upcast};
use crate::sequences::SequenceRanges;
use crate::weights::{EncoderLayerWeights, LayerNormWeights, LinearWeights};

pub(crate) fn linear<B: EncoderOps>(
    input: Tensor<B, 2>,
    weights: LinearWeights<B>,
    activation: Activation,
) -> Tensor<B, 2> {
    let (weight, bias) = weights.into_tensors(&input.device());
    let sum = if B::matmul_uses_tf32() {
        B::exact_matmul(input, weight) + bias.unsqueeze()
    } else {
        burn::tensor::module::linear(input, weight, Some(bias))
    };
    <B as EncoderOps>::activation(sum, activation)
}

pub(crate) fn linear_backward<B: EncoderOps>(
    input: Option<Tensor<B, 2>>,
    weight: Option<Tensor<B, 2>>,
    gradient: Tensor<B, 2>,
) -> LinearGradients<B> {
    LinearGradients {
        input: weight.map(|weight| B::exact_matmul(gradient.clone(), weight.transpose())),
        weight: input.map(|input| B::exact_matmul(input.transpose(), gradient.clone())),
        bias: gradient.sum_dim(0).squeeze_dim(0),
    }
}

pub(crate) fn layer_norm<B: Backend>(
    values: Tensor<B, 2>,
    norm: LayerNormWeights<B>,
) -> Tensor<B, 2> {
    in_float32(values, |values| {
        Tensor::from_primitive(TensorPrimitive::Float(B::layer_norm(
            values.into_primitive().tensor(),
            norm.gamma.into_primitive().tensor(),
            Some(norm.beta.into_primitive().tensor()),
            norm.epsilon,
        )))
    })
}

pub(crate) fn add_layer_norm<B: EncoderOps>(
    values: Tensor<B, 2>,
    residual: Tensor<B, 2>,
    norm: LayerNormWeights<B>,
) -> Tensor<B, 2> {
    let dtype = values.dtype();
    <B as EncoderOps>::layer_norm(upcast(values) + upcast(residual), norm).cast(dtype)
}

pub(crate) fn encoder_layer<B: EncoderOps>(
    hidden: Tensor<B, 2>,
    options: AttentionOptions<B>,
    sequences: &SequenceRanges,
    weights: EncoderLayerWeights<B>,
) -> Tensor<B, 2> {
    let linear = |input, weights, activation| {
        <B as EncoderOps>::linear(input, LinearWeights::Packed(weights), activation)
    };
    let [_, width] = hidden.dims();
    let precision = weights.projections.precision();
    let joined = linear(hidden.clone(), weights.projections, Activation::Identity);
    let projections = [0, 1, 2].map(|part| {
        joined
            .clone()
            .slice_dim(1, part * width..(part + 1) * width)
    });
    let attended = B::varlen_attention(projections, options, sequences, None, precision);
    let attended = linear(attended, weights.attention_output, Activation::Identity);
    let hidden = B::add_layer_norm(attended, hidden, weights.attention_norm);
    let intermediate = linear(hidden.clone(), weights.intermediate, weights.activation);
    let output = linear(intermediate, weights.output, Activation::Identity);
    B::add_layer_norm(output, hidden, weights.output_norm)
}

/// With `n = (x - mean) * factor` and `g = gradient * gamma`, the gradient of `x` is `factor * (g -
/// mean(g) - n * mean(g * n))`.
pub(crate) fn layer_norm_backward<B: Backend>(
    values: Tensor<B, 2>,
    norm: LayerNormWeights<B>,
    gradient: Tensor<B, 2>,
) -> LayerNormGradients<B> {
    let centered = values.clone() - values.mean_dim(1);
    let deviation = (centered.clone().square().mean_dim(1) + norm.epsilon).sqrt();
    let normalized = centered / deviation.clone();
    let scaled = gradient.clone() * norm.gamma.unsqueeze();
    let along = (scaled.clone() * normalized.clone()).mean_dim(1);
    let across = scaled.clone() - scaled.mean_dim(1) - normalized.clone() * along;
    LayerNormGradients {
        values: across / deviation,
        gamma: (gradient.clone() * normalized).sum_dim(0).squeeze_dim(0),
        beta: gradient.sum_dim(0).squeeze_dim(0),
    }
}

pub(crate) fn dropout<B: Backend, const D: usize>(
    values: Tensor<B, D>,
    mask: DropoutMask,
) -> Tensor<B, D> {
    let shape = values.shape();
    let factors = TensorData::new(mask.factors(shape.num_elements()), shape);
    let factors = Tensor::from_data(factors, &values.device());
    values * factors
}

/// In the order of burn's own AdamW.
pub(crate) fn adamw<B: Backend, const D: usize>(
    weights: Tensor<B, D>,
    gradient: Tensor<B, D>,
    [mean, square]: [Tensor<B, D>; 2],
    step: &AdamWStep,
) -> (Tensor<B, D>, [Tensor<B, D>; 2]) {
    let [of_mean, of_square] = step.corrections();
    let mean = mean * step.beta_1 + gradient.clone() * (1.0 - step.beta_1);
    let square = square * step.beta_2 + gradient.square() * (1.0 - step.beta_2);
    let size = (square.clone() / of_square).sqrt() + step.epsilon;
    let direction = mean.clone() / of_mean / size;
    let weights = weights * step.kept() - direction * step.learning_rate;
    (weights, [mean, square])
}

/// The device sums rows, and this function their sums: burn's CPU backend sums a whole tensor in another order each time.
pub(crate) fn sum_of_squares<B: Backend, const D: usize>(values: Tensor<B, D>) -> f64 {
    let squares = values.square();
    let rows = if D == 1 {
        squares
    } else {
        squares.sum_dim(D - 1)
    };
    rows.into_data().iter::<f64>().sum()
}
