//! Matryoshka: the loss at several dimensions.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::error::LossError;

/// Dimensions of a loss, so that the first values of a vector can be used without the rest.
///
/// `sum over d of weight_d * loss(columns cut to their first d values and scaled to length 1)`.
///
/// Kusupati et al., *Matryoshka Representation Learning*, 2022
/// (<https://arxiv.org/abs/2205.13147>); sentence-transformers' `MatryoshkaLoss`: the sum is not
/// divided, and the full width counts only if it is one of the dimensions, normalised too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "MatryoshkaFields")]
pub struct Matryoshka {
    /// Numbers of leading values, each in `1..=width` and distinct. Include the full width if it will
    /// be used.
    pub dimensions: Vec<usize>,
    /// Weight of each dimension, 0 or above; 1 each if a file has none.
    pub weights: Vec<f64>,
}

impl Matryoshka {
    /// These dimensions, each with weight 1.
    #[must_use]
    pub fn new(dimensions: Vec<usize>) -> Self {
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
    /// No dimension; a dimension outside `1..=width` or repeated; another number of weights; weights
    /// that are negative, not finite or all 0.
    pub fn validate(&self, width: usize) -> Result<(), LossError> {
        if self.dimensions.is_empty() {
            return Err(LossError::NoDimensions);
        }
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

/// Serialized form.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MatryoshkaFields {
    dimensions: Vec<usize>,
    weights: Option<Vec<f64>>,
}

impl From<MatryoshkaFields> for Matryoshka {
    fn from(fields: MatryoshkaFields) -> Self {
        let every = Self::new(fields.dimensions);
        match fields.weights {
            Some(weights) => Self { weights, ..every },
            None => every,
        }
    }
}
