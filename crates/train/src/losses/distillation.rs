//! Losses with the scores or vectors of a teacher: `margin-mse`, `kl-divergence` and `embed-distill`.

use burn::nn::loss::{MseLoss, Reduction};
use burn::tensor::Tensor;
use burn::tensor::activation::{log_softmax, softmax};
use burn::tensor::backend::Backend;
use model::backend::EncoderOps;

use super::cosine::{cosine_matrix, row_products};
use super::pairwise::cosine_distance;

/// The numbers of a batch, row by row: `[batch, numbers per row]`.
pub(super) fn per_row<B: Backend>(
    columns: &[Tensor<B, 2>],
    targets: &Tensor<B, 1>,
) -> Tensor<B, 2> {
    let batch = columns[0].dims()[0];
    targets
        .clone()
        .reshape([batch, targets.dims()[0] / batch.max(1)])
}

/// The vectors of the texts of every column, `[batch, their width]` each.
pub(super) fn vectors<B: Backend>(
    columns: &[Tensor<B, 2>],
    targets: &Tensor<B, 1>,
) -> Vec<Tensor<B, 2>> {
    let rows = per_row(columns, targets);
    let width = rows.dims()[1] / columns.len();
    (0..columns.len())
        .map(|column| rows.clone().narrow(1, column * width, width))
        .collect()
}

/// The dot product of every anchor with the row's candidates, `[batch, candidates]`, times the scale.
fn dots<B: Backend>(columns: &[Tensor<B, 2>], scale: f64) -> Tensor<B, 2> {
    let (anchors, candidates) = columns.split_at(1);
    let dots = candidates
        .iter()
        .map(|candidates| row_products(anchors[0].clone(), candidates.clone()).unsqueeze_dim(1));
    Tensor::cat(dots.collect(), 1) * scale
}

/// `margin-mse`: the lead of the positive over every negative should be the teacher's.
///
/// `mean over rows and negatives of (scale * (anchor . positive - anchor . negative) - margin)^2`. The
/// margins are the numbers of the teacher, or the difference of its scores.
///
/// Hofstätter et al., *Improving Efficient Neural Ranking Models with Cross-Architecture Knowledge
/// Distillation*, 2020 (<https://arxiv.org/abs/2010.02666>); sentence-transformers' `MarginMSELoss`, where
/// the scale is 1. Dot products of normalized vectors differ by at most 2: give a scale for a teacher
/// whose scores have another range.
///
/// `columns` are anchors, positives and negatives, all `[batch, width]`; `targets` are `[batch,
/// negatives]` margins or `[batch, negatives + 1]` scores. The result is `[1]`.
///
/// # Panics
///
/// If the shapes differ.
pub(crate) fn margin_mse<B: Backend>(
    columns: &[Tensor<B, 2>],
    targets: Tensor<B, 2>,
    scale: f64,
) -> Tensor<B, 1> {
    squared_margins(dots(columns, scale), targets)
}

/// The mean squared difference between the margins of scores, `[batch, negatives + 1]`, and those of a teacher.
///
/// # Panics
///
/// If the shapes differ.
pub(super) fn squared_margins<B: Backend>(
    scores: Tensor<B, 2>,
    targets: Tensor<B, 2>,
) -> Tensor<B, 1> {
    let margins = |scores: Tensor<B, 2>| {
        let [rows, candidates] = scores.dims();
        let positive = scores
            .clone()
            .narrow(1, 0, 1)
            .expand([rows, candidates - 1]);
        positive - scores.narrow(1, 1, candidates - 1)
    };
    let targets = if targets.dims() == scores.dims() {
        margins(targets)
    } else {
        targets
    };
    MseLoss::new().forward(margins(scores), targets, Reduction::Mean)
}

/// `kl-divergence`: the scores of the row's texts should be distributed as the teacher's.
///
/// `mean over rows of sum over candidates c of p_c * log(p_c / q_c) / scale^2`, with
/// `p = softmax(scale * teacher's scores)` and `q = softmax(scale * (anchor . candidates))`
///
/// Lin et al., *In-Batch Negatives for Knowledge Distillation with Tightly-Coupled Teachers for Dense
/// Retrieval*, 2021 (<https://aclanthology.org/2021.repl4nlp-1.17>); sentence-transformers'
/// `DistillKLDivLoss`, whose temperature is the inverse of the scale.
///
/// `columns` are anchors, positives and negatives, all `[batch, width]`; `scores` are `[batch,
/// negatives + 1]`. The result is `[1]`.
///
/// # Panics
///
/// If the shapes differ.
pub(crate) fn kl_divergence<B: Backend>(
    columns: &[Tensor<B, 2>],
    scores: Tensor<B, 2>,
    scale: f64,
) -> Tensor<B, 1> {
    let batch = scores.dims()[0] as f64;
    let scores = scores * scale;
    let student = log_softmax(dots(columns, scale), 1);
    let teacher = log_softmax(scores.clone(), 1);
    let divergence = softmax(scores, 1) * (teacher - student);
    divergence.sum() / (batch * scale * scale)
}

/// `embed-distill`: every vector should have the direction of the teacher's.
///
/// `mean over rows and columns of 1 - cos(vector, teacher's vector)`
///
/// Kim et al., *EmbedDistill: A Geometric Knowledge Distillation for Information Retrieval*, 2023
/// (<https://arxiv.org/abs/2301.12005>); sentence-transformers' `EmbedDistillLoss` with its default
/// metric, the cosine, and without a projection: teacher and model need vectors of one width.
///
/// `columns` and `teacher` are of the same texts, all `[batch, width]`. The result is `[1]`.
///
/// # Panics
///
/// If the shapes differ.
pub(crate) fn embed_distill<B: Backend>(
    columns: &[Tensor<B, 2>],
    teacher: &[Tensor<B, 2>],
) -> Tensor<B, 1> {
    let distances = columns
        .iter()
        .zip(teacher)
        .map(|(own, teacher)| cosine_distance(own.clone(), teacher.clone()));
    Tensor::cat(distances.collect(), 0).mean()
}

/// Share of the similarities in the loss of [`similarity_distill`]: their squared differences are small.
const SIMILARITY_WEIGHT: f64 = 2.0;

/// The loss of a static model: [`embed_distill`] and the similarities of the texts of a batch.
///
/// `mean over rows of 1 - cos(vector, teacher's vector)`, and twice the `mean over pairs of rows of (cos(vector, vector) -
/// cos(teacher's vector, teacher's vector))^2`
///
/// `vectors` and `teacher` are `[batch, width]`; the result is `[1]`.
///
/// # Panics
///
/// If the shapes differ.
pub(crate) fn similarity_distill<B: EncoderOps>(
    vectors: Tensor<B, 2>,
    teacher: Tensor<B, 2>,
) -> Tensor<B, 1> {
    let similarities = cosine_matrix(vectors.clone(), vectors.clone())
        - cosine_matrix(teacher.clone(), teacher.clone());
    cosine_distance(vectors, teacher) + similarities.square().mean() * SIMILARITY_WEIGHT
}

#[cfg(test)]
mod tests {
    use burn::backend::Autodiff;

    use super::*;
    use crate::test_device::on_test_device;
    use crate::testing::{assert_close, values};

    #[test]
    fn the_loss_of_a_static_model_is_that_of_pytorch() {
        fn body<B: EncoderOps>(device: &B::Device) {
            let own = [[0.5, -0.25], [1.0, 0.75], [-0.5, 0.125]];
            let teacher = [[1.0, 0.0], [0.6, 0.8], [-2.0, 1.0]];
            let own = Tensor::<Autodiff<B>, 2>::from_floats(own, device).require_grad();
            let loss = similarity_distill(own.clone(), Tensor::from_floats(teacher, device));
            // `(1 - (a * b).sum(1)).mean() + 2 * (a @ a.T - b @ b.T).square().mean()` of normalized rows, torch 2.15.
            assert_close("loss", &values(loss.clone()), &[0.160_492_02], 1e-6);
            let gradient = own.grad(&loss.backward()).unwrap();
            let expected = [
                -0.203_822_37,
                -0.407_644_7,
                0.136_072_56,
                -0.181_430_06,
                -0.173_255_55,
                -0.693_022_2,
            ];
            assert_close("gradient", &values(gradient), &expected, 2e-6);
        }
        on_test_device!(body);
    }
}
