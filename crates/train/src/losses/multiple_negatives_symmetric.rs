//! `multiple-negatives-symmetric`: cross-entropy of positives given anchors, and of anchors given
//! positives.
//!
//! The mean of [`multiple_negatives_ranking`](super::multiple_negatives_ranking) and of the same loss
//! with anchors and positives exchanged. Negatives are candidates only for the anchors.
//!
//! Günther et al., *Jina Embeddings 2*, 2023 (<https://arxiv.org/abs/2310.19923>);
//! sentence-transformers' `MultipleNegativesSymmetricRankingLoss`, which it now spells
//! `MultipleNegativesRankingLoss` with two `directions` and `partition_mode="per_direction"`.

use burn::tensor::Tensor;
use model::backend::EncoderOps;

use super::cosine::cosine_matrix;
use super::multiple_negatives_ranking::diagonal_cross_entropy;

/// The loss of `anchors` and `candidates`, the positives and then any columns of negatives, all
/// `[batch, width]`: `[1]`.
///
/// # Panics
///
/// If there are no candidates, or the shapes differ.
pub fn multiple_negatives_symmetric<B: EncoderOps>(
    anchors: Tensor<B, 2>,
    candidates: &[Tensor<B, 2>],
    scale: f64,
) -> Tensor<B, 1> {
    let [batch, _] = anchors.dims();
    let candidates = Tensor::cat(candidates.to_vec(), 0);
    let logits = cosine_matrix(anchors, candidates) * scale;
    let of_positives = logits.clone().narrow(1, 0, batch).transpose();
    (diagonal_cross_entropy(logits) + diagonal_cross_entropy(of_positives)) * 0.5
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
            let positives = column(device, [[3.0, 4.0], [1.0, 0.0]]);
            // Cosines 0.6, 1; 0.8, 0.
            let of_anchors = ((1.0 + 0.4f32.exp()).ln() + (1.0 + 0.8f32.exp()).ln()) / 2.0;
            let of_positives = ((1.0 + 0.2f32.exp()).ln() + (1.0 + 1f32.exp()).ln()) / 2.0;
            let loss = multiple_negatives_symmetric(
                anchors.clone(),
                std::slice::from_ref(&positives),
                1.0,
            );
            assert_close(
                "pairs",
                &values(loss),
                &[(of_anchors + of_positives) / 2.0],
                1e-6,
            );
            // Negatives with cosines 0, -1; 1, 0: they do not count for the anchors of positives.
            let negatives = column(device, [[0.0, 1.0], [-1.0, 0.0]]);
            let loss = multiple_negatives_symmetric(anchors, &[positives, negatives], 1.0);
            let first = (1.0 + 0.4f32.exp() + (-0.6f32).exp() + (-1.6f32).exp()).ln();
            let second = (1.0 + 0.8f32.exp() + 1f32.exp() + 1.0).ln();
            let expected = ((first + second) / 2.0 + of_positives) / 2.0;
            assert_close("triplets", &values(loss), &[expected], 1e-6);
        }
        on_test_device!(body);
    }
}
