//! Attention within each sequence of a varlen batch.

use std::ops::Range;

use burn::tensor::activation::softmax;
use burn::tensor::backend::Backend;
use burn::tensor::{Bool, Tensor, TensorData};
use cpu_kernels::DropoutMask;

use crate::attention_options::AttentionOptions;
use crate::encoder_ops::{AttentionGradients, EncoderOps};
use crate::sequences::SequenceRanges;

pub(crate) fn varlen_attention<B: EncoderOps>(
    query_key_value: [Tensor<B, 2>; 3],
    options: AttentionOptions<B>,
    sequences: &SequenceRanges,
    dropout: Option<DropoutMask>,
) -> Tensor<B, 2> {
    let attended: Vec<Tensor<B, 2>> = with_tokens(sequences)
        .map(|sequence| {
            let sequence = Sequence::new(&query_key_value, &options, sequences, sequence);
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

/// The formulas are in `training/attention_backward.rs` of `cpu-kernels`. Outside the window weights are 0, and so are the
/// gradients of their scores.
pub(crate) fn varlen_attention_backward<B: EncoderOps>(
    query_key_value: [Tensor<B, 2>; 3],
    options: AttentionOptions<B>,
    sequences: &SequenceRanges,
    dropout: Option<DropoutMask>,
    gradient: Tensor<B, 2>,
    of_bias: bool,
) -> AttentionGradients<B> {
    let mut parts: [Vec<Tensor<B, 2>>; 3] = Default::default();
    let mut of_biases = options
        .bias
        .as_ref()
        .filter(|_| of_bias)
        .map(Tensor::zeros_like);
    for index in with_tokens(sequences) {
        let sequence = Sequence::new(&query_key_value, &options, sequences, index);
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
        let of_scores = of_scores * options.scale;
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
struct Sequence<'a, B: Backend> {
    query: Tensor<B, 4>,
    key: Tensor<B, 4>,
    value: Tensor<B, 4>,
    options: &'a AttentionOptions<B>,
    range: Range<usize>,
    index: usize,
}

impl<'a, B: EncoderOps> Sequence<'a, B> {
    fn new(
        query_key_value: &[Tensor<B, 2>; 3],
        options: &'a AttentionOptions<B>,
        sequences: &SequenceRanges,
        index: usize,
    ) -> Self {
        let range = sequences.ranges()[index].clone();
        let [query, key, value] = query_key_value
            .each_ref()
            .map(|projection| split(projection, &range, options.heads));
        Self {
            query,
            key,
            value,
            options,
            range,
            index,
        }
    }

    /// Attention weights, after the softmax: `[1, heads, length, length]`.
    fn weights(&self) -> Tensor<B, 4> {
        let (heads, length) = (self.options.heads, self.range.len());
        let products = B::exact_matmul(self.query.clone(), self.key.clone().transpose());
        let mut scores = products * self.options.scale;
        if let Some(bias) = &self.options.bias {
            scores = scores + bias.clone().slice([0..1, 0..heads, 0..length, 0..length]);
        }
        if let Some(window) = self.options.window {
            let hidden = hidden(length, window, &self.query.device());
            let hidden = hidden.expand([1, heads, length, length]);
            scores = scores.mask_fill(hidden, f32::NEG_INFINITY);
        }
        softmax(scores, 3)
    }

    /// Factors of dropout: `[1, heads, length, length]`.
    fn factors(&self, dropout: Option<DropoutMask>) -> Option<Tensor<B, 4>> {
        let mask = dropout?;
        let (heads, length) = (self.options.heads, self.range.len());
        let mut factors = vec![0.0; heads * length * length];
        for (head, factors) in factors.chunks_mut((length * length).max(1)).enumerate() {
            let mut block = mask.block(self.index * heads + head);
            for row in factors.chunks_mut(length) {
                block.fill(row);
            }
        }
        let factors = TensorData::new(factors, [1, heads, length, length]);
        Some(Tensor::from_data(factors, &self.query.device()))
    }

    fn split(&self, rows: &Tensor<B, 2>) -> Tensor<B, 4> {
        split(rows, &self.range, self.options.heads)
    }

    /// `[1, heads, length, head_size]` -> `[length, heads * head_size]`.
    fn join(&self, heads: Tensor<B, 4>) -> Tensor<B, 2> {
        let [_, count, length, head_size] = heads.dims();
        heads.swap_dims(1, 2).reshape([length, count * head_size])
    }
}

/// `[tokens, heads * head_size]` -> `[1, heads, length, head_size]`.
fn split<B: Backend>(rows: &Tensor<B, 2>, range: &Range<usize>, heads: usize) -> Tensor<B, 4> {
    let [_, width] = rows.dims();
    rows.clone()
        .slice([range.clone(), 0..width])
        .reshape([1, range.len(), heads, width / heads])
        .swap_dims(1, 2)
}

/// True for the keys outside a query's window: `[1, 1, length, length]`.
fn hidden<B: Backend>(length: usize, window: usize, device: &B::Device) -> Tensor<B, 4, Bool> {
    let hidden = (0..length)
        .flat_map(|query| (0..length).map(move |key| query.abs_diff(key) > window))
        .collect::<Vec<bool>>();
    Tensor::from_data(TensorData::new(hidden, [1, 1, length, length]), device)
}
