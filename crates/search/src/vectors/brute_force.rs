//! The search that computes every score.

use pulp::Arch;
use rayon::prelude::*;

use crate::vectors::request::{Request, Vectors};
use crate::vectors::top_k::{Hit, TopK};

/// Vectors that one task scores. 128 rows of 768 values take 384 KiB, which stay in a core's L2 cache
/// while all queries of a block are compared with them.
const BLOCK_ROWS: usize = 128;

/// Queries whose heaps are filled at once, so that no search holds all `[queries, vectors]` scores.
const BLOCK_QUERIES: usize = 64;

/// The hits of every query, best first. Blocks of vectors are scored in parallel, each into its own heaps, which are merged.
pub(crate) fn search(vectors: Vectors<'_>, queries: &[f32], request: Request<'_>) -> Vec<Vec<Hit>> {
    // Sorted, and without rows that are not there.
    let chosen: Option<Vec<usize>> = request.rows.map(|rows| {
        let rows = rows.iter().map(|row| row as usize);
        rows.take_while(|row| *row < vectors.len()).collect()
    });
    let count = chosen.as_ref().map_or(vectors.len(), Vec::len);
    let arch = Arch::new();
    let mut found = Vec::with_capacity(queries.len() / vectors.width);
    for queries in queries.chunks(BLOCK_QUERIES * vectors.width) {
        let empty = || vec![TopK::new(request.k); queries.len() / vectors.width];
        let heaps = (0..count.div_ceil(BLOCK_ROWS))
            .into_par_iter()
            .fold(empty, |mut heaps, block| {
                let block = block * BLOCK_ROWS..count.min((block + 1) * BLOCK_ROWS);
                arch.dispatch(|| match &chosen {
                    None => score(vectors, queries, request, block, &mut heaps),
                    Some(chosen) => {
                        let rows = chosen[block].iter().copied();
                        score(vectors, queries, request, rows, &mut heaps);
                    }
                });
                heaps
            })
            .reduce(empty, |left, right| {
                let pairs = left.into_iter().zip(right);
                pairs.map(|(left, right)| left.merge(right)).collect()
            });
        found.extend(heaps.into_iter().map(TopK::into_hits));
    }
    found
}

#[inline(always)]
fn score(
    vectors: Vectors<'_>,
    queries: &[f32],
    request: Request<'_>,
    rows: impl Iterator<Item = usize> + Clone,
    heaps: &mut [TopK],
) {
    for (query, heap) in queries.chunks_exact(vectors.width).zip(heaps) {
        for index in rows.clone() {
            let score = vectors.similarity.score(query, vectors.row(index));
            if request.without != Some(index) && score >= request.lowest {
                heap.push(Hit { index, score });
            }
        }
    }
}
