//! One head of one sequence: its matrices packed for the micro-kernel, and the softmax.

use std::ops::Range;

use pulp::Simd;

use super::input::{Attention, Strided};
use crate::dropout::Factors;
use crate::float::micro_kernel::{floats, multiply};
use crate::float::rows::{PackedRows, Rows};
use crate::prefetch::{Prefetch, prefetch};
use crate::simd::arch::REGISTERS;
use crate::simd::math::exp;
use crate::simd::reduce::{LANES, largest, total};
use crate::simd::transpose::{MOST_ROWS, interleave};

/// `NR`, the floats of a panel's row.
#[inline(always)]
pub(crate) fn panel_width<S: Simd>() -> usize {
    REGISTERS * S::F32_LANES
}

/// One head of one sequence.
#[derive(Clone, Copy)]
pub(crate) struct Head<'a> {
    pub attention: &'a Attention<'a>,
    /// Index of the sequence.
    pub sequence: usize,
    /// Index of the head.
    pub head: usize,
}

impl<'a> Head<'a> {
    #[inline(always)]
    pub(crate) fn range(&self) -> Range<usize> {
        self.attention.sequences[self.sequence].clone()
    }

    #[inline(always)]
    pub(crate) fn length(&self) -> usize {
        self.range().len()
    }

    /// The random numbers of this head's dropout.
    #[inline(always)]
    pub(crate) fn dropout(&self) -> Option<Factors> {
        let block = self.sequence * self.attention.heads + self.head;
        self.attention.dropout.map(|mask| mask.block(block))
    }

    /// The head's columns of the sequence's rows.
    #[inline(always)]
    pub(crate) fn rows(&self, matrix: Strided<'a>) -> Rows<'a> {
        let Attention { head_size, .. } = *self.attention;
        let first = self.range().start * matrix.stride + self.head * head_size;
        Rows {
            values: &matrix.values[first..],
            stride: matrix.stride,
            depth: head_size,
        }
    }

    /// Prefetches the next head's columns of a matrix, if there is a next one: the hardware sees no pattern in pieces of
    /// rows that are kilobytes apart.
    #[inline(always)]
    pub(crate) fn prefetch_next(&self, matrix: Strided<'_>) {
        let head = self.head + 1;
        if head < self.attention.heads {
            let next = Self { head, ..*self };
            let rows = next.rows(matrix);
            for token in 0..self.length() {
                prefetch(bytemuck::cast_slice(rows.row(token)));
            }
        }
    }

    /// The bias of one query: a float for each key, and any floats after them.
    ///
    /// # Panics
    ///
    /// When the sequence is longer than the bias.
    #[inline(always)]
    fn bias(&self, query: usize) -> &'a [f32] {
        let bias = self.attention.bias;
        assert!(self.length() <= bias.length, "a bias for every key");
        let row = (self.head * bias.length + query) * bias.length;
        &bias.values[row..]
    }

    /// The scale of the products of queries and keys.
    #[inline(always)]
    pub(crate) fn scale(&self) -> f32 {
        1.0 / (self.attention.head_size as f32).sqrt()
    }

    /// From a query's products to weights that sum to 1; see [`scores`](Self::scores).
    #[inline(always)]
    pub(crate) fn softmax<S: Simd>(&self, simd: S, query: usize, products: &mut [f32]) {
        let largest = self.scores(simd, query, products);
        let factor = 1.0 / exponentials(simd, products, largest);
        for weight in products {
            *weight *= factor;
        }
    }

    /// From a query's products to its scores; returns the largest. After the keys there is room for whole registers, which
    /// gets minus infinity.
    #[inline(always)]
    pub(crate) fn scores<S: Simd>(&self, simd: S, query: usize, products: &mut [f32]) -> f32 {
        let (scale, bias, length) = (self.scale(), self.bias(query), self.length());
        let (products, _) = products.as_chunks_mut::<LANES>();
        let (whole, behind) = products.split_at_mut(length / LANES);
        let mut highest = [f32::NEG_INFINITY; LANES];
        for (products, bias) in whole.iter_mut().zip(bias.as_chunks().0) {
            *products = scaled(*products, scale, bias);
            raise(&mut highest, products);
        }
        if let Some((last, behind)) = behind.split_first_mut() {
            let first = length / LANES * LANES;
            let (bias, rest) = (&bias[first..], length - first);
            let mut bias_of_rest = [0.0; LANES];
            match bias.first_chunk() {
                Some(bias) => bias_of_rest = *bias,
                None => bias_of_rest[..rest].copy_from_slice(&bias[..rest]),
            }
            *last = scaled(*last, scale, &bias_of_rest);
            for (lane, score) in last.iter_mut().enumerate() {
                *score = if lane < rest {
                    *score
                } else {
                    f32::NEG_INFINITY
                };
            }
            raise(&mut highest, last);
            behind.as_flattened_mut().fill(f32::NEG_INFINITY);
        }
        largest(simd, &highest)
    }
}

/// From scores, in whole registers, to unnormalized weights; returns their sum.
#[inline(always)]
pub(crate) fn exponentials<S: Simd>(simd: S, scores: &mut [f32], largest: f32) -> f32 {
    let mut sums = [0.0; LANES];
    for scores in scores.as_chunks_mut::<LANES>().0 {
        for score in scores.iter_mut() {
            *score = exp(*score - largest);
        }
        for (sum, score) in sums.iter_mut().zip(scores) {
            *sum += *score;
        }
    }
    total(simd, &sums)
}

/// Scores from products. (By value: where scores and bias might alias, the compiler would not vectorize.)
#[inline(always)]
fn scaled(mut scores: [f32; LANES], scale: f32, bias: &[f32; LANES]) -> [f32; LANES] {
    for (score, bias) in scores.iter_mut().zip(bias) {
        *score = score.mul_add(scale, *bias);
    }
    scores
}

/// The maximum of each SIMD lane.
#[inline(always)]
fn raise(largest: &mut [f32; LANES], scores: &[f32; LANES]) {
    for (largest, score) in largest.iter_mut().zip(scores) {
        *largest = if *score > *largest { *score } else { *largest };
    }
}

/// Packs `[depth]` rows of `length` tokens, transposed, in panels of [`panel_width`].
#[inline(always)]
pub(crate) fn transposed_panels<S: Simd>(simd: S, rows: Rows<'_>, length: usize) -> Vec<f32> {
    let width = panel_width::<S>();
    let mut panels = vec![0.0; length.next_multiple_of(width) * rows.depth];
    for first in (0..length).step_by(S::F32_LANES) {
        let count = S::F32_LANES.min(length - first);
        let mut tokens = [&[][..]; MOST_ROWS];
        for (index, token) in tokens[..count].iter_mut().enumerate() {
            *token = bytemuck::cast_slice(rows.row(first + index));
        }
        let place = first / width * width * rows.depth + first % width;
        let places = bytemuck::cast_slice_mut(&mut panels[place..]);
        interleave(simd, &tokens[..count], width, places);
    }
    panels
}

/// Packs `[length]` rows of the matrix in panels of `width`.
#[inline(always)]
pub(crate) fn panels(rows: Rows<'_>, length: usize, width: usize) -> Vec<f32> {
    let mut panels = vec![0.0; length * rows.depth.next_multiple_of(width)];
    for token in 0..length {
        for (panel, values) in rows.row(token).chunks(width).enumerate() {
            panels[(panel * length + token) * width..][..values.len()].copy_from_slice(values);
        }
    }
    panels
}

/// The first `count` rows of `input` times all panels. `take` gets a panel's row at a time: the row, the first column, and
/// the floats of a panel's width.
#[inline(always)]
pub(crate) fn product<S: Simd, const ROWS: usize>(
    simd: S,
    input: Rows<'_>,
    count: usize,
    panels: &[f32],
    mut take: impl FnMut(usize, usize, &[f32]),
) {
    let width = panel_width::<S>();
    let rows = PackedRows::<f32>::pack(simd, input, count, ROWS);
    for (panel, weights) in panels.chunks_exact(input.depth * width).enumerate() {
        for &micro_panel in rows.micro_panels() {
            let elements = rows.groups(micro_panel);
            macro_rules! micro_kernel {
                ($rows:expr) => {{
                    let sums =
                        multiply::<S, { $rows }, f32>((), simd, elements, weights, Prefetch::NONE);
                    for (row, sums) in sums.iter().enumerate() {
                        take(
                            micro_panel.first_row + row,
                            panel * width,
                            floats::<S>(sums),
                        );
                    }
                }};
            }
            macro_rules! micro_kernel_of {
                ($($rows:literal)*) => {
                    match micro_panel.height {
                        $($rows => micro_kernel!($rows),)*
                        _ => micro_kernel!(ROWS),
                    }
                };
            }
            micro_kernel_of!(1 2 3 4 5 6 7 8 9 10 11);
        }
    }
}
