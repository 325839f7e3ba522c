//! The reference implementations of the operations, from burn's own tensors, on every backend.
//!
//! They define the operations, and tests hold the fast implementations against them.

mod activation;
mod attention;

pub(crate) use activation::{activation, activation_backward};
pub(crate) use attention::{varlen_attention, varlen_attention_backward};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData, TensorPrimitive};
use cpu_kernels::{Activation, AdamWStep, DropoutMask, RotaryTable, Rotation};

use crate::attention_options::AttentionOptions;
use crate::encoder_ops::{EncoderOps, LayerNormGradients, LinearGradients};
use crate::half_precision::{in_float32, upcast};
use crate::sequences::SequenceRanges;
use crate::weights::{EncoderLayerNorms, EncoderLayerWeights, LayerNormWeights, LinearWeights};

pub(crate) fn linear<B: EncoderOps>(
    input: Tensor<B, 2>,
    weights: LinearWeights<B>,
    activation: Activation,
) -> Tensor<B, 2> {
    if matches!(&weights, LinearWeights::Packed(packed) if packed.is_gated()) {
        return gated_linear(input, weights, activation);
    }
    <B as EncoderOps>::activation(linear_sum(input, weights), activation)
}

/// `input * weight + bias`.
fn linear_sum<B: EncoderOps>(input: Tensor<B, 2>, weights: LinearWeights<B>) -> Tensor<B, 2> {
    let (weight, bias) = weights.into_tensors(&input.device());
    if B::matmul_uses_tf32() {
        B::exact_matmul(input, weight) + bias.unsqueeze()
    } else {
        burn::tensor::module::linear(input, weight, Some(bias))
    }
}

/// One product and an element-wise operation, each with its own backward pass.
pub(crate) fn gated_linear<B: EncoderOps>(
    input: Tensor<B, 2>,
    weights: LinearWeights<B>,
    activation: Activation,
) -> Tensor<B, 2> {
    let sums = match weights {
        LinearWeights::Packed(_) => linear_sum(input, weights),
        weights => <B as EncoderOps>::linear(input, weights, Activation::Identity),
    };
    let [gates, factors]: [Tensor<B, 2>; 2] = halves(sums);
    <B as EncoderOps>::activation(gates, activation) * factors
}

/// The left and the right half of the last dimension.
fn halves<B: Backend, const D: usize>(values: Tensor<B, D>) -> [Tensor<B, D>; 2] {
    let width = values.dims()[D - 1];
    [0..width / 2, width / 2..width].map(|columns| values.clone().slice_dim(D - 1, columns))
}

/// `[x cos(a) - y sin(a), y cos(a) + x sin(a)]` of the halves `x` and `y` of every head, in float32 for half precision.
pub(crate) fn rotary<B: Backend>(
    values: Tensor<B, 2>,
    table: &RotaryTable,
    sequences: &SequenceRanges,
    rotation: Rotation,
) -> Tensor<B, 2> {
    let [tokens, width] = values.dims();
    let (head_size, device) = (table.head_size(), values.device());
    if tokens == 0 {
        return values;
    }
    let pairs = head_size / 2;
    let of_tokens = |of_positions: &[f32]| {
        let ranges = sequences.ranges().iter();
        let values = ranges.flat_map(|range| &of_positions[..range.len() * pairs]);
        let values = TensorData::new(values.copied().collect::<Vec<f32>>(), [tokens, 1, pairs]);
        Tensor::<B, 3>::from_data(values, &device)
    };
    let (cosines, sines) = (of_tokens(table.cosines()), of_tokens(table.sines()));
    let sines = match rotation {
        Rotation::Forward => sines,
        Rotation::Backward => -sines,
    };
    in_float32(values, |values| {
        let [x, y] = halves(values.reshape([tokens, width / head_size, head_size]));
        let first = x.clone() * cosines.clone() - y.clone() * sines.clone();
        let second = y * cosines + x * sines;
        Tensor::cat(vec![first, second], 2).reshape([tokens, width])
    })
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
    let input = match &weights.norms {
        EncoderLayerNorms::Pre {
            attention: Some(norm),
            ..
        } => <B as EncoderOps>::layer_norm(hidden.clone(), norm.clone()),
        _ => hidden.clone(),
    };
    let joined = linear(input, weights.projections, Activation::Identity);
    let [mut query, mut key, value] = [0, 1, 2].map(|part| {
        joined
            .clone()
            .slice_dim(1, part * width..(part + 1) * width)
    });
    if let Some(table) = &weights.rotary {
        [query, key] = [query, key].map(|rows| B::rotary(rows, table, sequences));
    }
    let attended = B::varlen_attention([query, key, value], options, sequences, None, precision);
    let attended = linear(attended, weights.attention_output, Activation::Identity);
    let feed_forward = |input| {
        let intermediate = linear(input, weights.intermediate, weights.activation);
        linear(intermediate, weights.output, Activation::Identity)
    };
    match weights.norms {
        EncoderLayerNorms::Post { attention, output } => {
            let hidden = B::add_layer_norm(attended, hidden, attention);
            B::add_layer_norm(feed_forward(hidden.clone()), hidden, output)
        }
        EncoderLayerNorms::Pre {
            feed_forward: norm, ..
        } => {
            let hidden = hidden + attended;
            let normalized = <B as EncoderOps>::layer_norm(hidden.clone(), norm);
            hidden + feed_forward(normalized)
        }
    }
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
