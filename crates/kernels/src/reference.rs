//! The reference implementations of the operations, from burn's own tensors, on every backend.
//!
//! They define the operations, and tests hold the fast implementations against them.

use burn::tensor::activation::softmax;
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData, TensorPrimitive};
use cpu_kernels::{Activation, AdamWStep, DropoutMask};

use crate::encoder_ops::{AttentionGradients, EncoderOps, LayerNormGradients, LinearGradients};
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
    match activation {
        Activation::Identity => sum,
        Activation::Gelu => B::exact_gelu(sum),
    }
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

pub(crate) fn exact_gelu<B: Backend>(values: Tensor<B, 2>) -> Tensor<B, 2> {
    in_float32(values, burn::tensor::activation::gelu)
}

/// `gradient * ((1 + erf(x / sqrt(2))) / 2 + x * exp(-x² / 2) / sqrt(2 * pi))`.
///
/// burn 0.21 computes its own `gelu` exactly, but in the backward pass most backends take the
/// derivative of the tanh form (`gelu_backward` in burn-backend's `activation.rs`), which is up to
/// 3e-4 off.
pub(crate) fn exact_gelu_backward<B: Backend>(
    values: Tensor<B, 2>,
    gradient: Tensor<B, 2>,
) -> Tensor<B, 2> {
    let below = (values.clone() * std::f64::consts::FRAC_1_SQRT_2).erf() * 0.5 + 0.5;
    let density = (values.clone().square() * -0.5).exp() / (2.0 * std::f64::consts::PI).sqrt();
    (values * density + below) * gradient
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
    bias: Tensor<B, 4>,
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
    let attended = B::varlen_attention(projections, bias, sequences, None, precision);
    let attended = linear(attended, weights.attention_output, Activation::Identity);
    let hidden = B::add_layer_norm(attended, hidden, weights.attention_norm);
    let intermediate = linear(hidden.clone(), weights.intermediate, Activation::Gelu);
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

pub(crate) fn varlen_attention<B: EncoderOps>(
    query_key_value: [Tensor<B, 2>; 3],
    bias: Tensor<B, 4>,
    sequences: &SequenceRanges,
    dropout: Option<DropoutMask>,
) -> Tensor<B, 2> {
    let attended: Vec<Tensor<B, 2>> = with_tokens(sequences)
        .map(|sequence| {
            let sequence = Sequence::new(&query_key_value, &bias, sequences, sequence);
            let weights = sequence.weights();
            let weights = match sequence.factors(dropout) {
                Some(factors) => weights * factors,
                None => weights,
            };
            sequence.join(B::exact_matmul(weights, sequence.value.clone()))
        })
        .collect();
    if attended.is_empty() {
        // No tokens, no rows.
        return query_key_value[0].clone();
    }
    Tensor::cat(attended, 0)
}

/// The formulas are in `cpu/training/attention_backward.rs`.
pub(crate) fn varlen_attention_backward<B: EncoderOps>(
    query_key_value: [Tensor<B, 2>; 3],
    bias: Tensor<B, 4>,
    sequences: &SequenceRanges,
    dropout: Option<DropoutMask>,
    gradient: Tensor<B, 2>,
    of_bias: bool,
) -> AttentionGradients<B> {
    let mut parts: [Vec<Tensor<B, 2>>; 3] = Default::default();
    let mut of_biases = of_bias.then(|| bias.zeros_like());
    for index in with_tokens(sequences) {
        let sequence = Sequence::new(&query_key_value, &bias, sequences, index);
        let gradient = sequence.split(&gradient);
        let weights = sequence.weights();
        let mut dropped = weights.clone();
        let mut of_weights = B::exact_matmul(gradient.clone(), sequence.value.clone().transpose());
        if let Some(factors) = sequence.factors(dropout) {
            dropped = dropped * factors.clone();
            of_weights = of_weights * factors;
        }
        let total = (of_weights.clone() * weights.clone()).sum_dim(3);
        let of_scores = (of_weights - total) * weights;
        if let Some(sum) = of_biases.take() {
            let [_, heads, length, _] = of_scores.dims();
            let corner = [0..1, 0..heads, 0..length, 0..length];
            let added = sum.clone().slice(corner.clone()) + of_scores.clone();
            of_biases = Some(sum.slice_assign(corner, added));
        }
        let of_scores = of_scores * sequence.scale();
        let of_query = B::exact_matmul(of_scores.clone(), sequence.key.clone());
        let of_key = B::exact_matmul(of_scores.transpose(), sequence.query.clone());
        let of_value = B::exact_matmul(dropped.transpose(), gradient);
        for (part, of_part) in parts.iter_mut().zip([of_query, of_key, of_value]) {
            part.push(sequence.join(of_part));
        }
    }
    let query_key_value = if sequences.tokens() == 0 {
        query_key_value
    } else {
        parts.map(|part| Tensor::cat(part, 0))
    };
    AttentionGradients {
        query_key_value,
        bias: of_biases,
    }
}

/// Indices of the sequences that have tokens.
fn with_tokens(sequences: &SequenceRanges) -> impl Iterator<Item = usize> {
    let ranges = sequences.ranges().iter().enumerate();
    ranges
        .filter(|(_, range)| !range.is_empty())
        .map(|(index, _)| index)
}

/// Tensors of one sequence: `[1, heads, length, head_size]` each.
struct Sequence<B: Backend> {
    query: Tensor<B, 4>,
    key: Tensor<B, 4>,
    value: Tensor<B, 4>,
    bias: Tensor<B, 4>,
    range: std::ops::Range<usize>,
    index: usize,
}

impl<B: EncoderOps> Sequence<B> {
    fn new(
        query_key_value: &[Tensor<B, 2>; 3],
        bias: &Tensor<B, 4>,
        sequences: &SequenceRanges,
        index: usize,
    ) -> Self {
        let range = sequences.ranges()[index].clone();
        let [_, heads, _, _] = bias.dims();
        let length = range.len();
        let [query, key, value] = query_key_value
            .each_ref()
            .map(|projection| split(projection, &range, heads));
        Self {
            query,
            key,
            value,
            bias: bias.clone().slice([0..1, 0..heads, 0..length, 0..length]),
            range,
            index,
        }
    }

    fn scale(&self) -> f64 {
        let [_, _, _, head_size] = self.query.dims();
        1.0 / (head_size as f64).sqrt()
    }

    /// Attention weights, after the softmax: `[1, heads, length, length]`.
    fn weights(&self) -> Tensor<B, 4> {
        let products = B::exact_matmul(self.query.clone(), self.key.clone().transpose());
        softmax(products * self.scale() + self.bias.clone(), 3)
    }

    /// Factors of dropout: `[1, heads, length, length]`.
    fn factors(&self, dropout: Option<DropoutMask>) -> Option<Tensor<B, 4>> {
        let mask = dropout?;
        let [_, heads, length, _] = self.bias.dims();
        let mut factors = vec![0.0; heads * length * length];
        for (head, factors) in factors.chunks_mut((length * length).max(1)).enumerate() {
            let mut block = mask.block(self.index * heads + head);
            for row in factors.chunks_mut(length) {
                block.fill(row);
            }
        }
        let factors = TensorData::new(factors, [1, heads, length, length]);
        Some(Tensor::from_data(factors, &self.bias.device()))
    }

    fn split(&self, rows: &Tensor<B, 2>) -> Tensor<B, 4> {
        split(rows, &self.range, self.bias.dims()[1])
    }

    /// `[1, heads, length, head_size]` -> `[length, heads * head_size]`.
    fn join(&self, heads: Tensor<B, 4>) -> Tensor<B, 2> {
        let [_, count, length, head_size] = heads.dims();
        heads.swap_dims(1, 2).reshape([length, count * head_size])
    }
}

/// `[tokens, heads * head_size]` -> `[1, heads, length, head_size]`.
fn split<B: Backend>(
    rows: &Tensor<B, 2>,
    range: &std::ops::Range<usize>,
    heads: usize,
) -> Tensor<B, 4> {
    let [_, width] = rows.dims();
    rows.clone()
        .slice([range.clone(), 0..width])
        .reshape([1, range.len(), heads, width / heads])
        .swap_dims(1, 2)
}
