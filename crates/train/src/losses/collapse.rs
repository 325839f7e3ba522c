//! Whether a model gives all texts the same vector.
//!
//! A loss without negatives ([`can_collapse`](super::Loss::can_collapse)) is smallest when it does:
//! the loss falls, and nothing can be found any more. The mean cosine of different texts tells.

use burn::tensor::backend::Backend;
use burn::tensor::{ElementConversion, FloatDType, Tensor};

use super::cosine::normalize;

/// The mean cosine of different texts above which a model counts as collapsed.
///
/// all-mpnet-base-v2 has 0.08 over the mixed texts of the `model` crate's fixtures; the tiny model
/// there starts with 0.63 and has 0.98 after 20 steps of `mse` or `cosine`, but 0.33 after 20 of
/// `multiple-negatives-ranking`. At 0.95 two texts are 18 degrees apart on average: what is left of
/// the cosine to tell related texts from others is 0.05.
pub const COLLAPSE_THRESHOLD: f32 = 0.95;

/// Texts below which nothing is said of a model: two variants of one product may be as near to each other as
/// [`COLLAPSE_THRESHOLD`] in any.
pub const FEWEST_TEXTS: usize = 4;

/// Mean cosine of all pairs of different rows of `[texts, width]`; `None` below two rows.
///
/// The rows should be of different texts: equal ones have a cosine of 1 in any model.
///
/// # Formula
///
/// `(|sum of the rows at length 1|^2 - n) / (n * (n - 1))`, in f32: no matrix of all pairs. A zero
/// row has a cosine of 0 with every other.
pub fn mean_pairwise_cosine<B: Backend>(embeddings: Tensor<B, 2>) -> Option<f32> {
    let [texts, _] = embeddings.dims();
    if texts < 2 {
        return None;
    }
    let units = normalize(embeddings.detach().cast(FloatDType::F32));
    // `n`, less the zero rows.
    let own = units.clone().square().sum();
    let all = units.sum_dim(0).square().sum();
    let sum: f32 = (all - own).into_scalar().elem();
    let texts = texts as f32;
    Some(sum / (texts * (texts - 1.0)))
}

/// Whether a [mean cosine](mean_pairwise_cosine) is above [`COLLAPSE_THRESHOLD`].
#[must_use]
pub fn has_collapsed(mean_pairwise_cosine: f32) -> bool {
    mean_pairwise_cosine > COLLAPSE_THRESHOLD
}

#[cfg(test)]
mod tests {
    use burn::backend::Autodiff;
    use burn::tensor::TensorData;
    use model::EncoderOps;

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
