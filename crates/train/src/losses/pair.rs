//! Losses over the scores of a reranker: `binary-cross-entropy`, `margin-mse` and `multiple-negatives-ranking`.
//!
//! A score is the output of the head without its last activation. Values and gradients are those of the losses of
//! sentence-transformers' `CrossEncoder` 5.7.0.

use burn::tensor::Tensor;
use burn::tensor::activation::{log_sigmoid, log_softmax, sigmoid};
use burn::tensor::backend::Backend;

use super::distillation::squared_margins;
use super::needs::{Needs, TargetKind};

/// The label of a score that does not count: the row has fewer texts than others.
pub(crate) const GAP: f32 = -1.0;

/// A loss over the scores of a reranker.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum PairLoss {
    /// `binary-cross-entropy`.
    BinaryCrossEntropy {
        /// Number of texts of other rows that are negatives of a row; 0 by default.
        negatives: usize,
    },
    /// `margin-mse`, with the scores of a teacher.
    MarginMeanSquaredError,
    /// `multiple-negatives-ranking` or `mnrl`.
    MultipleNegativesRanking {
        /// Factor of the scores between 0 and 1, above 0; 10 by default.
        scale: f64,
        /// Number of texts of other rows that are negatives of a row; 4 by default.
        negatives: usize,
    },
}

impl PairLoss {
    /// Every loss with its default parameters: those of sentence-transformers.
    pub const ALL: [Self; 3] = [
        Self::MultipleNegativesRanking {
            scale: 10.0,
            negatives: 4,
        },
        Self::BinaryCrossEntropy { negatives: 0 },
        Self::MarginMeanSquaredError,
    ];

    /// Name, data and use.
    pub(super) fn facts(&self) -> (&'static str, Needs, &'static str) {
        match *self {
            Self::BinaryCrossEntropy { negatives } => {
                let needs = Needs::columns(2, None, TargetKind::Probability);
                let needs = if negatives > 0 {
                    // A score says whether the texts of its own row match.
                    Needs::columns(2, None, TargetKind::None).with_in_batch_negatives()
                } else {
                    needs
                };
                (
                    "binary-cross-entropy",
                    needs,
                    "labels, scores from 0 to 1, or chosen negatives",
                )
            }
            Self::MarginMeanSquaredError => (
                "margin-mse",
                Needs::columns(3, None, TargetKind::Margins),
                "learning from the scores of a larger reranker",
            ),
            Self::MultipleNegativesRanking { negatives: 0, .. } => (
                "multiple-negatives-ranking",
                Needs::columns(3, None, TargetKind::None),
                "chosen negatives alone",
            ),
            Self::MultipleNegativesRanking { .. } => (
                "multiple-negatives-ranking",
                Needs::columns(2, None, TargetKind::None).with_in_batch_negatives(),
                "matching pairs, with or without chosen negatives",
            ),
        }
    }

    /// Number of texts of other rows that are negatives of a row.
    #[must_use]
    pub(crate) fn negatives(&self) -> usize {
        match *self {
            Self::BinaryCrossEntropy { negatives }
            | Self::MultipleNegativesRanking { negatives, .. } => negatives,
            Self::MarginMeanSquaredError => 0,
        }
    }

    /// The same loss with another number of texts of other rows; `None` for a loss that takes none.
    #[must_use]
    pub(crate) fn with_negatives(self, negatives: usize) -> Option<Self> {
        match self {
            Self::BinaryCrossEntropy { .. } => Some(Self::BinaryCrossEntropy { negatives }),
            Self::MultipleNegativesRanking { scale, .. } => {
                Some(Self::MultipleNegativesRanking { scale, negatives })
            }
            Self::MarginMeanSquaredError => None,
        }
    }

    /// The loss with this name and its default parameters.
    #[must_use]
    pub(crate) fn of_name(word: &str) -> Option<Self> {
        let mut losses = Self::ALL.into_iter();
        losses.find(|loss| loss.facts().0 == full_name(word))
    }

    /// The loss of a batch, `[1]`. `scores` are `[rows, candidates]`, the positives first. `targets` are `[rows, …]`: a label
    /// of every score, or the numbers of a teacher. Without targets, positives have label 1 and the others 0. A score with the
    /// label [`GAP`] does not count.
    ///
    /// - `binary-cross-entropy`: the mean over all scores `s` with label `y` of `(1 - y) * s - log(sigmoid(s))`, which is
    ///   `-y * log(sigmoid(s)) - (1 - y) * log(1 - sigmoid(s))`
    /// - `margin-mse`: the mean over rows and negatives of `((positive - negative) - margin)^2` (Hofstätter et al., 2020,
    ///   <https://arxiv.org/abs/2010.02666>)
    /// - `multiple-negatives-ranking`: the mean over rows of the cross-entropy of the positive in
    ///   `softmax(scale * sigmoid(scores))`
    ///
    /// # Panics
    ///
    /// If the shapes do not fit, or `margin-mse` has no targets.
    pub(super) fn forward<B: Backend>(
        &self,
        scores: Tensor<B, 2>,
        targets: Option<Tensor<B, 2>>,
    ) -> Tensor<B, 1> {
        match (*self, targets) {
            (Self::BinaryCrossEntropy { .. }, targets) => {
                let labels = targets.unwrap_or_else(|| first_of_each_row(&scores));
                let gaps = labels.clone().equal_elem(GAP);
                let counted = gaps.clone().bool_not().float();
                let losses = (-labels + 1.0) * scores.clone() - log_sigmoid(scores);
                losses.mask_fill(gaps, 0.0).mean() / counted.mean()
            }
            (Self::MultipleNegativesRanking { scale, .. }, labels) => {
                let logits = sigmoid(scores) * scale;
                let logits = match labels {
                    Some(labels) => logits.mask_fill(labels.equal_elem(GAP), f32::NEG_INFINITY),
                    None => logits,
                };
                -log_softmax(logits, 1).narrow(1, 0, 1).mean()
            }
            (Self::MarginMeanSquaredError, Some(targets)) => squared_margins(scores, targets),
            (Self::MarginMeanSquaredError, None) => self.has_no_targets(),
        }
    }

    /// The readers check data against the needs, so this is a bug.
    #[allow(clippy::panic, reason = "documented in `forward`")]
    fn has_no_targets(&self) -> ! {
        panic!("the loss `{}` was given no targets", self.facts().0);
    }
}

/// 1 for the first score of every row, 0 for the others.
fn first_of_each_row<B: Backend>(scores: &Tensor<B, 2>) -> Tensor<B, 2> {
    let [rows, candidates] = scores.dims();
    let device = scores.device();
    let first = Tensor::ones([rows, 1], &device);
    if candidates == 1 {
        return first;
    }
    Tensor::cat(
        vec![first, Tensor::zeros([rows, candidates - 1], &device)],
        1,
    )
}

/// The name that a word is short for.
pub(super) fn full_name(word: &str) -> &str {
    match word {
        "mnrl" => "multiple-negatives-ranking",
        "bce" => "binary-cross-entropy",
        name => name,
    }
}
