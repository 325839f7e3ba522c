//! Attention within every text of a batch whose tokens stand end to end.
//!
//! # Strategy
//!
//! Texts and heads are independent, so a task is one of each (or all heads of a text where there are
//! texts enough). For a task the keys are packed, transposed, into panels, and the values as they
//! are; then both products go through the [tile](super::tile) of the dense layers, and between them
//! the softmax goes over scores that are still in the cache. A block of queries at a time keeps the
//! scores small for long texts. There is no padding, so there is nothing to mask.

use std::ops::Range;

use pulp::Simd;
use rayon::prelude::*;

use super::layer_norm::sum;
use super::math::exp;
use super::simd::{Vectorized, dispatch};
use super::tile::{REGISTERS, Rows, floats, multiply};

/// Queries of a block: a multiple of both tile heights; their scores for 512 keys take 96 KiB.
const QUERY_BLOCK: usize = 48;

/// A matrix whose rows are `stride` floats apart.
#[derive(Clone, Copy, Debug)]
pub struct Strided<'a> {
    /// From the first element on.
    pub values: &'a [f32],
    /// From a row to the next.
    pub stride: usize,
}

/// What attention looks at; rows are tokens, and a head's columns stand together in each.
#[derive(Clone, Copy, Debug)]
pub struct Projections<'a> {
    /// `[tokens, heads * head_size]`.
    pub query: Strided<'a>,
    /// As the queries.
    pub key: Strided<'a>,
    /// As the queries.
    pub value: Strided<'a>,
}

/// Added to the scaled scores: `[heads, length, length]`. A shorter text takes the upper left corner
/// of each, because the bias depends on the distance alone.
#[derive(Clone, Copy, Debug)]
pub struct PositionBias<'a> {
    /// All heads.
    pub values: &'a [f32],
    /// Of the longest text.
    pub length: usize,
}

/// `softmax(query * key^T / sqrt(head_size) + bias) * value` for every text and head, into
/// `[tokens, heads * head_size]`.
///
/// `texts` are ranges of rows, one behind the other from row 0 on.
///
/// # Panics
///
/// When a text is longer than the bias, or the slices do not hold all its rows.
pub fn attention(
    projections: Projections<'_>,
    bias: PositionBias<'_>,
    texts: &[Range<usize>],
    heads: usize,
    head_size: usize,
    output: &mut [f32],
) {
    let task =
        |text: &Range<usize>, head: usize, output: &mut [f32], stride: usize, column: usize| {
            dispatch(Head {
                projections,
                bias,
                text: text.clone(),
                head,
                head_size,
                output,
                stride,
                column,
            });
        };
    let width = heads * head_size;
    if texts.len() >= rayon::current_num_threads() {
        let mut rest = output;
        let mut places = Vec::with_capacity(texts.len());
        for text in texts {
            let (place, behind) = rest.split_at_mut(text.len() * width);
            places.push((text, place));
            rest = behind;
        }
        places.into_par_iter().for_each(|(text, output)| {
            for head in 0..heads {
                task(text, head, output, width, head * head_size);
            }
        });
        return;
    }
    for text in texts {
        let heads: Vec<Vec<f32>> = (0..heads)
            .into_par_iter()
            .map(|head| {
                let mut output = vec![0.0; text.len() * head_size];
                task(text, head, &mut output, head_size, 0);
                output
            })
            .collect();
        let rows = output[text.start * width..text.end * width].chunks_exact_mut(width);
        for (row, output) in rows.enumerate() {
            for (head, output) in heads.iter().zip(output.chunks_exact_mut(head_size)) {
                output.copy_from_slice(&head[row * head_size..][..head_size]);
            }
        }
    }
}

/// One head of one text.
struct Head<'a> {
    projections: Projections<'a>,
    bias: PositionBias<'a>,
    text: Range<usize>,
    head: usize,
    head_size: usize,
    /// From the text's first row on.
    output: &'a mut [f32],
    /// From a row of the output to the next.
    stride: usize,
    /// Where the head's columns begin in the output.
    column: usize,
}

impl Vectorized for Head<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize>(self, simd: S) {
        let width = REGISTERS * S::F32_LANES;
        let length = self.text.len();
        let keys = self.transposed_panels(self.projections.key, width);
        let values = self.panels(self.projections.value, width);
        let padded = length.next_multiple_of(width);
        let mut scores = vec![0.0; QUERY_BLOCK.min(length) * padded];
        let mut block = 0;
        while block < length {
            let count = QUERY_BLOCK.min(length - block);
            let queries = self.rows(self.projections.query).after(block);
            product::<S, ROWS>(simd, queries, count, &keys, |row, column, sums| {
                scores[row * padded + column..][..width].copy_from_slice(sums);
            });
            for row in 0..count {
                let scores = &mut scores[row * padded..][..length];
                self.softmax(block + row, scores);
            }
            let weights = Rows {
                values: &scores,
                stride: padded,
                depth: length,
            };
            let (stride, head_size) = (self.stride, self.head_size);
            let output = &mut self.output[block * stride + self.column..];
            product::<S, ROWS>(simd, weights, count, &values, |row, column, sums| {
                let kept = width.min(head_size - column);
                output[row * stride + column..][..kept].copy_from_slice(&sums[..kept]);
            });
            block += count;
        }
    }
}

impl Head<'_> {
    /// The head's columns of the text's rows.
    #[inline(always)]
    fn rows<'b>(&self, matrix: Strided<'b>) -> Rows<'b> {
        let first = self.text.start * matrix.stride + self.head * self.head_size;
        Rows {
            values: &matrix.values[first..],
            stride: matrix.stride,
            depth: self.head_size,
        }
    }

    /// `[head_size]` rows of the text's tokens, in panels.
    #[inline(always)]
    fn transposed_panels(&self, matrix: Strided<'_>, width: usize) -> Vec<f32> {
        let (rows, length) = (self.rows(matrix), self.text.len());
        let mut panels = vec![0.0; length.next_multiple_of(width) * self.head_size];
        for token in 0..length {
            let (panel, lane) = (token / width, token % width);
            let panel = &mut panels[panel * self.head_size * width..];
            let places = panel.chunks_exact_mut(width);
            for (place, value) in places.zip(rows.row(token)) {
                place[lane] = *value;
            }
        }
        panels
    }

    /// `[length]` rows of the head's columns, in panels.
    #[inline(always)]
    fn panels(&self, matrix: Strided<'_>, width: usize) -> Vec<f32> {
        let (rows, length) = (self.rows(matrix), self.text.len());
        let mut panels = vec![0.0; length * self.head_size.next_multiple_of(width)];
        for token in 0..length {
            for (panel, values) in rows.row(token).chunks(width).enumerate() {
                panels[(panel * length + token) * width..][..values.len()].copy_from_slice(values);
            }
        }
        panels
    }

    /// From products to weights that sum to 1.
    #[inline(always)]
    fn softmax(&self, query: usize, scores: &mut [f32]) {
        let scale = 1.0 / (self.head_size as f32).sqrt();
        let row = (self.head * self.bias.length + query) * self.bias.length;
        let bias = &self.bias.values[row..][..scores.len()];
        for (score, bias) in scores.iter_mut().zip(bias) {
            *score = score.mul_add(scale, *bias);
        }
        let largest = maximum(scores);
        for score in scores.iter_mut() {
            *score = exp(*score - largest);
        }
        let factor = 1.0 / sum(scores, |value| value);
        for score in scores {
            *score *= factor;
        }
    }
}

#[inline(always)]
fn maximum(row: &[f32]) -> f32 {
    let (chunks, rest) = row.as_chunks::<16>();
    let mut largest = [f32::NEG_INFINITY; 16];
    for chunk in chunks {
        for (largest, &value) in largest.iter_mut().zip(chunk) {
            *largest = if value > *largest { value } else { *largest };
        }
    }
    largest
        .iter()
        .chain(rest)
        .copied()
        .fold(f32::NEG_INFINITY, f32::max)
}

/// The first `count` rows of `input` times all panels, handed on a row of a panel at a time.
#[inline(always)]
fn product<S: Simd, const ROWS: usize>(
    simd: S,
    input: Rows<'_>,
    count: usize,
    panels: &[f32],
    mut take: impl FnMut(usize, usize, &[f32]),
) {
    let width = REGISTERS * S::F32_LANES;
    for (panel, weights) in panels.chunks_exact(input.depth * width).enumerate() {
        let mut row = 0;
        while row < count {
            macro_rules! tile {
                ($rows:expr) => {{
                    let sums = multiply::<S, { $rows }, f32>(simd, input.after(row), weights);
                    for sums in &sums {
                        take(row, panel * width, floats::<S>(sums));
                        row += 1;
                    }
                }};
            }
            match count - row {
                left if left >= ROWS => tile!(ROWS),
                left if left >= 4 => tile!(4),
                2.. => tile!(2),
                _ => tile!(1),
            }
        }
    }
}
