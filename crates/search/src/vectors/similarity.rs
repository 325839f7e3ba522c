//! Similarity of two vectors, of pairs and of all pairs of two sets.

use pulp::Arch;
use rayon::prelude::*;

use crate::error::SearchError;
use crate::vectors::dot::{dot, euclidean_distance, manhattan_distance, normalize};
use crate::vectors::vectors_view::VectorsView;

/// The measure of similarity; higher is more similar. Values and names are those of
/// sentence-transformers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Similarity {
    /// Cosine of the angle, in `[-1, 1]`; 0 if a vector is zero.
    #[default]
    Cosine,
    /// Dot product, unbounded.
    DotProduct,
    /// Negative Euclidean distance, at most 0.
    Euclidean,
    /// Negative Manhattan distance, at most 0.
    Manhattan,
}

impl Similarity {
    /// Every measure.
    pub const ALL: [Self; 4] = [
        Self::Cosine,
        Self::DotProduct,
        Self::Euclidean,
        Self::Manhattan,
    ];

    /// The name: `cosine`, `dot`, `euclidean` or `manhattan`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Cosine => "cosine",
            Self::DotProduct => "dot",
            Self::Euclidean => "euclidean",
            Self::Manhattan => "manhattan",
        }
    }

    /// The measure with that [`name`](Self::name).
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|similarity| similarity.name() == name)
    }

    /// Copies rows for [`score`](Self::score), normalized by [`normalize_rows`](Self::normalize_rows).
    pub(crate) fn normalized_rows(self, rows: VectorsView<'_>) -> Result<Vec<f32>, SearchError> {
        rows.check_finite()?;
        let mut values: Vec<f32> = rows.iter().flatten().copied().collect();
        self.normalize_rows(&mut values, rows.width());
        Ok(values)
    }

    /// Scales every row to L2 norm 1 for the cosine; leaves rows as they are for the others.
    ///
    /// Values behind the last whole row, and all values at a width of 0, stay as they are.
    pub fn normalize_rows(self, values: &mut [f32], width: usize) {
        if self == Self::Cosine && width > 0 {
            values.par_chunks_exact_mut(width).for_each(normalize);
        }
    }

    /// Similarity of two rows that [`normalize_rows`](Self::normalize_rows) has passed.
    #[inline(always)]
    pub(crate) fn score(self, left: &[f32], right: &[f32]) -> f32 {
        let score = match self {
            // Rounding may leave [-1, 1].
            Self::Cosine => dot(left, right).clamp(-1.0, 1.0),
            Self::DotProduct => dot(left, right),
            Self::Euclidean => -euclidean_distance(left, right),
            Self::Manhattan => -manhattan_distance(left, right),
        };
        if score.is_nan() {
            // Finite values may overflow to both infinities, whose sum is NaN: it comes last.
            return f32::NEG_INFINITY;
        }
        // Turns -0 into 0: the order of hits would tell them apart.
        score + 0.0
    }
}

/// Similarity of row `i` of `left` with row `i` of `right`: `[len]`.
///
/// # Errors
///
/// [`SearchError::Width`] or [`SearchError::Pairs`] if widths or numbers of rows differ;
/// [`SearchError::NotFinite`] if a value is NaN or infinite.
pub fn pairwise_similarity(
    left: VectorsView<'_>,
    right: VectorsView<'_>,
    similarity: Similarity,
) -> Result<Vec<f32>, SearchError> {
    check_widths(left, right)?;
    if left.len() != right.len() {
        return Err(SearchError::Pairs {
            left: left.len(),
            right: right.len(),
        });
    }
    let width = left.width();
    let (left, right) = (
        similarity.normalized_rows(left)?,
        similarity.normalized_rows(right)?,
    );
    let arch = Arch::new();
    Ok(left
        .par_chunks_exact(width)
        .zip(right.par_chunks_exact(width))
        .map(|(left, right)| arch.dispatch(|| similarity.score(left, right)))
        .collect())
}

/// Similarity of every row of `left` with every row of `right`: row-major `[left, right]`.
///
/// # Errors
///
/// [`SearchError::Width`] if widths differ; [`SearchError::NotFinite`] if a value is NaN or infinite.
pub fn similarity_matrix(
    left: VectorsView<'_>,
    right: VectorsView<'_>,
    similarity: Similarity,
) -> Result<Vec<f32>, SearchError> {
    check_widths(left, right)?;
    let (width, columns) = (left.width(), right.len());
    let (left, right) = (
        similarity.normalized_rows(left)?,
        similarity.normalized_rows(right)?,
    );
    let arch = Arch::new();
    let mut matrix = vec![0.0; left.len() / width * columns];
    if columns > 0 {
        matrix
            .par_chunks_exact_mut(columns)
            .zip(left.par_chunks_exact(width))
            .for_each(|(scores, left)| {
                arch.dispatch(|| {
                    for (score, right) in scores.iter_mut().zip(right.chunks_exact(width)) {
                        *score = similarity.score(left, right);
                    }
                });
            });
    }
    Ok(matrix)
}

pub(crate) fn check_widths(
    left: VectorsView<'_>,
    right: VectorsView<'_>,
) -> Result<(), SearchError> {
    if left.width() == right.width() {
        return Ok(());
    }
    Err(SearchError::Width {
        left: left.width(),
        right: right.width(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(values: &[f32]) -> VectorsView<'_> {
        VectorsView::new(values, 2).unwrap()
    }

    #[test]
    fn pairs() {
        let (left, right) = (
            [3.0, 4.0, 0.0, 0.0, 1.0, 0.0],
            [4.0, 3.0, 1.0, 2.0, -2.0, 0.0],
        );
        let cosine = pairwise_similarity(rows(&left), rows(&right), Similarity::Cosine).unwrap();
        // One division and two products in f32.
        assert!((cosine[0] - 0.96).abs() < 1e-6);
        assert_eq!(cosine[1..], [0.0, -1.0]);
        let dots = pairwise_similarity(rows(&left), rows(&right), Similarity::DotProduct).unwrap();
        assert_eq!(dots, [24.0, 0.0, -2.0]);
    }

    #[test]
    fn all_against_all() {
        let (left, right) = ([1.0, 0.0, 0.0, 2.0], [1.0, 1.0, 0.0, 3.0, -1.0, 0.0]);
        let matrix = similarity_matrix(rows(&left), rows(&right), Similarity::DotProduct).unwrap();
        assert_eq!(matrix, [1.0, 0.0, -1.0, 2.0, 6.0, 0.0]);
        assert_eq!(
            similarity_matrix(rows(&[]), rows(&right), Similarity::Cosine).unwrap(),
            [0.0; 0]
        );
        assert_eq!(
            similarity_matrix(rows(&left), rows(&[]), Similarity::Cosine).unwrap(),
            [0.0; 0]
        );
    }

    #[test]
    fn mismatched_vectors_are_refused() {
        let wide = VectorsView::new(&[1.0, 2.0, 3.0], 3).unwrap();
        let width = Err(SearchError::Width { left: 2, right: 3 });
        assert_eq!(
            similarity_matrix(rows(&[1.0, 2.0]), wide, Similarity::Cosine),
            width
        );
        assert_eq!(
            pairwise_similarity(rows(&[1.0, 2.0]), wide, Similarity::Cosine),
            width
        );
        let pairs = Err(SearchError::Pairs { left: 1, right: 0 });
        assert_eq!(
            pairwise_similarity(rows(&[1.0, 2.0]), rows(&[]), Similarity::Cosine),
            pairs
        );
        let infinite = Err(SearchError::NotFinite {
            row: 1,
            column: 1,
            value: f32::INFINITY,
        });
        let values = [0.0, 1.0, 2.0, f32::INFINITY];
        assert_eq!(
            pairwise_similarity(rows(&values), rows(&values), Similarity::Cosine),
            infinite
        );
    }

    #[test]
    fn distances_are_negative_as_in_sentence_transformers() {
        let (left, right) = ([0.0, 0.0, 1.0, 2.0], [3.0, -4.0, 1.0, 2.0]);
        let scores = |similarity| pairwise_similarity(rows(&left), rows(&right), similarity);
        assert_eq!(scores(Similarity::Euclidean).unwrap(), [-5.0, 0.0]);
        assert_eq!(scores(Similarity::Manhattan).unwrap(), [-7.0, 0.0]);
        // Equal vectors have the score 0, not -0, which would come after it.
        let equal = scores(Similarity::Euclidean).unwrap()[1];
        assert!(equal.is_sign_positive());
        // The order of the matrix is that of the pairs.
        let matrix = similarity_matrix(rows(&left), rows(&right), Similarity::Manhattan).unwrap();
        assert_eq!(matrix, [-7.0, -3.0, -8.0, 0.0]);
        let far = [f32::MAX, 0.0];
        let near = [-f32::MAX, 0.0];
        for similarity in [Similarity::Euclidean, Similarity::Manhattan] {
            let scores = pairwise_similarity(rows(&far), rows(&near), similarity).unwrap();
            assert_eq!(scores, [f32::NEG_INFINITY]);
        }
    }

    #[test]
    fn names_lead_back_to_the_measures() {
        for similarity in Similarity::ALL {
            assert_eq!(Similarity::from_name(similarity.name()), Some(similarity));
        }
        assert_eq!(Similarity::from_name("dot_product"), None);
    }

    #[test]
    fn a_nan_dot_product_comes_last() {
        let (left, right) = ([f32::MAX, f32::MAX], [f32::MAX, -f32::MAX]);
        let dots = pairwise_similarity(rows(&left), rows(&right), Similarity::DotProduct).unwrap();
        assert_eq!(dots, [f32::NEG_INFINITY]);
    }
}
