//! The objective of a run: a loss, at the full width or at several dimensions (Matryoshka).

use std::collections::HashSet;

use burn::tensor::Tensor;
use model::backend::EncoderOps;

use super::cosine::normalize;
use super::{Loss, LossError};

/// A loss, at the full width of the vectors or at several dimensions.
#[derive(Clone, Debug, PartialEq)]
pub struct Objective {
    /// The loss.
    pub loss: Loss,
    /// The dimensions of the loss; `None` for the full width.
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
    pub(crate) fn with_matryoshka(self, matryoshka: Matryoshka) -> Self {
        Self {
            matryoshka: Some(matryoshka),
            ..self
        }
    }

    /// Whether the loss is a mean over rows, of which each needs its own anchor and the candidates of all.
    pub(crate) fn is_sum_over_rows(&self) -> bool {
        matches!(self.loss, Loss::MultipleNegativesRanking { .. })
    }

    /// Checks the parameters for a model with vectors of `width` values.
    ///
    /// # Errors
    ///
    /// As [`Loss::validate`] and [`Matryoshka::validate`].
    pub(crate) fn validate(&self, width: usize) -> Result<(), LossError> {
        self.loss.validate()?;
        match &self.matryoshka {
            Some(_) if self.loss == Loss::EmbedDistill => {
                Err(LossError::NoMatryoshka(self.loss.name()))
            }
            Some(matryoshka) => matryoshka.validate(width),
            None => Ok(()),
        }
    }

    /// The loss of a batch, `[1]`.
    ///
    /// `columns` are the embeddings `[batch, width]`: anchors, positives, negatives. `targets` are
    /// the numbers of the rows, if the loss needs them, as in [`Loss::forward`].
    ///
    /// # Panics
    ///
    /// As [`Loss::forward`], and if a dimension is above the width. Input that passes
    /// [`validate`](Self::validate) and [`Loss::needs`], in a batch of at least one example, does not
    /// panic.
    pub(crate) fn forward<B: EncoderOps>(
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

/// Dimensions of a loss, so that the first values of a vector can be used without the rest.
///
/// `sum over d of weight_d * loss(columns cut to their first d values and scaled to length 1)`.
///
/// Kusupati et al., *Matryoshka Representation Learning*, 2022
/// (<https://arxiv.org/abs/2205.13147>); sentence-transformers' `MatryoshkaLoss`: the sum is not
/// divided, and the full width counts only if it is one of the dimensions, normalised too.
#[derive(Clone, Debug, PartialEq)]
pub struct Matryoshka {
    /// Numbers of leading values, each in `1..=width` and distinct. Include the full width if it will
    /// be used.
    pub dimensions: Vec<usize>,
    /// Weight of each dimension, 0 or above.
    pub weights: Vec<f64>,
}

impl Matryoshka {
    /// These dimensions, each with weight 1.
    #[must_use]
    pub(crate) fn new(dimensions: Vec<usize>) -> Self {
        let weights = vec![1.0; dimensions.len()];
        Self {
            dimensions,
            weights,
        }
    }

    /// Checks dimensions and weights against the width of the model's vectors.
    ///
    /// # Errors
    ///
    /// A dimension outside `1..=width` or repeated; another number of weights; weights
    /// that are negative, not finite or all 0.
    pub(crate) fn validate(&self, width: usize) -> Result<(), LossError> {
        if self.weights.len() != self.dimensions.len() {
            return Err(LossError::WeightCount {
                weights: self.weights.len(),
                dimensions: self.dimensions.len(),
            });
        }
        let mut seen = HashSet::new();
        for (dimension, weight) in self.parts() {
            if !(1..=width).contains(&dimension) {
                return Err(LossError::Dimension { dimension, width });
            }
            if !seen.insert(dimension) {
                return Err(LossError::RepeatedDimension(dimension));
            }
            if !((weight as f32).is_finite() && weight >= 0.0) {
                return Err(LossError::Weight { dimension, weight });
            }
        }
        if self.weights.iter().all(|&weight| weight == 0.0) {
            return Err(LossError::NoWeight);
        }
        Ok(())
    }

    /// Dimensions and their weights.
    pub(super) fn parts(&self) -> impl Iterator<Item = (usize, f64)> {
        let weights = self.weights.iter().copied();
        self.dimensions.iter().copied().zip(weights)
    }
}
