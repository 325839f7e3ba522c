//! One query of several examples.

use crate::error::SearchError;
use crate::vectors::similarity::check_widths;
use crate::vectors::vectors_view::VectorsView;

/// The query for documents that are similar to `positive` and not to `negative`: `[width]`.
///
/// It is the mean of the positive vectors, moved away from the negative ones: `2 * positive - negative`, of both means, as
/// Qdrant's strategy `average_vector` has it. Without negative vectors it is the mean of the positive ones.
///
/// Vectors of lengths other than 1 weigh accordingly; for the cosine, pass normalized ones.
///
/// # Errors
///
/// [`SearchError::Width`] if the widths differ; [`SearchError::NotFinite`] if a value is NaN or infinite.
pub fn examples_vector(
    positive: VectorsView<'_>,
    negative: VectorsView<'_>,
) -> Result<Vec<f32>, SearchError> {
    check_widths(positive, negative)?;
    positive.check_finite()?;
    negative.check_finite()?;
    let (liked, disliked) = (mean(positive), mean(negative));
    let moves = if negative.is_empty() { 0.0 } else { 1.0 };
    let values = liked.iter().zip(&disliked);
    Ok(values
        .map(|(liked, disliked)| (liked + moves * (liked - disliked)) as f32)
        .collect())
}

/// The mean of the rows; of none, zeros.
fn mean(rows: VectorsView<'_>) -> Vec<f64> {
    let mut sums = vec![0.0; rows.width()];
    for row in rows.iter() {
        for (sum, value) in sums.iter_mut().zip(row) {
            *sum += f64::from(*value);
        }
    }
    let count = rows.len().max(1) as f64;
    sums.iter().map(|sum| sum / count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(values: &[f32]) -> VectorsView<'_> {
        VectorsView::new(values, 2).unwrap()
    }

    #[test]
    fn examples_are_averaged_and_counterexamples_repel() {
        let vector = |positive: &[f32], negative: &[f32]| {
            examples_vector(view(positive), view(negative)).unwrap()
        };
        assert_eq!(vector(&[1.0, 2.0, 3.0, 0.0], &[]), [2.0, 1.0]);
        assert_eq!(vector(&[1.0, 2.0, 3.0, 0.0], &[1.0, 1.0]), [3.0, 1.0]);
        assert_eq!(vector(&[], &[1.0, -1.0]), [-1.0, 1.0]);
        assert_eq!(vector(&[], &[]), [0.0, 0.0]);
        let wide = VectorsView::new(&[1.0; 3], 3).unwrap();
        assert_eq!(
            examples_vector(view(&[]), wide),
            Err(SearchError::Width { left: 2, right: 3 })
        );
    }
}
