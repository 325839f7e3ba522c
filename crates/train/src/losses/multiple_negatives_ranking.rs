//! `multiple-negatives-ranking`: cross-entropy of the positive of each anchor among all texts of the
//! batch.
//!
//! `mean over rows i of -log(exp(scale * cos(anchor_i, positive_i)) / sum over candidates c of
//! exp(scale * cos(anchor_i, c)))`, where the candidates are the positives and negatives of all
//! rows.
//!
//! Henderson et al., *Efficient Natural Language Response Suggestion for Smart Reply*, 2017
//! (<https://arxiv.org/abs/1705.00652>); van den Oord et al., *Representation Learning with
//! Contrastive Predictive Coding*, 2018 (<https://arxiv.org/abs/1807.03748>), where it is InfoNCE;
//! sentence-transformers' `MultipleNegativesRankingLoss`. The loss
//! of a single pair without negatives is 0.

use burn::nn::loss::CrossEntropyLossConfig;
use burn::tensor::backend::Backend;
use burn::tensor::{Int, Tensor};
use model::backend::EncoderOps;

use super::cosine::cosine_matrix;

/// The loss of `anchors` and `candidates`, the positives and then any columns of negatives, all
/// `[batch, width]`: `[1]`.
///
/// Needs memory for `[batch, batch]` values per column of candidates, also under `cached-`.
///
/// # Panics
///
/// If there are no candidates, or the shapes differ.
pub fn multiple_negatives_ranking<B: EncoderOps>(
    anchors: Tensor<B, 2>,
    candidates: &[Tensor<B, 2>],
    scale: f64,
) -> Tensor<B, 1> {
    let candidates = Tensor::cat(candidates.to_vec(), 0);
    diagonal_cross_entropy(cosine_matrix(anchors, candidates) * scale)
}

/// Cross-entropy of `logits` `[rows, choices]` where row `i` should choose `i`.
pub(super) fn diagonal_cross_entropy<B: Backend>(logits: Tensor<B, 2>) -> Tensor<B, 1> {
    let device = logits.device();
    let rows = logits.dims()[0];
    let right_choices = Tensor::<B, 1, Int>::arange(0..rows as i64, &device);
    CrossEntropyLossConfig::new()
        .init(&device)
        .forward(logits, right_choices)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_device::on_test_device;
    use crate::testing::{assert_close, values};

    fn column<B: EncoderOps>(device: &B::Device, rows: [[f32; 2]; 2]) -> Tensor<B, 2> {
        Tensor::from_floats(rows, device)
    }

    #[test]
    fn known_answer() {
        fn body<B: EncoderOps>(device: &B::Device) {
            let anchors = column::<B>(device, [[1.0, 0.0], [0.0, 5.0]]);
            let positives = column(device, [[3.0, 4.0], [4.0, 3.0]]);
            // Cosines 0.6, 0.8; 0.8, 0.6.
            let loss =
                multiple_negatives_ranking(anchors.clone(), std::slice::from_ref(&positives), 5.0);
            assert_close("pairs", &values(loss), &[(1.0 + 1f32.exp()).ln()], 1e-6);
            // And 1, 0; 0, 1.
            let negatives = column(device, [[1.0, 0.0], [0.0, 2.0]]);
            let loss = multiple_negatives_ranking(anchors, &[positives, negatives], 5.0);
            let expected = (1.0 + 1f32.exp() + 2f32.exp() + (-3f32).exp()).ln();
            assert_close("triplets", &values(loss), &[expected], 1e-6);
        }
        on_test_device!(body);
    }

    #[test]
    fn one_pair_has_nothing_to_choose_from() {
        fn body<B: EncoderOps>(device: &B::Device) {
            let anchors = Tensor::<B, 2>::from_floats([[1.0, 0.0]], device);
            let positives = Tensor::from_floats([[-1.0, 0.5]], device);
            let loss = multiple_negatives_ranking(anchors, &[positives], 20.0);
            assert_eq!(values(loss), [0.0]);
        }
        on_test_device!(body);
    }
}
