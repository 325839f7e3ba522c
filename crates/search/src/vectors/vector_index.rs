//! An index that holds its vectors and answers many queries.

use std::collections::HashSet;
use std::sync::Arc;

use cpu_kernels::CodeRows;
use pulp::Arch;
use roaring::RoaringBitmap;

use crate::error::SearchError;
use crate::vectors::codes::Codes;
use crate::vectors::length::{LENGTHS, length};
use crate::vectors::request::{Request, Vectors};
use crate::vectors::rows::Rows;
use crate::vectors::similarity::{Similarity, check_widths};
use crate::vectors::top_k::Hit;
use crate::vectors::vectors_view::VectorsView;
use crate::vectors::{bounded, brute_force, one_bit};

/// The fewest rows whose codes are made with the index: those of fewer rows cost more than they save.
const FEWEST_ROWS: usize = 2_048;

/// The rows of a [table of recalls](VectorIndex::recall_table): from `k` candidates to 512 times as many.
const RECALLS: u32 = 10;

/// The share of the exact hits that a search by 1-bit codes finds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recall {
    /// The rows whose vectors are compared.
    pub candidates: usize,
    /// The share, in `[0, 1]`.
    pub recall: f32,
}

/// What a search is to find.
#[derive(Clone, Copy, Debug, Default)]
pub struct SearchOptions<'a> {
    /// The most hits for a query.
    pub k: usize,
    /// The rows to choose from; of none, all. Rows that the index does not have are passed over.
    pub rows: Option<&'a RoaringBitmap>,
    /// Hits with a lower score are left out.
    pub min_score: Option<f32>,
    /// The number of rows whose vectors are compared, the best by their 1-bit codes: a fast search that may miss hits. Of
    /// none, the search is exact, and so it is where there are no such codes ([`Codes::of`]), or few rows to choose from.
    pub candidates: Option<usize>,
}

/// An exact index: hits and scores are those of comparing every query with every vector, on all threads.
#[derive(Clone, Debug)]
pub struct VectorIndex {
    /// Normalized once to L2 norm 1 for the cosine; unchanged for the other measures.
    values: Rows,
    width: usize,
    similarity: Similarity,
    codes: Option<Arc<Codes>>,
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
        let rows = VectorsView::new(&values, width)?;
        let codes = (rows.len() >= FEWEST_ROWS).then(|| Arc::new(Codes::of(rows, similarity)));
        Ok(Self {
            values: Rows::owned(values),
            width,
            similarity,
            codes,
        })
    }

    /// Opens an index over rows that [`Similarity::normalize_rows`] has passed, row-major `[n, width]`, and their codes. No
    /// row is read.
    ///
    /// # Errors
    ///
    /// [`SearchError::Shape`] if `width` is 0 or does not divide the number of values; [`SearchError::CodesOfOthers`] if
    /// the codes are of another number of rows or another width.
    pub fn from_parts(
        rows: Rows,
        width: usize,
        similarity: Similarity,
        codes: Codes,
    ) -> Result<Self, SearchError> {
        let len = VectorsView::new(&rows, width)?.len();
        if (codes.len(), codes.width()) != (len, width) {
            return Err(SearchError::CodesOfOthers {
                rows: len,
                width,
                codes: codes.len(),
                codes_width: codes.width(),
            });
        }
        Ok(Self {
            values: rows,
            width,
            similarity,
            codes: Some(Arc::new(codes)),
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

    /// The vector at `index`, as [`Similarity::normalize_rows`] left it.
    #[must_use]
    pub fn row(&self, index: usize) -> Option<&[f32]> {
        let start = index.checked_mul(self.width)?;
        self.values.get(start..start.checked_add(self.width)?)
    }

    /// The best `k` vectors for every query, best first: `[queries][min(k, len)]`.
    ///
    /// # Errors
    ///
    /// [`SearchError::Width`] if the queries have another width; [`SearchError::NotFinite`] if a
    /// value is NaN or infinite.
    pub fn search(&self, queries: VectorsView<'_>, k: usize) -> Result<Vec<Vec<Hit>>, SearchError> {
        self.search_with(
            queries,
            &SearchOptions {
                k,
                ..SearchOptions::default()
            },
        )
    }

    /// The hits of every query, best first.
    ///
    /// # Errors
    ///
    /// As [`search`](Self::search).
    pub fn search_with(
        &self,
        queries: VectorsView<'_>,
        options: &SearchOptions<'_>,
    ) -> Result<Vec<Vec<Hit>>, SearchError> {
        check_widths(queries, self.view()?)?;
        let queries = self.similarity.normalized_rows(queries)?;
        Ok(self.top_k(&queries, options, None))
    }

    /// The `k` vectors most similar to the vector at `index`, best first, without that vector.
    ///
    /// # Errors
    ///
    /// [`SearchError::NoSuchVector`] if `index` is not below [`len`](Self::len).
    pub fn recommend(&self, index: usize, k: usize) -> Result<Vec<Hit>, SearchError> {
        let query = self.row(index).ok_or(self.no_such_vector(index))?;
        let options = SearchOptions {
            k,
            ..SearchOptions::default()
        };
        let hits = self.top_k(query, &options, Some(index));
        Ok(hits.into_iter().next().unwrap_or_default())
    }

    /// The scores of the vectors at `rows`, in their order: those that a search would give them.
    ///
    /// # Errors
    ///
    /// As [`search`](Self::search), and [`SearchError::NoSuchVector`] if a row is not below [`len`](Self::len).
    pub fn scores(&self, query: &[f32], rows: &[usize]) -> Result<Vec<f32>, SearchError> {
        if query.len() != self.width {
            return Err(SearchError::Width {
                left: query.len(),
                right: self.width,
            });
        }
        let query = self
            .similarity
            .normalized_rows(VectorsView::new(query, self.width)?)?;
        let arch = Arch::new();
        let score = |&index: &usize| {
            let row = self.row(index).ok_or(self.no_such_vector(index))?;
            Ok(arch.dispatch(|| self.similarity.score(&query, row)))
        };
        rows.iter().map(score).collect()
    }

    /// How many of the exact `k` hits of some queries a search with so many
    /// [candidates](SearchOptions::candidates) finds, for more and more candidates. Empty where there are no 1-bit codes.
    ///
    /// # Errors
    ///
    /// As [`search`](Self::search).
    pub fn recall_table(
        &self,
        queries: VectorsView<'_>,
        k: usize,
    ) -> Result<Vec<Recall>, SearchError> {
        let exact = self.search(queries, k)?;
        let hits: usize = exact.iter().map(Vec::len).sum();
        let codes = self.codes.as_deref().and_then(Codes::one_bit);
        let Some(codes) = codes.filter(|_| hits > 0) else {
            return Ok(Vec::new());
        };
        let candidates: Vec<usize> = (0..RECALLS).map(|power| k << power).collect();
        let most = candidates.last().copied().unwrap_or(0).min(self.len());
        let request = Request {
            k,
            lowest: f32::NEG_INFINITY,
            rows: None,
            without: None,
        };
        let normalized = self.similarity.normalized_rows(queries)?;
        let nearest = codes.nearest(&normalized, most, request);
        // The place of every exact hit among the candidates: with that many and more it is found.
        let mut places = Vec::with_capacity(hits);
        for (exact, nearest) in exact.iter().zip(&nearest) {
            let exact: HashSet<usize> = exact.iter().map(|hit| hit.index).collect();
            let found = nearest.iter().enumerate();
            let found = found.filter(|(_, hit)| exact.contains(&hit.index));
            places.extend(found.map(|(place, _)| place));
        }
        let recall = |candidates: usize| {
            let found = places.iter().filter(|place| **place < candidates).count();
            Recall {
                candidates,
                recall: found as f32 / hits as f32,
            }
        };
        Ok(candidates.into_iter().map(recall).collect())
    }

    fn no_such_vector(&self, index: usize) -> SearchError {
        SearchError::NoSuchVector {
            index,
            len: self.len(),
        }
    }

    fn view(&self) -> Result<VectorsView<'_>, SearchError> {
        VectorsView::new(&self.values, self.width)
    }

    fn vectors(&self) -> Vectors<'_> {
        Vectors {
            values: &self.values,
            width: self.width,
            similarity: self.similarity,
        }
    }

    /// The hits of normalized queries.
    fn top_k(
        &self,
        queries: &[f32],
        options: &SearchOptions<'_>,
        without: Option<usize>,
    ) -> Vec<Vec<Hit>> {
        let request = Request {
            k: options.k.min(self.len()),
            lowest: options.min_score.unwrap_or(f32::NEG_INFINITY),
            rows: options.rows,
            without,
        };
        let codes = self
            .codes
            .as_deref()
            .filter(|_| scan_pays(request, self.len()));
        let one_bit = codes.and_then(Codes::one_bit).zip(options.candidates);
        match (one_bit, codes.and_then(Codes::int8)) {
            (Some((codes, candidates)), _) => {
                one_bit::search(self.vectors(), codes, queries, candidates, request)
            }
            (None, Some(codes)) => self.bounded(codes, queries, request),
            (None, None) => brute_force::search(self.vectors(), queries, request),
        }
    }

    /// The hits by the codes; queries that the bounds do not cover are compared with all vectors.
    fn bounded(&self, codes: &CodeRows, queries: &[f32], request: Request<'_>) -> Vec<Vec<Hit>> {
        let rows = || queries.chunks_exact(self.width);
        let covered: Vec<bool> = rows()
            .map(|query| LENGTHS.contains(&length(query)))
            .collect();
        let of_kind = |kind: bool| -> Vec<f32> {
            let rows = rows()
                .zip(&covered)
                .filter(|(_, covered)| **covered == kind);
            rows.flat_map(|(query, _)| query).copied().collect()
        };
        if covered.iter().all(|covered| *covered) {
            return bounded::search(self.vectors(), codes, queries, request);
        }
        let mut by_codes =
            bounded::search(self.vectors(), codes, &of_kind(true), request).into_iter();
        let mut by_all = brute_force::search(self.vectors(), &of_kind(false), request).into_iter();
        let hits = covered.iter().map(|covered| {
            let hits = if *covered { &mut by_codes } else { &mut by_all };
            hits.next().unwrap_or_default()
        });
        hits.collect()
    }
}

/// Whether a scan of all codes is faster than computing the scores that could be hits.
fn scan_pays(request: Request<'_>, len: usize) -> bool {
    // With large parts of all rows as hits there is little to leave out. A lowest score leaves out rows by itself.
    let few_hits = request.k <= len / 8 || request.lowest > f32::NEG_INFINITY;
    // Less than one row of a panel on average: reading its floats is less than reading the panel.
    let many_rows = request.rows.is_none_or(|rows| rows.len() > len as u64 / 32);
    few_hits && many_rows && request.k > 0 && u32::try_from(len).is_ok()
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
