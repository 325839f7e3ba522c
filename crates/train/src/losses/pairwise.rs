//! Losses of two columns: `mse`, `cosine`, `cosine-similarity`, `cosent`, `contrastive` and
//! `online-contrastive`.

use burn::nn::loss::{MseLoss, Reduction};
use burn::tensor::activation::relu;
use burn::tensor::backend::Backend;
use burn::tensor::{Bool, Tensor};

use super::cosine::{pairwise_cosines, row_cosines};

/// `mse`: the mean squared difference of the two vectors.
///
/// `mean over rows and values of (left - right)^2`
///
/// PyTorch's `mse_loss` (`torch/nn/functional.py`). For normalized vectors it is
/// `2 / width * (1 - cosine)`. It has no negatives: one vector for all texts makes it 0, see
/// [`collapse`](super::collapse).
///
/// The loss of `left` and `right`, both `[batch, width]`: `[1]`.
///
/// # Panics
///
/// If the shapes differ.
pub(crate) fn mean_squared_error<B: Backend>(
    left: Tensor<B, 2>,
    right: Tensor<B, 2>,
) -> Tensor<B, 1> {
    MseLoss::new().forward(left, right, Reduction::Mean)
}

/// `cosine`: the cosine distance of the two vectors.
///
/// `mean over rows of 1 - cos(left, right)`
///
/// PyTorch's `CosineEmbeddingLoss` of matching pairs (`torch/nn/functional.py`). It has no negatives:
/// one vector for all texts makes it 0, see [`collapse`](super::collapse).
///
/// The loss of `left` and `right`, both `[batch, width]`: `[1]`, in `[0, 2]`.
///
/// # Panics
///
/// If the shapes differ.
pub(crate) fn cosine_distance<B: Backend>(left: Tensor<B, 2>, right: Tensor<B, 2>) -> Tensor<B, 1> {
    cosine_distances(left, right).mean()
}

/// `1 - cos` of row `i` with row `i`: `[batch]`. sentence-transformers'
/// `SiameseDistanceMetric.COSINE_DISTANCE`.
fn cosine_distances<B: Backend>(left: Tensor<B, 2>, right: Tensor<B, 2>) -> Tensor<B, 1> {
    -row_cosines(left, right) + 1.0
}

/// `cosine-similarity`: the cosine of a pair should be its score.
///
/// `mean over rows of (cos(left, right) - score)^2`
///
/// Reimers and Gurevych, *Sentence-BERT*, 2019 (<https://arxiv.org/abs/1908.10084>), the regression
/// objective; sentence-transformers' `CosineSimilarityLoss`.
///
/// The loss of `left` and `right`, both `[batch, width]`, with `scores` `[batch]` in `[-1, 1]`:
/// `[1]`.
///
/// # Panics
///
/// If the shapes differ.
pub(crate) fn cosine_similarity<B: Backend>(
    left: Tensor<B, 2>,
    right: Tensor<B, 2>,
    scores: Tensor<B, 1>,
) -> Tensor<B, 1> {
    MseLoss::new().forward(row_cosines(left, right), scores, Reduction::Mean)
}

/// `cosent`: the cosines of a batch should have the order of its scores.
///
/// `log(1 + sum over rows i, j with score_i < score_j of exp(scale * (cos_i - cos_j)))`
///
/// Huang et al., *CoSENT: Consistent Sentence Embedding via Similarity Ranking*, 2024
/// (<https://doi.org/10.1109/TASLP.2024.3402087>); sentence-transformers' `CoSENTLoss`. Scores may
/// have any range: only their order counts. If all are equal the loss is 0.
///
/// The loss of `left` and `right`, both `[batch, width]`, with `scores` `[batch]`: `[1]`.
///
/// Needs memory for `[batch, batch]` values.
///
/// # Panics
///
/// If the shapes differ.
pub(crate) fn cosent<B: Backend>(
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

/// `contrastive`: pairs of label 1 together, pairs of label 0 at least a margin apart.
///
/// `mean over rows of (label * d^2 + (1 - label) * max(margin - d, 0)^2) / 2`, with
/// `d = 1 - cos(left, right)`
///
/// Hadsell et al., *Dimensionality Reduction by Learning an Invariant Mapping*, 2006
/// (<https://doi.org/10.1109/CVPR.2006.100>); sentence-transformers' `ContrastiveLoss`. A label
/// between 0 and 1 counts in both terms.
///
/// The loss of `left` and `right`, both `[batch, width]`, with `labels` `[batch]`: `[1]`.
///
/// # Panics
///
/// If the shapes differ.
pub(crate) fn contrastive<B: Backend>(
    left: Tensor<B, 2>,
    right: Tensor<B, 2>,
    labels: Tensor<B, 1>,
    margin: f64,
) -> Tensor<B, 1> {
    let distances = cosine_distances(left, right);
    let together = labels.clone() * distances.clone().square();
    let apart = (-labels + 1.0) * relu(-distances + margin).square();
    (together + apart).mean() * 0.5
}

/// `online-contrastive`: the contrastive loss on the hard pairs of a batch.
///
/// `sum over hard pairs of label 1 of d^2 + sum over hard pairs of label 0 of
/// max(margin - d, 0)^2`, with `d = 1 - cos(left, right)`
///
/// A pair of label 1 is hard if it is farther apart than the nearest pair of label 0; a pair of label
/// 0 is hard if it is nearer than the farthest pair of label 1. If the batch has no pair of the other
/// label, the mean distance of the pair's own label is the limit. There is no paper: it is
/// sentence-transformers' `OnlineContrastiveLoss`
/// (`sentence_transformers/losses/OnlineContrastiveLoss.py`, version 6; version 5.7.0 also takes the
/// mean if the other label has exactly one pair). It is a sum, not a mean. Pairs with a label other
/// than 0 and 1 do not count.
///
/// The loss of `left` and `right`, both `[batch, width]`, with `labels` `[batch]`: `[1]`.
///
/// # Panics
///
/// If the shapes differ.
pub(crate) fn online_contrastive<B: Backend>(
    left: Tensor<B, 2>,
    right: Tensor<B, 2>,
    labels: Tensor<B, 1>,
    margin: f64,
) -> Tensor<B, 1> {
    loss_of_distances(cosine_distances(left, right), labels, margin)
}

/// The loss of the distances `[batch]` of pairs.
fn loss_of_distances<B: Backend>(
    distances: Tensor<B, 1>,
    labels: Tensor<B, 1>,
    margin: f64,
) -> Tensor<B, 1> {
    let alike = labels.clone().equal_elem(1.0);
    let different = labels.equal_elem(0.0);
    // The choice of hard pairs has no gradient.
    let known = distances.clone().detach();

    let farthest_alike = known
        .clone()
        .mask_fill(alike.clone().bool_not(), f32::NEG_INFINITY)
        .max()
        .mask_where(none(&alike), mean_of(&known, &different));
    let nearest_different = known
        .clone()
        .mask_fill(different.clone().bool_not(), f32::INFINITY)
        .min()
        .mask_where(none(&different), mean_of(&known, &alike));

    let every = distances.shape();
    let hard_alike = alike.bool_and(
        known
            .clone()
            .greater(nearest_different.expand(every.clone())),
    );
    let hard_different = different.bool_and(known.lower(farthest_alike.expand(every)));

    let together = distances.clone().mask_fill(hard_alike.bool_not(), 0.0);
    let apart = relu(-distances + margin).mask_fill(hard_different.bool_not(), 0.0);
    together.square().sum() + apart.square().sum()
}

/// Whether the mask is false everywhere: `[1]`.
fn none<B: Backend>(mask: &Tensor<B, 1, Bool>) -> Tensor<B, 1, Bool> {
    mask.clone().any().bool_not()
}

/// Mean of the values where the mask is true: `[1]`; 0 if it is true nowhere.
fn mean_of<B: Backend>(values: &Tensor<B, 1>, mask: &Tensor<B, 1, Bool>) -> Tensor<B, 1> {
    let sum = values.clone().mask_fill(mask.clone().bool_not(), 0.0).sum();
    sum / mask.clone().float().sum().clamp_min(1.0)
}

#[cfg(test)]
mod tests;
