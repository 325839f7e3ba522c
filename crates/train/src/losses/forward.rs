//! The values of losses.

use burn::tensor::Tensor;
use model::backend::EncoderOps;

use super::Loss;
use super::distillation::{embed_distill, kl_divergence, margin_mse, per_row, vectors};
use super::pairwise::{
    contrastive, cosent, cosine_distance, cosine_similarity, mean_squared_error, online_contrastive,
};
use super::ranking::{gist, multiple_negatives_ranking, multiple_negatives_symmetric};
use super::tags::cross_entropy;
use super::triplet::{triplet_cosine, triplet_euclidean};

impl Loss {
    /// The loss of a batch, `[1]`: the mean over its examples, except for `cosent`, which has one
    /// value per batch, and `online-contrastive`, which is a sum. A batch without rows gives NaN.
    ///
    /// `columns` are the embeddings `[batch, width]`, `targets` the scores or labels `[batch]`, or several
    /// numbers per row, one row after the other: the scores of a teacher, or its vectors of all columns. A
    /// loss without target ignores them. The columns of a loss over pairs are the scores of the candidates, `[batch, 1]`,
    /// the positives first. That of a tagger's loss are the logits of all tokens, `[tokens, outputs]`, and its targets are as
    /// many numbers: 1 for an output that may be right, and 0 for one that is wrong.
    ///
    /// # Panics
    ///
    /// If the columns or targets are not those that the loss [needs](Self::needs), or if the shapes
    /// differ.
    pub(crate) fn forward<B: EncoderOps>(
        &self,
        columns: &[Tensor<B, 2>],
        targets: Option<&Tensor<B, 1>>,
    ) -> Tensor<B, 1> {
        match (*self, columns, targets) {
            (Self::MeanSquaredError, [left, right], _) => {
                mean_squared_error(left.clone(), right.clone())
            }
            (Self::Cosine, [left, right], _) => cosine_distance(left.clone(), right.clone()),
            (Self::CosineSimilarity, [left, right], Some(scores)) => {
                cosine_similarity(left.clone(), right.clone(), scores.clone())
            }
            (Self::CoSent { scale }, [left, right], Some(scores)) => {
                cosent(left.clone(), right.clone(), scores.clone(), scale)
            }
            (Self::Contrastive { margin }, [left, right], Some(labels)) => {
                contrastive(left.clone(), right.clone(), labels.clone(), margin)
            }
            (Self::OnlineContrastive { margin }, [left, right], Some(labels)) => {
                online_contrastive(left.clone(), right.clone(), labels.clone(), margin)
            }
            (Self::TripletEuclidean { margin }, [anchors, positives, negatives], _) => {
                triplet_euclidean(
                    anchors.clone(),
                    positives.clone(),
                    negatives.clone(),
                    margin,
                )
            }
            (Self::TripletCosine { margin }, [anchors, positives, negatives], _) => triplet_cosine(
                anchors.clone(),
                positives.clone(),
                negatives.clone(),
                margin,
            ),
            (Self::MultipleNegativesRanking { scale }, [anchors, candidates @ ..], _)
                if !candidates.is_empty() =>
            {
                multiple_negatives_ranking(anchors.clone(), candidates, scale)
            }
            (Self::MultipleNegativesSymmetric { scale }, [anchors, candidates @ ..], _)
                if !candidates.is_empty() =>
            {
                multiple_negatives_symmetric(anchors.clone(), candidates, scale)
            }
            (Self::Gist { scale, margin }, [_, _, ..], Some(targets)) => {
                gist(columns, &vectors(columns, targets), scale, margin)
            }
            (Self::MarginMeanSquaredError { scale }, [_, _, _, ..], Some(targets)) => {
                margin_mse(columns, per_row(columns, targets), scale)
            }
            (Self::KlDivergence { scale }, [_, _, _, ..], Some(targets)) => {
                kl_divergence(columns, per_row(columns, targets), scale)
            }
            (Self::EmbedDistill, [_, ..], Some(targets)) => {
                embed_distill(columns, &vectors(columns, targets))
            }
            (Self::OfPairs(loss), [_, ..], targets) => {
                let targets = targets.map(|targets| per_row(columns, targets));
                loss.forward(Tensor::cat(columns.to_vec(), 1), targets)
            }
            (Self::OfTags, [logits], Some(possible)) => {
                cross_entropy(logits.clone(), possible.clone())
            }
            _ => self.does_not_fit(columns.len(), targets.is_some()),
        }
    }

    /// The readers check data against [`needs`](Self::needs), so this is a bug.
    #[allow(clippy::panic, reason = "documented in `forward`")]
    fn does_not_fit(&self, columns: usize, targets: bool) -> ! {
        let with = if targets { "with" } else { "without" };
        panic!("the loss `{self}` was given {columns} columns {with} targets");
    }
}
