//! The objective of a run.

use burn::tensor::Tensor;
use model::backend::EncoderOps;
use serde::{Deserialize, Serialize};

use super::cosine::normalize;
use super::{Loss, LossError, Matryoshka};

/// A loss, at the full width of the vectors or at several dimensions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Objective {
    /// The loss.
    pub loss: Loss,
    /// The dimensions of the loss; `None` for the full width.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matryoshka: Option<Matryoshka>,
}

impl Objective {
    /// The loss at full width.
    #[must_use]
    pub fn new(loss: Loss) -> Self {
        Self {
            loss,
            matryoshka: None,
        }
    }

    /// The loss at several dimensions.
    #[must_use]
    pub fn with_matryoshka(self, matryoshka: Matryoshka) -> Self {
        Self {
            matryoshka: Some(matryoshka),
            ..self
        }
    }

    /// Checks the parameters for a model with vectors of `width` values.
    ///
    /// # Errors
    ///
    /// As [`Loss::validate`] and [`Matryoshka::validate`].
    pub fn validate(&self, width: usize) -> Result<(), LossError> {
        self.loss.validate()?;
        match &self.matryoshka {
            Some(matryoshka) => matryoshka.validate(width),
            None => Ok(()),
        }
    }

    /// The loss of a batch, `[1]`.
    ///
    /// `columns` are the embeddings `[batch, width]`: anchors, positives, negatives. `targets` are
    /// the scores or labels `[batch]`, if the loss needs them.
    ///
    /// # Panics
    ///
    /// As [`Loss::forward`], and if a dimension is above the width. Input that passes
    /// [`validate`](Self::validate) and [`Loss::needs`], in a batch of at least one example, does not
    /// panic.
    pub fn forward<B: EncoderOps>(
        &self,
        columns: &[Tensor<B, 2>],
        targets: Option<&Tensor<B, 1>>,
    ) -> Tensor<B, 1> {
        match &self.matryoshka {
            Some(matryoshka) => self.forward_cut(matryoshka, columns, targets),
            None => self.loss.forward(columns, targets),
        }
    }

    fn forward_cut<B: EncoderOps>(
        &self,
        matryoshka: &Matryoshka,
        columns: &[Tensor<B, 2>],
        targets: Option<&Tensor<B, 1>>,
    ) -> Tensor<B, 1> {
        let parts = matryoshka.parts().filter(|&(_, weight)| weight != 0.0);
        let losses = parts.map(|(dimension, weight)| {
            let cut: Vec<_> = columns
                .iter()
                .map(|column| normalize(column.clone().narrow(1, 0, dimension)))
                .collect();
            self.loss.forward(&cut, targets) * weight
        });
        losses
            .reduce(|sum, loss| sum + loss)
            // Only for objectives that `validate` refuses.
            .unwrap_or_else(|| self.loss.forward(columns, targets) * 0.0)
    }
}

impl From<Loss> for Objective {
    fn from(loss: Loss) -> Self {
        Self::new(loss)
    }
}
