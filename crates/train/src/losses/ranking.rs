//! Losses with in-batch negatives: `multiple-negatives-ranking`, `multiple-negatives-symmetric` and
//! `gist`.

use burn::nn::loss::CrossEntropyLossConfig;
use burn::tensor::backend::Backend;
use burn::tensor::{Bool, Int, Tensor};
use model::backend::EncoderOps;

use super::cosine::{cosine_matrix, similarity_matrix};

/// `multiple-negatives-ranking`: cross-entropy of the positive of each anchor among all texts of the
/// batch.
///
/// `mean over rows i of -log(exp(scale * cos(anchor_i, positive_i)) / sum over candidates c of
/// exp(scale * cos(anchor_i, c)))`, where the candidates are the positives and negatives of all
/// rows.
///
/// Henderson et al., *Efficient Natural Language Response Suggestion for Smart Reply*, 2017
/// (<https://arxiv.org/abs/1705.00652>); van den Oord et al., *Representation Learning with
/// Contrastive Predictive Coding*, 2018 (<https://arxiv.org/abs/1807.03748>), where it is InfoNCE;
/// sentence-transformers' `MultipleNegativesRankingLoss`. The loss
/// of a single pair without negatives is 0.
///
/// The loss of `anchors` and `candidates`, the positives and then any columns of negatives, all
/// `[batch, width]`: `[1]`.
///
/// Needs memory for `[batch, batch]` values per column of candidates. `anchors` may be the first rows of the batch alone:
/// under `cached-` the step computes some rows at a time.
///
/// # Panics
///
/// If there are no candidates, or the shapes differ.
pub(crate) fn multiple_negatives_ranking<B: EncoderOps>(
    anchors: Tensor<B, 2>,
    candidates: &[Tensor<B, 2>],
    scale: f64,
) -> Tensor<B, 1> {
    let candidates = Tensor::cat(candidates.to_vec(), 0);
    diagonal_cross_entropy(cosine_matrix(anchors, candidates) * scale)
}

/// Cross-entropy of `logits` `[rows, choices]` where row `i` should choose `i`.
fn diagonal_cross_entropy<B: Backend>(logits: Tensor<B, 2>) -> Tensor<B, 1> {
    let device = logits.device();
    let rows = logits.dims()[0];
    let right_choices = Tensor::<B, 1, Int>::arange(0..rows as i64, &device);
    CrossEntropyLossConfig::new()
        .init(&device)
        .forward(logits, right_choices)
}

/// `multiple-negatives-symmetric`: cross-entropy of positives given anchors, and of anchors given
/// positives.
///
/// The mean of [`multiple_negatives_ranking`] and of the same loss
/// with anchors and positives exchanged. Negatives are candidates only for the anchors.
///
/// Günther et al., *Jina Embeddings 2*, 2023 (<https://arxiv.org/abs/2310.19923>);
/// sentence-transformers' `MultipleNegativesSymmetricRankingLoss`, which it now spells
/// `MultipleNegativesRankingLoss` with two `directions` and `partition_mode="per_direction"`.
///
/// The loss of `anchors` and `candidates`, the positives and then any columns of negatives, all
/// `[batch, width]`: `[1]`.
///
/// # Panics
///
/// If there are no candidates, or the shapes differ.
pub(crate) fn multiple_negatives_symmetric<B: EncoderOps>(
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

/// `gist`: cross-entropy of the positive among all texts of the batch that a guide does not take for
/// right answers, too.
///
/// `mean over rows i of -log(exp(scale * cos(anchor_i, positive_i)) / sum over candidates (a, b) of
/// exp(scale * cos(a, b)))`. The candidates of row `i` are its anchor with every positive, anchor and
/// negative of the batch, and its positive with every positive. One whose cosine by the guide is above
/// `guide cosine of (anchor_i, positive_i) - margin` does not count: a text that the guide finds as
/// similar is probably a false negative. The row's own pair always counts.
///
/// Solatorio, *GISTEmbed: Guided In-sample Selection of Training Negatives for Text Embedding
/// Fine-tuning*, 2024 (<https://arxiv.org/abs/2402.16829>); sentence-transformers' `GISTEmbedLoss` with
/// the `absolute` margin strategy. That takes one column of negatives, and its `CachedGISTEmbedLoss`
/// several; this one takes several.
///
/// `columns` are anchors, positives and any columns of negatives, all `[batch, width]`, and `guide` the
/// guide's vectors of the same texts, of its own width. The result is `[1]`. Needs memory for
/// `[batch, batch]` values per column and one more.
///
/// # Panics
///
/// If there are not two columns, or the shapes differ.
pub(crate) fn gist<B: EncoderOps>(
    columns: &[Tensor<B, 2>],
    guide: &[Tensor<B, 2>],
    scale: f64,
    margin: f64,
) -> Tensor<B, 1> {
    let (anchors, positives) = (0, 1);
    let device = columns[anchors].device();
    let batch = columns[anchors].dims()[0];
    let similar = |of: &[Tensor<B, 2>], left: usize, right: usize| {
        similarity_matrix(of[left].clone(), of[right].clone())
    };
    let others = Tensor::<B, 2, Bool>::diag_mask([batch, batch], 0, &device);
    let guided = similar(guide, anchors, positives);
    // The guide's cosine of each row's own pair.
    let own = guided.mask_fill(others.clone(), 0.0).sum_dim(1) - margin;
    let logits = |left: usize, right: usize| {
        let too_similar = similar(guide, left, right).greater(own.clone().expand([batch, batch]));
        let hidden = if (left, right) == (anchors, positives) {
            too_similar.bool_and(others.clone())
        } else {
            too_similar
        };
        similar(columns, left, right).mask_fill(hidden, f32::NEG_INFINITY)
    };
    let mut all = vec![
        logits(anchors, positives),
        logits(anchors, anchors),
        logits(positives, positives),
    ];
    all.extend((2..columns.len()).map(|negatives| logits(anchors, negatives)));
    diagonal_cross_entropy(Tensor::cat(all, 1) * scale)
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
    fn known_answer_of_ranking() {
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

    #[test]
    fn known_answer_of_both_directions() {
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

    #[test]
    fn a_guide_hides_what_it_finds_more_similar() {
        fn body<B: EncoderOps>(device: &B::Device) {
            let anchors = column::<B>(device, [[1.0, 0.0], [0.0, 5.0]]);
            let positives = column(device, [[3.0, 4.0], [4.0, 3.0]]);
            let columns = [anchors, positives];
            let alike = column(device, [[1.0, 0.0], [1.0, 0.0]]);
            let guide = [alike, column(device, [[0.0, 1.0], [1.0, 0.0]])];
            let loss = values(gist(&columns, &guide, 5.0, 0.0));
            // The guide finds all texts more similar than the first pair, but for the two positives. No
            // text is more similar than the second pair.
            let sum = |cosines: &[f32]| -> f32 {
                let sum: f32 = cosines.iter().map(|cosine| (5.0 * cosine).exp()).sum();
                sum.ln()
            };
            let first = sum(&[0.6, 0.96]) - 5.0 * 0.6;
            let second = sum(&[0.8, 0.6, 0.0, 1.0, 0.96, 1.0]) - 5.0 * 0.6;
            assert_close("loss", &loss, &[(first + second) / 2.0], 1e-5);
        }
        on_test_device!(body);
    }
}
