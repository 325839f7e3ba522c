//! An index that holds its vectors and answers many queries.

use pulp::Arch;
use rayon::prelude::*;

use crate::error::SearchError;
use crate::vectors::similarity::{Similarity, check_widths};
use crate::vectors::top_k::{Hit, TopK};
use crate::vectors::vectors_view::VectorsView;

/// Vectors that one task scores. 128 rows of 768 values take 384 KiB, which stay in a core's L2 cache
/// while all queries of a block are compared with them.
const BLOCK_ROWS: usize = 128;

/// Queries whose heaps are filled at once, so that no search holds all `[queries, vectors]` scores.
const BLOCK_QUERIES: usize = 64;

/// An exact index: it compares every query with every vector, on all threads.
#[derive(Clone, Debug)]
pub struct VectorIndex {
    /// Normalized once to L2 norm 1 for the cosine; unchanged for the other measures.
    values: Vec<f32>,
    width: usize,
    similarity: Similarity,
}

impl VectorIndex {
    /// Builds an index over vectors, row-major `[n, width]`.
    ///
    /// # Errors
    ///
    /// [`SearchError::Shape`] if `width` is 0 or does not divide the number of values;
    /// [`SearchError::NotFinite`] if a value is NaN or infinite.
    pub fn new(
        mut values: Vec<f32>,
        width: usize,
        similarity: Similarity,
    ) -> Result<Self, SearchError> {
        VectorsView::new(&values, width)?.check_finite()?;
        similarity.normalize_rows(&mut values, width);
        Ok(Self {
            values,
            width,
            similarity,
        })
    }

    /// The measure that orders the hits.
    #[must_use]
    pub fn similarity(&self) -> Similarity {
        self.similarity
    }

    /// Number of vectors.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len() / self.width
    }

    /// Whether the index holds no vector.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Width of every vector, above 0.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// The best `k` vectors for every query, best first: `[queries][min(k, len)]`.
    ///
    /// # Errors
    ///
    /// [`SearchError::Width`] if the queries have another width; [`SearchError::NotFinite`] if a
    /// value is NaN or infinite.
    pub fn search(&self, queries: VectorsView<'_>, k: usize) -> Result<Vec<Vec<Hit>>, SearchError> {
        check_widths(queries, self.view()?)?;
        let queries = self.similarity.normalized_rows(queries)?;
        Ok(self.top_k(&queries, k, None))
    }

    /// The `k` vectors most similar to the vector at `index`, best first, without that vector.
    ///
    /// # Errors
    ///
    /// [`SearchError::NoSuchVector`] if `index` is not below [`len`](Self::len).
    pub fn recommend(&self, index: usize, k: usize) -> Result<Vec<Hit>, SearchError> {
        let query = self.view()?.get(index).ok_or(SearchError::NoSuchVector {
            index,
            len: self.len(),
        })?;
        Ok(self
            .top_k(query, k, Some(index))
            .into_iter()
            .next()
            .unwrap_or_default())
    }

    fn view(&self) -> Result<VectorsView<'_>, SearchError> {
        VectorsView::new(&self.values, self.width)
    }

    /// Scores blocks of vectors in parallel, each into its own heaps, and merges the heaps.
    fn top_k(&self, queries: &[f32], k: usize, without: Option<usize>) -> Vec<Vec<Hit>> {
        let k = k.min(self.len());
        let arch = Arch::new();
        let mut found = Vec::with_capacity(queries.len() / self.width);
        for block in queries.chunks(BLOCK_QUERIES * self.width) {
            let empty = || vec![TopK::new(k); block.len() / self.width];
            let heaps = self
                .values
                .par_chunks(BLOCK_ROWS * self.width)
                .enumerate()
                .fold(empty, |mut heaps, (block_number, rows)| {
                    let first = block_number * BLOCK_ROWS;
                    arch.dispatch(|| self.score_block(block, rows, first, without, &mut heaps));
                    heaps
                })
                .reduce(empty, |left, right| {
                    left.into_iter()
                        .zip(right)
                        .map(|(left, right)| left.merge(right))
                        .collect()
                });
            found.extend(heaps.into_iter().map(TopK::into_hits));
        }
        found
    }

    #[inline(always)]
    fn score_block(
        &self,
        queries: &[f32],
        rows: &[f32],
        first: usize,
        without: Option<usize>,
        heaps: &mut [TopK],
    ) {
        for (query, heap) in queries.chunks_exact(self.width).zip(heaps) {
            for (offset, row) in rows.chunks_exact(self.width).enumerate() {
                let index = first + offset;
                if without != Some(index) {
                    heap.push(Hit {
                        index,
                        score: self.similarity.score(query, row),
                    });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(values: &[f32]) -> VectorIndex {
        VectorIndex::new(values.to_vec(), 2, Similarity::Cosine).unwrap()
    }

    fn search(index: &VectorIndex, query: [f32; 2], k: usize) -> Vec<(usize, f32)> {
        let hits = index
            .search(VectorsView::new(&query, 2).unwrap(), k)
            .unwrap();
        hits[0].iter().map(|hit| (hit.index, hit.score)).collect()
    }

    #[test]
    fn edges_are_defined() {
        let empty = index(&[]);
        assert!(empty.is_empty());
        assert_eq!(search(&empty, [1.0, 0.0], 5), []);
        let three = index(&[0.0, 1.0, 1.0, 0.0, 0.0, 0.0]);
        assert_eq!(search(&three, [1.0, 0.0], 0), []);
        // The zero vector and the right angle both score 0: the lower index comes first.
        assert_eq!(
            search(&three, [1.0, 0.0], 9),
            [(1, 1.0), (0, 0.0), (2, 0.0)]
        );
        assert_eq!(search(&three, [0.0, 0.0], 2), [(0, 0.0), (1, 0.0)]);
        assert_eq!(
            three.search(VectorsView::new(&[], 2).unwrap(), 3).unwrap(),
            [[]; 0]
        );
    }

    #[test]
    fn wrong_vectors_are_refused() {
        let not_finite = |row, column| SearchError::NotFinite {
            row,
            column,
            value: f32::INFINITY,
        };
        let infinite = vec![0.0, 1.0, f32::INFINITY, 0.0];
        assert_eq!(
            VectorIndex::new(infinite, 2, Similarity::Cosine).unwrap_err(),
            not_finite(1, 0)
        );
        let nan = [f32::NAN, 0.0];
        let error = index(&[1.0, 0.0])
            .search(VectorsView::new(&nan, 2).unwrap(), 1)
            .unwrap_err();
        assert!(
            matches!(error, SearchError::NotFinite { row: 0, column: 0, value } if value.is_nan())
        );
        let wide = VectorsView::new(&[1.0; 3], 3).unwrap();
        assert_eq!(
            index(&[1.0, 0.0]).search(wide, 1),
            Err(SearchError::Width { left: 3, right: 2 })
        );
        assert_eq!(
            VectorIndex::new(vec![], 0, Similarity::Cosine).unwrap_err(),
            SearchError::Shape {
                values: 0,
                width: 0
            }
        );
    }

    #[test]
    fn the_nearest_vector_comes_first_with_a_distance() {
        let values = vec![9.0, 9.0, 1.0, 1.0, 2.0, 0.0];
        for (similarity, scores) in [
            (Similarity::DotProduct, [(0, 9.0), (2, 2.0), (1, 1.0)]),
            (Similarity::Manhattan, [(1, -1.0), (2, -1.0), (0, -17.0)]),
        ] {
            let index = VectorIndex::new(values.clone(), 2, similarity).unwrap();
            assert_eq!(search(&index, [1.0, 0.0], 3), scores, "{similarity:?}");
        }
        let index = VectorIndex::new(values, 2, Similarity::Euclidean).unwrap();
        let nearest: Vec<usize> = index
            .recommend(1, 2)
            .unwrap()
            .iter()
            .map(|hit| hit.index)
            .collect();
        assert_eq!(nearest, [2, 0]);
    }

    #[test]
    fn a_vector_is_not_recommended_for_itself() {
        // 0 and 2 are equal, and so is 3 in direction.
        let four = index(&[1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 2.0, 2.0]);
        let indices = |index, k| {
            four.recommend(index, k)
                .unwrap()
                .iter()
                .map(|hit| hit.index)
                .collect::<Vec<_>>()
        };
        assert_eq!(indices(2, 2), [0, 3]);
        assert_eq!(indices(0, 9), [2, 3, 1]);
        assert_eq!(indices(0, 0), [0; 0]);
        assert_eq!(
            four.recommend(4, 1),
            Err(SearchError::NoSuchVector { index: 4, len: 4 })
        );
    }
}
