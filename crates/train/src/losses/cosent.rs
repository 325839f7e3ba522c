//! `cosent`: the cosines of a batch should have the order of its scores.
//!
//! `log(1 + sum over rows i, j with score_i < score_j of exp(scale * (cos_i - cos_j)))`
//!
//! Huang et al., *CoSENT: Consistent Sentence Embedding via Similarity Ranking*, 2024
//! (<https://doi.org/10.1109/TASLP.2024.3402087>); sentence-transformers' `CoSENTLoss`. Scores may
//! have any range: only their order counts. If all are equal the loss is 0.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use super::cosine::pairwise_cosines;

/// The loss of `left` and `right`, both `[batch, width]`, with `scores` `[batch]`: `[1]`.
///
/// Needs memory for `[batch, batch]` values.
///
/// # Panics
///
/// If the shapes differ.
pub fn cosent<B: Backend>(
    left: Tensor<B, 2>,
    right: Tensor<B, 2>,
    scores: Tensor<B, 1>,
    scale: f64,
) -> Tensor<B, 1> {
    let cosines = pairwise_cosines(left, right) * scale;
    let [batch] = cosines.dims();
    let all_pairs = |values: &Tensor<B, 1>| {
        let first = values.clone().reshape([batch, 1]).expand([batch, batch]);
        let second = values.clone().reshape([1, batch]).expand([batch, batch]);
        (first, second)
    };
    let (first_score, second_score) = all_pairs(&scores);
    let unordered = first_score.greater_equal(second_score);
    let (first, second) = all_pairs(&cosines);
    let differences = (first - second).mask_fill(unordered, f32::NEG_INFINITY);
    log_one_plus_sum_exp(differences)
}

/// `log(1 + sum of exp(values))`, shifted by the maximum so that no exponential overflows.
fn log_one_plus_sum_exp<B: Backend>(values: Tensor<B, 2>) -> Tensor<B, 1> {
    let largest = values.clone().detach().max().clamp_min(0.0);
    let shifted = values - largest.clone().unsqueeze();
    let sum = shifted.exp().sum() + (-largest.clone()).exp();
    sum.log() + largest
}

#[cfg(test)]
mod tests {
    use model::backend::EncoderOps;

    use super::*;
    use crate::test_device::on_test_device;
    use crate::testing::{assert_close, values};

    fn loss(scores: [f32; 3], scale: f64) -> f32 {
        fn body<B: EncoderOps>(device: &B::Device, scores: [f32; 3], scale: f64) -> f32 {
            // Cosines 0.8, 0 and 1.
            let left = Tensor::<B, 2>::from_floats([[4.0, 3.0]; 3], device);
            let right = Tensor::from_floats([[2.0, 0.0], [-3.0, 4.0], [8.0, 6.0]], device);
            let scores = Tensor::from_floats(scores, device);
            values(cosent(left, right, scores, scale))[0]
        }
        on_test_device!(body(scores: [f32; 3], scale: f64) -> f32)
    }

    /// A few roundings in f32.
    const TOLERANCE: f32 = 1e-6;

    #[test]
    fn known_answer() {
        // The lower score first: (third, first), (third, second), (second, first).
        let expected = (1.0f32 + 0.2f32.exp() + 1f32.exp() + (-0.8f32).exp()).ln();
        assert_close(
            "loss",
            &[loss([3.0, 2.0, 1.0], 1.0)],
            &[expected],
            TOLERANCE,
        );
        // (second, first), (second, third), (first, third).
        let expected = (1.0f32 + (-4f32).exp() + (-5f32).exp() + (-1f32).exp()).ln();
        assert_close(
            "loss",
            &[loss([0.5, -7.0, 1e9], 5.0)],
            &[expected],
            TOLERANCE,
        );
    }

    #[test]
    fn equal_scores_say_nothing() {
        assert_eq!(loss([0.5; 3], 20.0), 0.0);
        // (first, third) and (second, third); the first two are a tie.
        let expected = (1.0f32 + (-0.2f32).exp() + (-1f32).exp()).ln();
        assert_close(
            "loss",
            &[loss([0.0, 0.0, 1.0], 1.0)],
            &[expected],
            TOLERANCE,
        );
    }

    #[test]
    fn large_scales_do_not_overflow() {
        // The largest of 0.2, 1 and -0.8 times the scale is all that is left.
        let actual = loss([3.0, 2.0, 1.0], 1e6);
        assert_close("loss", &[actual], &[1e6], 1e6 * TOLERANCE);
        assert_eq!(loss([2.0, 1.0, 3.0], 1e6), 0.0);
    }
}
