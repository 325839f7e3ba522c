//! The exact search that scans int8 codes and computes the scores of the few rows that the bounds leave.
//!
//! # Strategy
//!
//! All threads take blocks of panels from one counter. A query has a lower and an upper bound of every score. Its threshold
//! is the `k`-th best lower bound so far, which all threads share: a row whose upper bound is below it cannot be a hit,
//! because `k` rows have higher scores. The rows that are left are scored in float32, in the order of additions that every
//! search uses, so that hits and scores are those of brute force, bit for bit. `docs/src/explanation/exact-search.md` has
//! the proof.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use cpu_kernels::{CodeRows, Reached, ScanQueries};
use pulp::Arch;
use rayon::prelude::*;
use roaring::RoaringBitmap;

use crate::vectors::blocks::share;
use crate::vectors::dot;
use crate::vectors::request::{Request, Vectors};
use crate::vectors::similarity::Similarity;
use crate::vectors::top_k::{Hit, TopK};

/// Queries of a pass. As bytes, 512 queries of width 768 take 384 KiB of a second-level cache.
const BLOCK_QUERIES: usize = 512;

/// Panels that a thread takes at once: at width 768, 1.5 MiB.
const BLOCK_PANELS: usize = 64;

/// The fewest candidates of a query that are looked through for those that are none any more.
const FEWEST_CANDIDATES: usize = 1024;

/// The hits of every query, best first. The length of every query must be in [`LENGTHS`](super::length::LENGTHS), and the
/// similarity be the cosine or the dot product.
pub(crate) fn search(
    vectors: Vectors<'_>,
    codes: &CodeRows,
    queries: &[f32],
    request: Request<'_>,
) -> Vec<Vec<Hit>> {
    let wanted = request.rows.map(|rows| masks(rows, codes));
    let blocks = queries.chunks(BLOCK_QUERIES * vectors.width);
    blocks
        .flat_map(|queries| {
            let found = scan(vectors, codes, queries, wanted.as_deref(), request);
            let queries = queries.par_chunks_exact(vectors.width);
            let hits = queries
                .zip(found)
                .map(|(query, found)| rescore(vectors, query, found, request));
            hits.collect::<Vec<_>>()
        })
        .collect()
}

/// For every panel of the codes, a bit for each of its rows that is in the set.
fn masks(rows: &RoaringBitmap, codes: &CodeRows) -> Vec<u32> {
    let mut masks = vec![0; codes.panels()];
    let in_panel = codes.panel_rows();
    for row in rows.iter().map(|row| row as usize) {
        if let Some(mask) = masks.get_mut(row / in_panel) {
            *mask |= 1 << (row % in_panel);
        }
    }
    masks
}

/// Scans the codes with a block of queries.
fn scan(
    vectors: Vectors<'_>,
    codes: &CodeRows,
    queries: &[f32],
    wanted: Option<&[u32]>,
    request: Request<'_>,
) -> Vec<Found> {
    let queries = ScanQueries::quantize(codes, queries, dot::error(vectors.width));
    let similarity = vectors.similarity;
    let start = reachable(similarity, request.lowest);
    let thresholds: Vec<AtomicU32> = (0..queries.len())
        .map(|_| AtomicU32::new(start.to_bits()))
        .collect();
    let found: Vec<Mutex<Found>> = (0..queries.len())
        .map(|_| Mutex::new(Found::new(request.k)))
        .collect();
    let report = |reached: Reached<'_>| {
        let mut found = found[reached.query]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut rows = reached.rows;
        while rows != 0 {
            let place = rows.trailing_zeros() as usize;
            rows &= rows - 1;
            let index = reached.first_row + place;
            if request.without == Some(index) {
                continue;
            }
            let (product, margin) = (reached.products[place], reached.margins[place]);
            found.push(Candidate {
                upper: within(similarity, product + margin),
                lower: within(similarity, product - margin),
                index: index as u32,
            });
        }
        if let Some(threshold) = found.threshold() {
            let threshold = reachable(similarity, threshold);
            // Only the holder of the lock writes it.
            let shared = &thresholds[reached.query];
            if threshold > f32::from_bits(shared.load(Ordering::Relaxed)) {
                shared.store(threshold.to_bits(), Ordering::Relaxed);
            }
        }
    };
    share(codes.panels(), BLOCK_PANELS, |panels| {
        codes.scan(&queries, &thresholds, panels, wanted, &mut |reached| {
            report(reached);
        });
    });
    let found = found.into_iter();
    found
        .map(|found| found.into_inner().unwrap_or_else(PoisonError::into_inner))
        .collect()
}

/// A bound of a product as a bound of the score.
fn within(similarity: Similarity, bound: f32) -> f32 {
    match similarity {
        Similarity::Cosine => bound.clamp(-1.0, 1.0),
        _ => bound,
    }
}

/// The threshold that a bound must reach, where bounds of the cosine below -1 stand for the score -1.
fn reachable(similarity: Similarity, threshold: f32) -> f32 {
    if similarity == Similarity::Cosine && threshold <= -1.0 {
        f32::NEG_INFINITY
    } else {
        threshold
    }
}

/// A row that may be a hit.
#[derive(Clone, Copy)]
struct Candidate {
    /// Its score is at least `lower` and at most `upper`.
    lower: f32,
    upper: f32,
    index: u32,
}

/// The rows of a query that may be hits.
struct Found {
    k: usize,
    /// The best `k` lower bounds, as [keys](key).
    lowers: BinaryHeap<Reverse<u32>>,
    candidates: Vec<Candidate>,
    /// The number of candidates from which on they are looked through.
    most: usize,
}

impl Found {
    fn new(k: usize) -> Self {
        Self {
            k,
            lowers: BinaryHeap::new(),
            candidates: Vec::new(),
            most: FEWEST_CANDIDATES.max(k.saturating_mul(4)),
        }
    }

    fn push(&mut self, candidate: Candidate) {
        let lower = key(candidate.lower);
        if self.lowers.len() < self.k {
            self.lowers.push(Reverse(lower));
        } else if let Some(mut worst) = self.lowers.peek_mut()
            && lower > worst.0
        {
            *worst = Reverse(lower);
        }
        self.candidates.push(candidate);
        if self.candidates.len() >= self.most {
            self.prune();
            self.most = self.most.max(2 * self.candidates.len());
        }
    }

    /// The `k`-th best lower bound, if there are so many.
    fn threshold(&self) -> Option<f32> {
        let worst = self.lowers.peek().filter(|_| self.lowers.len() >= self.k);
        worst.map(|worst| number(worst.0))
    }

    /// Removes the candidates that cannot be hits.
    fn prune(&mut self) {
        if let Some(threshold) = self.threshold() {
            self.candidates
                .retain(|candidate| candidate.upper >= threshold);
        }
    }
}

/// An integer that is ordered as the float is (by `total_cmp`).
fn key(number: f32) -> u32 {
    let bits = number.to_bits();
    if bits >> 31 == 0 {
        bits | 1 << 31
    } else {
        !bits
    }
}

/// The number of a [`key`].
fn number(key: u32) -> f32 {
    f32::from_bits(if key >> 31 == 1 { key ^ 1 << 31 } else { !key })
}

/// The hits among the candidates, best first: the exact scores, from the highest bound down until no bound reaches the
/// `k`-th score.
fn rescore(
    vectors: Vectors<'_>,
    query: &[f32],
    mut found: Found,
    request: Request<'_>,
) -> Vec<Hit> {
    found.prune();
    let mut candidates = found.candidates;
    candidates.sort_unstable_by(|one, other| other.upper.total_cmp(&one.upper));
    let arch = Arch::new();
    let mut top = TopK::new(request.k);
    arch.dispatch(|| {
        for candidate in &candidates {
            if top.threshold().is_some_and(|worst| candidate.upper < worst) {
                break;
            }
            let index = candidate.index as usize;
            let score = vectors.similarity.score(query, vectors.row(index));
            if score >= request.lowest {
                top.push(Hit { index, score });
            }
        }
    });
    top.into_hits()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_ordered_as_their_numbers() {
        let numbers = [
            f32::NEG_INFINITY,
            -2.5,
            -1e-40,
            -0.0,
            0.0,
            1e-40,
            2.5,
            f32::INFINITY,
        ];
        assert!(numbers.map(key).is_sorted_by(|one, other| one < other));
        assert_eq!(
            numbers.map(|one| number(key(one)).to_bits()),
            numbers.map(f32::to_bits)
        );
    }

    #[test]
    fn candidates_that_cannot_be_hits_are_dropped() {
        let mut found = Found::new(2);
        assert_eq!(found.threshold(), None);
        // Worse and worse, so that only the first two stay.
        for index in 0..5_000u32 {
            let middle = 1.0 - index as f32;
            found.push(Candidate {
                lower: middle - 0.25,
                upper: middle + 0.25,
                index,
            });
            assert!(found.candidates.len() < FEWEST_CANDIDATES);
        }
        found.prune();
        assert_eq!(found.threshold(), Some(-0.25));
        assert_eq!(found.candidates.len(), 2);
    }
}
