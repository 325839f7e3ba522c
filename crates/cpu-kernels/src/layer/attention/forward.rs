//! The forward pass of attention in float32.
//!
//! # Strategy
//!
//! The scores of some queries of a head are one product, and the softmax runs over them in the cache. Its unnormalized
//! weights are the left factor of the second product; their sum is divided off the output, which has fewer numbers. (So
//! values beyond the largest float32 divided by the number of keys become infinite.) The scores of a whole sequence are
//! never in memory.

use std::cell::Cell;

use pulp::Simd;
use rayon::prelude::*;

use super::head::{Head, Panels, panel_width, panels, product, transposed_panels};
use super::input::Attention;
use super::rounded::{self, Places, Rounded};
use super::rounded_products::with_rounded_products;
use super::scores::exponentials;
use crate::bf16::tiles::Tile;
use crate::float::rows::Rows;
use crate::scratch::with_scratch;
use crate::simd::arch::{Vectorized, dispatch};
use crate::simd::reduce::LANES;
use crate::threads::threads;

/// Queries of a block: a multiple of both `MR`; their scores for 512 keys take 96 KiB.
const QUERY_BLOCK: usize = 48;

/// `dropout(softmax(query * key^T * scale + bias)) * value` for every sequence and head, into `[tokens, heads * head_size]`.
/// The softmax is over the keys in the query's window.
///
/// # Panics
///
/// When a sequence is longer than the bias, or the slices do not hold all its rows.
pub fn attention(attention: &Attention<'_>, output: &mut [f32]) {
    let &Attention {
        sequences,
        heads,
        head_size,
        ..
    } = attention;
    let width = heads * head_size;
    if sequences.len() >= threads() {
        let mut rest = output;
        let mut places = Vec::with_capacity(sequences.len());
        for (index, sequence) in sequences.iter().enumerate() {
            let (place, behind) = rest.split_at_mut(sequence.len() * width);
            places.push((index, place));
            rest = behind;
        }
        places
            .into_par_iter()
            .for_each(|(sequence, output)| heads_of_sequence(attention, sequence, output));
        return;
    }
    for (index, sequence) in sequences.iter().enumerate() {
        let heads: Vec<Vec<f32>> = (0..heads)
            .into_par_iter()
            .map(|head| {
                let mut output = vec![0.0; sequence.len() * head_size];
                head_of_sequence(attention, [index, head], &mut output, head_size, 0);
                output
            })
            .collect();
        let rows = output[sequence.start * width..sequence.end * width].chunks_exact_mut(width);
        for (row, output) in rows.enumerate() {
            for (head, output) in heads.iter().zip(output.chunks_exact_mut(head_size)) {
                output.copy_from_slice(&head[row * head_size..][..head_size]);
            }
        }
    }
}

/// As [`attention`], on this thread only.
pub(crate) fn attention_by_this_thread(attention: &Attention<'_>, mut output: &mut [f32]) {
    let width = attention.heads * attention.head_size;
    for (index, sequence) in attention.sequences.iter().enumerate() {
        let (of_sequence, behind) = output.split_at_mut(sequence.len() * width);
        heads_of_sequence(attention, index, of_sequence);
        output = behind;
    }
}

/// All heads of a sequence, into its rows.
fn heads_of_sequence(attention: &Attention<'_>, sequence: usize, output: &mut [f32]) {
    let &Attention {
        heads, head_size, ..
    } = attention;
    for head in 0..heads {
        let (stride, column) = (heads * head_size, head * head_size);
        head_of_sequence(attention, [sequence, head], output, stride, column);
    }
}

/// One head of a sequence, into rows that are `stride` apart, from `column` on.
fn head_of_sequence(
    attention: &Attention<'_>,
    [sequence, head]: [usize; 2],
    output: &mut [f32],
    stride: usize,
    column: usize,
) {
    let head = Head {
        attention,
        sequence,
        head,
    };
    if head.length() == 0 {
        return;
    }
    if attention.rounds() {
        let [tiles, scores] = rounded::places(head.length(), attention.head_size);
        with_scratch(&TILES, tiles, |tiles| {
            with_scratch(&SCORES, scores, |scores| {
                with_rounded_products(Rounded {
                    head,
                    output,
                    stride,
                    column,
                    places: Places { tiles, scores },
                });
            });
        });
    } else {
        dispatch(Forward {
            head,
            output,
            stride,
            column,
        });
    }
}

thread_local! {
    /// Scratch for a head's keys, values, queries and weights, rounded.
    static TILES: Cell<Vec<Tile>> = const { Cell::new(Vec::new()) };
    /// Scratch for the scores of some queries.
    static SCORES: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

struct Forward<'a> {
    head: Head<'a>,
    /// Rows from the sequence's first on.
    output: &'a mut [f32],
    /// Distance of two rows of the output.
    stride: usize,
    /// First column of the head in the output.
    column: usize,
}

impl Vectorized for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize>(self, simd: S) {
        let Self { head, .. } = self;
        let (length, head_size) = (head.length(), head.attention.head_size);
        let projections = head.attention.projections;
        head.prefetch_next(projections.query);
        head.prefetch_next(projections.key);
        head.prefetch_next(projections.value);
        let width = panel_width::<S>();
        let keys = transposed_panels(simd, head.rows(projections.key), length);
        let values = panels(head.rows(projections.value), length, width);
        let most = length.next_multiple_of(width.max(LANES));
        let mut scores = vec![0.0; QUERY_BLOCK.min(length) * most];
        let mut factors = [0.0; QUERY_BLOCK];
        let mut dropout = head.dropout();
        let mut dropout_factors = vec![0.0; if dropout.is_some() { length } else { 0 }];
        let mut block = 0;
        while block < length {
            let count = QUERY_BLOCK.min(length - block);
            let seen = head.keys(block..block + count);
            // From the first column of a panel on.
            let seen = seen.start / width * width..seen.end;
            let padded = seen.len().next_multiple_of(width.max(LANES));
            let columns = seen.start..seen.end.next_multiple_of(width);
            let keys = &keys[columns.start * head_size..columns.end * head_size];
            let keys = Panels::whole(keys, head_size);
            let queries = head.rows(projections.query).after(block);
            product::<S, ROWS>(simd, queries, count, keys, |row, column, sums| {
                scores[row * padded + column..][..width].copy_from_slice(sums);
            });
            for row in 0..count {
                let scores = &mut scores[row * padded..][..padded];
                let largest = head.scores(simd, block + row, seen.clone(), scores);
                factors[row] = 1.0 / exponentials(simd, scores, largest);
                if let Some(dropout) = &mut dropout {
                    dropout.fill(&mut dropout_factors);
                    for (score, factor) in scores.iter_mut().zip(&dropout_factors[seen.start..]) {
                        *score *= factor;
                    }
                }
            }
            let weights = Rows {
                values: &scores,
                stride: padded,
                depth: seen.len(),
            };
            let values = Panels {
                values: &values,
                depth: length,
                first: seen.start,
            };
            let stride = self.stride;
            let output = &mut self.output[block * stride + self.column..];
            product::<S, ROWS>(simd, weights, count, values, |row, column, products| {
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
