//! How alike two vectors are, for pairs and for all against all.

use pulp::Arch;
use rayon::prelude::*;

use crate::dot::{dot, normalize};
use crate::error::SearchError;
use crate::rows::Rows;

/// The measure of likeness.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Similarity {
    /// Cosine of the angle, in `[-1, 1]`; 0 where a vector is zero.
    #[default]
    Cosine,
    /// Sum of the products of the values.
    DotProduct,
}

impl Similarity {
    /// Copies rows into the form in which [`score`](Self::score) takes them.
    pub(crate) fn prepare(self, rows: Rows<'_>) -> Result<Vec<f32>, SearchError> {
        rows.check_finite()?;
        let mut values: Vec<f32> = rows.iter().flatten().copied().collect();
        self.prepare_in_place(&mut values, rows.width());
        Ok(values)
    }

    pub(crate) fn prepare_in_place(self, values: &mut [f32], width: usize) {
        if self == Self::Cosine {
            values.par_chunks_exact_mut(width).for_each(normalize);
        }
    }

    /// Similarity of two prepared rows.
    #[inline(always)]
    pub(crate) fn score(self, left: &[f32], right: &[f32]) -> f32 {
        let product = dot(left, right);
        match self {
            // Rounding may step over the edge.
            Self::Cosine => product.clamp(-1.0, 1.0) + 0.0,
            // Products of finite values may overflow on both sides of zero; what has no order comes
            // last.
            Self::DotProduct if product.is_nan() => f32::NEG_INFINITY,
            // Turns -0 into 0, which the order of hits would tell apart.
            Self::DotProduct => product + 0.0,
        }
    }
}

/// Similarity of row `i` of `left` with row `i` of `right`: `[len]`.
///
/// # Errors
///
/// When numbers of rows or widths differ, or a value is not finite.
pub fn pairwise_similarity(
    left: Rows<'_>,
    right: Rows<'_>,
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
    let (left, right) = (similarity.prepare(left)?, similarity.prepare(right)?);
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
/// When widths differ or a value is not finite.
pub fn similarity_matrix(
    left: Rows<'_>,
    right: Rows<'_>,
    similarity: Similarity,
) -> Result<Vec<f32>, SearchError> {
    check_widths(left, right)?;
    let (width, columns) = (left.width(), right.len());
    let (left, right) = (similarity.prepare(left)?, similarity.prepare(right)?);
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

pub(crate) fn check_widths(left: Rows<'_>, right: Rows<'_>) -> Result<(), SearchError> {
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

    fn rows(values: &[f32]) -> Rows<'_> {
        Rows::new(values, 2).unwrap()
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
            []
        );
        assert_eq!(
            similarity_matrix(rows(&left), rows(&[]), Similarity::Cosine).unwrap(),
            []
        );
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let wide = Rows::new(&[1.0, 2.0, 3.0], 3).unwrap();
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
    fn a_product_without_order_comes_last() {
        let (left, right) = ([f32::MAX, f32::MAX], [f32::MAX, -f32::MAX]);
        let dots = pairwise_similarity(rows(&left), rows(&right), Similarity::DotProduct).unwrap();
        assert_eq!(dots, [f32::NEG_INFINITY]);
    }
}
