//! The backward pass of attention.
//!
//! With `W = softmax(S)`, `S = Q K^T scale + bias` (minus infinity outside the window), `D` the factors of dropout and `G` the gradient of the output `(W D) V`
//! (elementwise products where there is no transposition), the gradients are:
//!
//! - of the values: `(W D)^T G`
//! - of the weights: `U = (G V^T) D`
//! - of the scores: `T = W (U - rowsum(U W))`; summed over the sequences, of the bias
//! - of the queries: `T K scale`; of the keys: `T^T Q scale`

use pulp::Simd;
use rayon::prelude::*;

use crate::float::rows::Rows;
use crate::layer::attention::head::{
    Head, Panels, panel_width, panels, product, transposed_panels,
};
use crate::layer::attention::input::{Attention, Strided};
use crate::simd::arch::{Vectorized, dispatch};
use crate::simd::reduce::{LANES, product_sum};

/// Tasks: groups of neighbouring sequences, each with a sum of the bias's gradient. The number is fixed, so that the sums
/// have the same order on every machine; it is small, because each sum is as large as the bias, `[heads, length, length]`.
/// Two model replicas keep eight threads busy.
const GROUPS: usize = 4;

/// The gradients of the input: rows as the sequences', `heads * head_size` floats each.
#[derive(Debug)]
pub struct Gradients<'a> {
    /// Of the queries.
    pub query: &'a mut [f32],
    /// Of the keys.
    pub key: &'a mut [f32],
    /// Of the values.
    pub value: &'a mut [f32],
}

/// The gradients of [`attention`](crate::attention)'s input from the one of its output, `gradient`.
///
/// Returns the gradient of the bias, `[heads, length, length]` as the bias itself, if there is one and `of_bias`.
///
/// # Panics
///
/// As [`attention`](crate::attention).
pub fn attention_backward(
    attention: &Attention<'_>,
    gradient: Strided<'_>,
    gradients: Gradients<'_>,
    of_bias: bool,
) -> Option<Vec<f32>> {
    let &Attention {
        sequences,
        heads,
        bias,
        ..
    } = attention;
    let width = heads * attention.head_size;
    let bias = bias.filter(|_| of_bias);
    let bias_size = bias.map_or(0, |bias| heads * bias.length * bias.length);
    let in_group = sequences.len().div_ceil(GROUPS).max(1);
    let mut rest = gradients;
    let mut groups = Vec::with_capacity(GROUPS);
    for (index, group) in sequences.chunks(in_group).enumerate() {
        let floats = group.iter().map(|sequence| sequence.len() * width).sum();
        let (query, query_rest) = rest.query.split_at_mut(floats);
        let (key, key_rest) = rest.key.split_at_mut(floats);
        let (value, value_rest) = rest.value.split_at_mut(floats);
        groups.push((
            index * in_group,
            group.len(),
            Gradients { query, key, value },
        ));
        rest = Gradients {
            query: query_rest,
            key: key_rest,
            value: value_rest,
        };
    }
    let sums: Vec<Vec<f32>> = groups
        .into_par_iter()
        .map(|(first, count, gradients)| {
            let mut sum = vec![0.0; bias_size];
            let begin = sequences[first].start;
            for (sequence, range) in sequences.iter().enumerate().skip(first).take(count) {
                for head in 0..heads {
                    let head = Head {
                        attention,
                        sequence,
                        head,
                    };
                    dispatch(Backward {
                        head,
                        gradient,
                        query: &mut *gradients.query,
                        key: &mut *gradients.key,
                        value: &mut *gradients.value,
                        place: (range.start - begin) * width + head.head * attention.head_size,
                        bias: &mut sum,
                    });
                }
            }
            sum
        })
        .collect();
    bias.map(|_| {
        let mut sums = sums.into_iter();
        let mut total = sums.next().unwrap_or_else(|| vec![0.0; bias_size]);
        for sum in sums {
            for (total, value) in total.iter_mut().zip(sum) {
                *total += value;
            }
        }
        total
    })
}

struct Backward<'a> {
    head: Head<'a>,
    /// Gradient of the output.
    gradient: Strided<'a>,
    query: &'a mut [f32],
    key: &'a mut [f32],
    value: &'a mut [f32],
    /// Index of the head's first float in these three.
    place: usize,
    /// The sum of the bias's gradient; empty if it is not needed.
    bias: &'a mut [f32],
}

impl Vectorized for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize>(self, simd: S) {
        let Self { head, place, .. } = self;
        let Attention {
            projections,
            heads,
            head_size,
            ..
        } = *head.attention;
        let length = head.length();
        if length == 0 {
            return;
        }
        let width = panel_width::<S>();
        let padded = length.next_multiple_of(width.max(LANES));
        let query = head.rows(projections.query);
        let gradient = head.rows(self.gradient);
        let keys = transposed_panels(simd, head.rows(projections.key), length);
        let mut weights = vec![0.0; length * padded];
        let panels_of_keys = Panels::whole(&keys, head_size);
        product::<S, ROWS>(simd, query, length, panels_of_keys, |row, column, sums| {
            weights[row * padded + column..][..width].copy_from_slice(sums);
        });
        for (row, weights) in weights.chunks_exact_mut(padded).enumerate() {
            head.softmax(simd, row, weights);
        }

        let values = transposed_panels(simd, head.rows(projections.value), length);
        let mut of_scores = vec![0.0; length * padded];
        let panels_of_values = Panels::whole(&values, head_size);
        product::<S, ROWS>(
            simd,
            gradient,
            length,
            panels_of_values,
            |row, column, sums| {
                of_scores[row * padded + column..][..width].copy_from_slice(sums);
            },
        );

        // The weights that multiplied the values, key by key.
        let mut transposed = vec![0.0; length * padded];
        let mut dropout = head.dropout();
        let mut factors = vec![1.0; length];
        let mut dropped = vec![0.0; length];
        for row in 0..length {
            let weights = &weights[row * padded..][..length];
            let of_scores = &mut of_scores[row * padded..][..length];
            if let Some(dropout) = &mut dropout {
                dropout.fill(&mut factors);
            }
            for ((dropped, weight), factor) in dropped.iter_mut().zip(weights).zip(&factors) {
                *dropped = weight * factor;
            }
            for (place, weight) in transposed[row..].iter_mut().step_by(padded).zip(&dropped) {
                *place = *weight;
            }
            softmax_backward(simd, weights, &dropped, of_scores, &factors);
            if let (Some(bias), false) = (head.attention.bias, self.bias.is_empty()) {
                let in_row = bias.length;
                let sums = &mut self.bias[(head.head * in_row + row) * in_row..][..length];
                for (sum, score) in sums.iter_mut().zip(&*of_scores) {
                    *sum += score;
                }
            }
        }

        let place = Place {
            first: place,
            stride: heads * head_size,
            head_size,
        };
        let gradients = panels(gradient, length, width);
        place.fill::<S, ROWS>(
            simd,
            self.value,
            square(&transposed, length),
            &gradients,
            1.0,
        );
        let keys = panels(head.rows(projections.key), length, width);
        let scale = head.attention.scale;
        place.fill::<S, ROWS>(simd, self.query, square(&of_scores, length), &keys, scale);
        for (row, of_scores) in of_scores.chunks_exact(padded).enumerate() {
            let places = transposed[row..].iter_mut().step_by(padded);
            for (place, score) in places.zip(&of_scores[..length]) {
                *place = *score;
            }
        }
        let queries = panels(query, length, width);
        place.fill::<S, ROWS>(simd, self.key, square(&transposed, length), &queries, scale);
    }
}

/// The first `length` of rows that are padded to whole registers.
#[inline(always)]
fn square(values: &[f32], length: usize) -> Rows<'_> {
    Rows {
        values,
        stride: values.len() / length,
        depth: length,
    }
}

/// The place of a head's columns in a gradient.
struct Place {
    /// Index of the first float.
    first: usize,
    /// Distance of two rows.
    stride: usize,
    /// Floats of a row.
    head_size: usize,
}

impl Place {
    /// Writes `weights * panels * scale`.
    // Not a closure: what is not inlined is compiled without the wide instructions.
    #[inline(always)]
    fn fill<S: Simd, const ROWS: usize>(
        &self,
        simd: S,
        output: &mut [f32],
        weights: Rows<'_>,
        panels: &[f32],
        scale: f32,
    ) {
        let width = panel_width::<S>();
        let output = &mut output[self.first..];
        let panels = Panels::whole(panels, weights.depth);
        product::<S, ROWS>(simd, weights, weights.depth, panels, |row, column, sums| {
            let kept = width.min(self.head_size - column);
            let output = &mut output[row * self.stride + column..][..kept];
            for (value, sum) in output.iter_mut().zip(sums) {
                *value = sum * scale;
            }
        });
    }
}

/// From the gradient of a row of dropped weights to the one of the scores, in its place.
#[inline(always)]
fn softmax_backward<S: Simd>(
    simd: S,
    weights: &[f32],
    dropped: &[f32],
    gradient: &mut [f32],
    factors: &[f32],
) {
    let total = product_sum(simd, gradient, dropped);
    for ((value, weight), factor) in gradient.iter_mut().zip(weights).zip(factors) {
        *value = weight * value.mul_add(*factor, -total);
    }
}
