//! Vectors that may be cut: the loss at several dimensions.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::error::LossError;

/// The dimensions at which a loss is taken, so that the first values of a vector serve alone.
///
/// `sum over d of weight_d * loss(columns cut to their first d values and scaled to length 1)`.
///
/// Kusupati et al., *Matryoshka Representation Learning*, 2022
/// (<https://arxiv.org/abs/2205.13147>); sentence-transformers' `MatryoshkaLoss`: the sum is not
/// divided, and the full width counts only where it is one of the dimensions, normalised as well.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "MatryoshkaFields")]
pub struct Matryoshka {
    /// Numbers of leading values, each in `1..=width`, none twice. It should have the full width,
    /// unless that is not to be used any more.
    pub dimensions: Vec<usize>,
    /// The weight of every dimension, 0 or above; 1 for each where a file has none.
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
    /// When there is no dimension, one is outside `1..=width` or there twice, or when the weights
    /// are not as many, below 0, not finite, or all 0.
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

/// As a file has it.
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
