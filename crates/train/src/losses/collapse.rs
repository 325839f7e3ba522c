//! Detects a collapse: a model that gives all texts the same vector.
//!
//! A loss without negatives ([`can_collapse`](super::Loss::can_collapse)) is smallest for such a model:
//! the loss falls, and search fails. The mean cosine of different texts shows it.

use burn::tensor::backend::Backend;
use burn::tensor::{ElementConversion, FloatDType, Tensor};

use super::cosine::normalize;

/// The mean cosine of different texts above which a model counts as collapsed.
///
/// all-mpnet-base-v2 has 0.08 over the texts of the `model` crate's fixtures. The tiny model of the
/// fixtures starts with 0.63; after 20 steps it has 0.98 with `mse` or `cosine`, and 0.33 with
/// `multiple-negatives-ranking`. At 0.95 two texts are 18 degrees apart on average, which leaves a
/// range of 0.05 to separate related texts from others.
pub(crate) const COLLAPSE_THRESHOLD: f32 = 0.95;

/// Minimum number of texts to judge a model: the vectors of two variants of one product may exceed
/// [`COLLAPSE_THRESHOLD`] in any model.
pub(crate) const FEWEST_TEXTS: usize = 4;

/// Mean cosine of all pairs of different rows of `[texts, width]`; `None` below two rows.
///
/// The rows should belong to different texts: equal texts have cosine 1 in any model.
///
/// # Formula
///
/// `(|sum of the normalized rows|^2 - n) / (n * (n - 1))`, in f32, without a matrix of all pairs. A
/// zero row has cosine 0 with every other row.
pub(crate) fn mean_pairwise_cosine<B: Backend>(embeddings: Tensor<B, 2>) -> Option<f32> {
    let [texts, _] = embeddings.dims();
    if texts < 2 {
        return None;
    }
    let units = normalize(embeddings.detach().cast(FloatDType::F32));
    // `n` without the zero rows.
    let own = units.clone().square().sum();
    let all = units.sum_dim(0).square().sum();
    let sum: f32 = (all - own).into_scalar().elem();
    let texts = texts as f32;
    Some(sum / (texts * (texts - 1.0)))
}

/// Whether a [mean cosine](mean_pairwise_cosine) is above [`COLLAPSE_THRESHOLD`].
#[must_use]
pub(crate) fn has_collapsed(mean_pairwise_cosine: f32) -> bool {
    mean_pairwise_cosine > COLLAPSE_THRESHOLD
}

#[cfg(test)]
mod tests {
    use burn::backend::Autodiff;
    use burn::tensor::TensorData;
    use model::backend::EncoderOps;

    use super::*;
    use crate::test_device::on_test_device;
    use crate::testing::assert_close;

    /// Sums of a few rows in f32.
    const TOLERANCE: f32 = 1e-6;

    fn mean_cosine(rows: &[[f32; 2]]) -> Option<f32> {
        fn body<B: EncoderOps>(device: &B::Device, rows: &[[f32; 2]]) -> Option<f32> {
            let rows = TensorData::new(rows.as_flattened().to_vec(), [rows.len(), 2]);
            let mean = mean_pairwise_cosine(Tensor::<B, 2>::from_data(rows.clone(), device));
            // The backend of a training run has no other answer.
            let tracked = Tensor::<Autodiff<B>, 2>::from_data(rows, device).require_grad();
            assert_eq!(mean_pairwise_cosine(tracked), mean);
            mean
        }
        on_test_device!(body(rows: &[[f32; 2]]) -> Option<f32>)
    }

    #[test]
    fn the_mean_is_over_pairs_of_different_rows() {
        // Cosines 0, 0.6 and 0.8.
        let mean = mean_cosine(&[[2.0, 0.0], [0.0, 1.0], [3.0, 4.0]]).unwrap();
        assert_close("mean", &[mean], &[1.4 / 3.0], TOLERANCE);
        let opposite = mean_cosine(&[[1.0, 0.0], [-5.0, 0.0]]).unwrap();
        assert_close("opposite", &[opposite], &[-1.0], TOLERANCE);
    }

    #[test]
    fn fewer_than_two_rows_have_no_mean() {
        assert_eq!(mean_cosine(&[[1.0, 0.0]]), None);
        assert_eq!(mean_cosine(&[]), None);
    }

    #[test]
    fn zero_rows_are_like_nothing() {
        // Cosines 1, 0 and 0.
        let mean = mean_cosine(&[[1.0, 1.0], [2.0, 2.0], [0.0, 0.0]]).unwrap();
        assert_close("mean", &[mean], &[1.0 / 3.0], TOLERANCE);
        assert_eq!(mean_cosine(&[[0.0, 0.0], [0.0, 0.0]]), Some(0.0));
    }

    #[test]
    fn equal_directions_have_collapsed() {
        let mean = mean_cosine(&[[1.0, 2.0], [10.0, 20.0], [0.1, 0.2]]).unwrap();
        assert_close("mean", &[mean], &[1.0], TOLERANCE);
        assert!(has_collapsed(mean));
        assert!(!has_collapsed(COLLAPSE_THRESHOLD));
        assert!(!has_collapsed(0.0));
    }
}
