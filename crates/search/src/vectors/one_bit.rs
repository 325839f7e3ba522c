//! One bit a value: a fast search that may miss hits.
//!
//! # Strategy
//!
//! As RaBitQ (Gao and Long, SIGMOD 2024). The mean of all rows is subtracted, the rest `r` is [rotated](super::rotation), and
//! the signs of its values are the code `s`. The product of `r` with a query is estimated as `(s q) |r|^2 / (s r)`, which is
//! right for `q = r` and unbiased over random rotations. The query is centred as well, because short vectors have small
//! errors: with the mean `m` and `x = r + m`, `x q = r (q - m) + r m + m q`. Here `r m` is a number of the row, and `m q` is
//! the same for all rows. The centred and rotated query has 4 bits a value.
//!
//! The rows with the best estimates are scored in float32, so every score is exact; only a row can be missed.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use cpu_kernels::{BitQuery, BitRow, BitRows};
use pulp::Arch;
use rayon::prelude::*;

use crate::vectors::blocks::share;
use crate::vectors::length::{LENGTHS, length};
use crate::vectors::request::{Request, Vectors};
use crate::vectors::rotation::Rotation;
use crate::vectors::top_k::{Hit, TopK};
use crate::vectors::vectors_view::VectorsView;

/// Blocks of rows that a thread takes at once: at width 768, 768 KiB, which stay in a second-level cache for all queries.
const TASK_BLOCKS: usize = 1024;

/// Rows whose sum a task computes, so that the mean does not depend on the number of threads.
const MEAN_ROWS: usize = 4096;

/// The 1-bit codes of rows.
#[derive(Debug)]
pub(crate) struct OneBit {
    pub(crate) centre: Vec<f32>,
    pub(crate) bits: BitRows,
    rotation: Rotation,
}

/// Words of 64 bits for a row.
pub(crate) fn words_of_row(width: usize) -> usize {
    width.div_ceil(64)
}

impl OneBit {
    pub(crate) fn of(rows: VectorsView<'_>) -> Self {
        let width = rows.width();
        let centre = mean(rows);
        let rotation = Rotation::new(width);
        let mut words = vec![0; rows.len() * words_of_row(width)];
        let arch = Arch::new();
        let numbers: Vec<BitRow> = words
            .par_chunks_exact_mut(words_of_row(width))
            .zip(rows.values().par_chunks_exact(width))
            .map_init(
                || vec![0.0; width],
                |rest, (words, row)| arch.dispatch(|| encode(row, &centre, &rotation, rest, words)),
            )
            .collect();
        let bits = BitRows::pack(&words, words_of_row(width), &numbers);
        Self::new(centre, bits)
    }

    /// Codes with the mean that was subtracted, one value or more.
    pub(crate) fn new(centre: Vec<f32>, bits: BitRows) -> Self {
        let rotation = Rotation::new(centre.len());
        Self {
            centre,
            bits,
            rotation,
        }
    }

    /// Memory, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bits.bytes() + size_of_val(self.centre.as_slice())
    }

    /// The `count` rows with the best estimates for every query, best first. Their scores are the estimates, which can be
    /// compared only with those of the same query.
    pub(crate) fn nearest(
        &self,
        queries: &[f32],
        count: usize,
        request: Request<'_>,
    ) -> Vec<Vec<Hit>> {
        let width = self.centre.len();
        let queries: Vec<BitQuery> = queries
            .par_chunks_exact(width)
            .map(|query| self.query(query))
            .collect();
        let found: Vec<(Mutex<TopK>, AtomicU32)> = queries
            .iter()
            .map(|_| {
                let threshold = AtomicU32::new(f32::NEG_INFINITY.to_bits());
                (Mutex::new(TopK::new(count)), threshold)
            })
            .collect();
        share(self.bits.blocks(), TASK_BLOCKS, |blocks| {
            for (query, (top, threshold)) in queries.iter().zip(&found) {
                let mut report = |index: usize, score: f32| {
                    let chosen = request.rows.is_none_or(|rows| {
                        u32::try_from(index).is_ok_and(|row| rows.contains(row))
                    });
                    if !chosen || request.without == Some(index) {
                        return;
                    }
                    let mut top = top.lock().unwrap_or_else(PoisonError::into_inner);
                    top.push(Hit { index, score });
                    if let Some(worst) = top.threshold() {
                        threshold.store(worst.to_bits(), Ordering::Relaxed);
                    }
                };
                self.bits
                    .scan(query, threshold, blocks.clone(), &mut report);
            }
        });
        let hits = found.into_iter().map(|(top, _)| {
            let top = top.into_inner();
            top.unwrap_or_else(PoisonError::into_inner).into_hits()
        });
        hits.collect()
    }

    fn query(&self, query: &[f32]) -> BitQuery {
        let mut rest: Vec<f32> = query.iter().zip(&self.centre).map(|(q, m)| q - m).collect();
        Arch::new().dispatch(|| self.rotation.apply(&mut rest));
        BitQuery::quantize(&rest, words_of_row(rest.len()))
    }
}

/// The hits of every query, best first, among the `candidates` rows with the best estimates.
pub(crate) fn search(
    vectors: Vectors<'_>,
    codes: &OneBit,
    queries: &[f32],
    candidates: usize,
    request: Request<'_>,
) -> Vec<Vec<Hit>> {
    let nearest = codes.nearest(queries, candidates.max(request.k), request);
    let arch = Arch::new();
    queries
        .par_chunks_exact(vectors.width)
        .zip(nearest)
        .map(|(query, nearest)| {
            let mut top = TopK::new(request.k);
            arch.dispatch(|| {
                for hit in nearest {
                    let score = vectors.similarity.score(query, vectors.row(hit.index));
                    if score >= request.lowest {
                        top.push(Hit { score, ..hit });
                    }
                }
            });
            top.into_hits()
        })
        .collect()
}

/// The mean of the rows of usual length.
fn mean(rows: VectorsView<'_>) -> Vec<f32> {
    let width = rows.width();
    let parts: Vec<(Vec<f64>, usize)> = rows
        .values()
        .par_chunks(MEAN_ROWS * width)
        .map(|rows| {
            let (mut sums, mut count) = (vec![0.0; width], 0);
            for row in rows.chunks_exact(width) {
                if LENGTHS.contains(&length(row)) {
                    count += 1;
                    for (sum, value) in sums.iter_mut().zip(row) {
                        *sum += f64::from(*value);
                    }
                }
            }
            (sums, count)
        })
        .collect();
    let count: usize = parts.iter().map(|(_, count)| count).sum();
    let mut mean = vec![0.0; width];
    for (sums, _) in &parts {
        for (mean, sum) in mean.iter_mut().zip(sums) {
            *mean += sum / count.max(1) as f64;
        }
    }
    mean.into_iter().map(|value: f64| value as f32).collect()
}

/// Writes the bits of a row, and returns its numbers.
#[inline(always)]
fn encode(
    row: &[f32],
    centre: &[f32],
    rotation: &Rotation,
    rest: &mut [f32],
    words: &mut [u64],
) -> BitRow {
    let length = length(row);
    if length > 0.0 && !LENGTHS.contains(&length) {
        // Always among the best: the estimate would leave the range of float32.
        return BitRow {
            factor: 0.0,
            offset: f32::INFINITY,
        };
    }
    let (mut square, mut with_centre) = (0.0, 0.0);
    for ((rest, value), centre) in rest.iter_mut().zip(row).zip(centre) {
        *rest = value - centre;
        square += f64::from(*rest) * f64::from(*rest);
        with_centre += f64::from(*rest) * f64::from(*centre);
    }
    rotation.apply(rest);
    let mut magnitudes = 0.0;
    for (word, values) in words.iter_mut().zip(rest.chunks(64)) {
        for (bit, value) in values.iter().enumerate() {
            *word |= u64::from(*value > 0.0) << bit;
            magnitudes += f64::from(value.abs());
        }
    }
    let factor = if magnitudes > 0.0 {
        square / magnitudes
    } else {
        0.0
    };
    BitRow {
        factor: factor as f32,
        offset: with_centre as f32,
    }
}
