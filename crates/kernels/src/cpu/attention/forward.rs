//! The way forth.
//!
//! # Strategy
//!
//! The scores of some queries of a head are one product; the softmax goes over them in the cache, and what it leaves is
//! the left factor of the second product: weights but for their sum, which is divided off the output, where there are
//! fewer numbers (so values beyond the largest float32 by the keys' number become infinite). Scores of a whole batch, or of a whole text, are nowhere.

use pulp::Simd;
use rayon::prelude::*;

use super::Attention;
use super::head::{Head, exponentials, panel_width, panels, product, transposed_panels};
use super::rounded::Rounded;
use crate::cpu::amx::with_rounded_products;
use crate::cpu::lanes::LANES;
use crate::cpu::simd::{Vectorized, dispatch};
use crate::cpu::tile::Rows;

/// Queries of a block: a multiple of both tile heights; their scores for 512 keys take 96 KiB.
const QUERY_BLOCK: usize = 48;

/// `dropout(softmax(query * key^T / sqrt(head_size) + bias)) * value` for every text and head, into
/// `[tokens, heads * head_size]`.
///
/// # Panics
///
/// When a text is longer than the bias, or the slices do not hold all its rows.
pub fn attention(attention: &Attention<'_>, output: &mut [f32]) {
    let &Attention {
        texts,
        heads,
        head_size,
        ..
    } = attention;
    let rounds = attention.rounds();
    let task = |text: usize, head: usize, output: &mut [f32], stride: usize, column: usize| {
        let head = Head {
            attention,
            text,
            head,
        };
        if head.length() == 0 {
            return;
        }
        if rounds {
            with_rounded_products(Rounded {
                head,
                output,
                stride,
                column,
            });
        } else {
            dispatch(Forward {
                head,
                output,
                stride,
                column,
            });
        }
    };
    let width = heads * head_size;
    if texts.len() >= rayon::current_num_threads() {
        let mut rest = output;
        let mut places = Vec::with_capacity(texts.len());
        for (index, text) in texts.iter().enumerate() {
            let (place, behind) = rest.split_at_mut(text.len() * width);
            places.push((index, place));
            rest = behind;
        }
        places.into_par_iter().for_each(|(text, output)| {
            for head in 0..heads {
                task(text, head, output, width, head * head_size);
            }
        });
        return;
    }
    for (index, text) in texts.iter().enumerate() {
        let heads: Vec<Vec<f32>> = (0..heads)
            .into_par_iter()
            .map(|head| {
                let mut output = vec![0.0; text.len() * head_size];
                task(index, head, &mut output, head_size, 0);
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

struct Forward<'a> {
    head: Head<'a>,
    /// From the text's first row on.
    output: &'a mut [f32],
    /// From a row of the output to the next.
    stride: usize,
    /// Where the head's columns begin in the output.
    column: usize,
}

impl Vectorized for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize>(self, simd: S) {
        let Self { head, .. } = self;
        let (length, head_size) = (head.length(), head.attention.head_size);
        let projections = head.attention.projections;
        head.request_next(projections.query);
        head.request_next(projections.key);
        head.request_next(projections.value);
        let width = panel_width::<S>();
        let keys = transposed_panels(simd, head.rows(projections.key), length);
        let values = panels(head.rows(projections.value), length, width);
        let padded = length.next_multiple_of(width.max(LANES));
        let mut scores = vec![0.0; QUERY_BLOCK.min(length) * padded];
        let mut factors = [0.0; QUERY_BLOCK];
        let mut dropout = head.dropout();
        let mut dropout_factors = vec![0.0; if dropout.is_some() { length } else { 0 }];
        let mut block = 0;
        while block < length {
            let count = QUERY_BLOCK.min(length - block);
            let queries = head.rows(projections.query).after(block);
            product::<S, ROWS>(simd, queries, count, &keys, |row, column, sums| {
                scores[row * padded + column..][..width].copy_from_slice(sums);
            });
            for row in 0..count {
                let scores = &mut scores[row * padded..][..padded];
                let largest = head.scores(simd, block + row, scores);
                factors[row] = 1.0 / exponentials(simd, scores, largest);
                if let Some(dropout) = &mut dropout {
                    dropout.fill(&mut dropout_factors);
                    for (score, factor) in scores.iter_mut().zip(&dropout_factors) {
                        *score *= factor;
                    }
                }
            }
            let weights = Rows {
                values: &scores,
                stride: padded,
                depth: length,
            };
            let stride = self.stride;
            let output = &mut self.output[block * stride + self.column..];
            product::<S, ROWS>(simd, weights, count, &values, |row, column, products| {
                let factor = factors[row];
                let kept = width.min(head_size - column);
                let output = &mut output[row * stride + column..][..kept];
                for (output, product) in output.iter_mut().zip(products) {
                    *output = product * factor;
                }
            });
            block += count;
        }
    }
}
