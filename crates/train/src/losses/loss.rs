//! Losses with their names and parameters.

use std::fmt;
use std::str::FromStr;

use burn::tensor::Tensor;
use model::backend::EncoderOps;
use serde::{Deserialize, Serialize};

use super::contrastive::contrastive;
use super::cosent::cosent;
use super::cosine_distance::cosine_distance;
use super::cosine_similarity::cosine_similarity;
use super::error::LossError;
use super::mean_squared_error::mean_squared_error;
use super::multiple_negatives_ranking::multiple_negatives_ranking;
use super::multiple_negatives_symmetric::multiple_negatives_symmetric;
use super::online_contrastive::online_contrastive;
use super::triplet::{triplet_cosine, triplet_euclidean};

/// Default scale of the cosines: sentence-transformers' default for all losses with a scale.
pub(super) const SCALE: f64 = 20.0;

/// Default margin of the contrastive losses: sentence-transformers'.
const CONTRASTIVE_MARGIN: f64 = 0.5;

/// Default margin of `triplet-euclidean`: sentence-transformers'.
const TRIPLET_EUCLIDEAN_MARGIN: f64 = 5.0;

/// Default margin of `triplet-cosine`. sentence-transformers' default is 5, which no triplet can reach:
/// cosine distances differ by at most 2.
const TRIPLET_COSINE_MARGIN: f64 = 0.5;

/// A loss with its parameters.
///
/// In a file it is a table with `name` and optional parameters: `{ name = "cosent", scale = 10 }`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "LossFields", into = "LossFields")]
#[non_exhaustive]
pub enum Loss {
    /// `mse`: see [`mean_squared_error`](super::mean_squared_error).
    MeanSquaredError,
    /// `cosine`: see [`cosine_distance`](super::cosine_distance).
    Cosine,
    /// `cosine-similarity`: see [`cosine_similarity`](super::cosine_similarity).
    CosineSimilarity,
    /// `cosent`: see [`cosent`](super::cosent).
    CoSent {
        /// Factor of the cosines, above 0; 20 by default.
        scale: f64,
    },
    /// `contrastive`: see [`contrastive`](super::contrastive).
    Contrastive {
        /// Cosine distance from which a pair of label 0 has no loss, in `[0, 2]`; 0.5 by default.
        margin: f64,
    },
    /// `online-contrastive`: see [`online_contrastive`](super::online_contrastive).
    OnlineContrastive {
        /// Cosine distance from which a pair of label 0 has no loss, in `[0, 2]`; 0.5 by default.
        margin: f64,
    },
    /// `triplet-euclidean`: see [`triplet`](super::triplet).
    TripletEuclidean {
        /// Distance by which the negative must be farther than the positive, 0 or above; 5 by default.
        margin: f64,
    },
    /// `triplet-cosine`: see [`triplet`](super::triplet).
    TripletCosine {
        /// Distance by which the negative must be farther than the positive, in `[0, 2]`; 0.5 by
        /// default.
        margin: f64,
    },
    /// `multiple-negatives-ranking` or `mnrl`: see
    /// [`multiple_negatives_ranking`](super::multiple_negatives_ranking).
    MultipleNegativesRanking {
        /// Factor of the cosines, the inverse of the temperature, above 0; 20 by default.
        scale: f64,
    },
    /// `multiple-negatives-symmetric`: see
    /// [`multiple_negatives_symmetric`](super::multiple_negatives_symmetric).
    MultipleNegativesSymmetric {
        /// Factor of the cosines, the inverse of the temperature, above 0; 20 by default.
        scale: f64,
    },
}

impl Loss {
    /// Every loss with its default parameters.
    pub const ALL: [Self; 10] = [
        Self::MeanSquaredError,
        Self::Cosine,
        Self::CosineSimilarity,
        Self::CoSent { scale: SCALE },
        Self::Contrastive {
            margin: CONTRASTIVE_MARGIN,
        },
        Self::OnlineContrastive {
            margin: CONTRASTIVE_MARGIN,
        },
        Self::TripletEuclidean {
            margin: TRIPLET_EUCLIDEAN_MARGIN,
        },
        Self::TripletCosine {
            margin: TRIPLET_COSINE_MARGIN,
        },
        Self::MultipleNegativesRanking { scale: SCALE },
        Self::MultipleNegativesSymmetric { scale: SCALE },
    ];

    /// Name of the loss on the command line and in files.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::MeanSquaredError => "mse",
            Self::Cosine => "cosine",
            Self::CosineSimilarity => "cosine-similarity",
            Self::CoSent { .. } => "cosent",
            Self::Contrastive { .. } => "contrastive",
            Self::OnlineContrastive { .. } => "online-contrastive",
            Self::TripletEuclidean { .. } => "triplet-euclidean",
            Self::TripletCosine { .. } => "triplet-cosine",
            Self::MultipleNegativesRanking { .. } => "multiple-negatives-ranking",
            Self::MultipleNegativesSymmetric { .. } => "multiple-negatives-symmetric",
        }
    }

    /// Scale of the cosines, if the loss has one.
    #[must_use]
    pub fn scale(&self) -> Option<f64> {
        let mut loss = *self;
        loss.scale_mut().copied()
    }

    /// Margin, if the loss has one.
    #[must_use]
    pub fn margin(&self) -> Option<f64> {
        let mut loss = *self;
        loss.margin_mut().copied()
    }

    /// The same loss with another scale.
    ///
    /// # Errors
    ///
    /// [`LossError::NoSuchParameter`] if the loss has none.
    pub fn with_scale(mut self, scale: f64) -> Result<Self, LossError> {
        let loss = self.name();
        *self.scale_mut().ok_or(LossError::NoSuchParameter {
            loss,
            parameter: "scale",
        })? = scale;
        Ok(self)
    }

    /// The same loss with another margin.
    ///
    /// # Errors
    ///
    /// [`LossError::NoSuchParameter`] if the loss has none.
    pub fn with_margin(mut self, margin: f64) -> Result<Self, LossError> {
        let loss = self.name();
        *self.margin_mut().ok_or(LossError::NoSuchParameter {
            loss,
            parameter: "margin",
        })? = margin;
        Ok(self)
    }

    fn scale_mut(&mut self) -> Option<&mut f64> {
        match self {
            Self::CoSent { scale }
            | Self::MultipleNegativesRanking { scale }
            | Self::MultipleNegativesSymmetric { scale } => Some(scale),
            _ => None,
        }
    }

    fn margin_mut(&mut self) -> Option<&mut f64> {
        match self {
            Self::Contrastive { margin }
            | Self::OnlineContrastive { margin }
            | Self::TripletEuclidean { margin }
            | Self::TripletCosine { margin } => Some(margin),
            _ => None,
        }
    }

    /// Checks the parameters.
    ///
    /// # Errors
    ///
    /// The scale is not above 0, the margin is below 0, or either is not finite in `f32`.
    pub fn validate(&self) -> Result<(), LossError> {
        let loss = self.name();
        match (self.scale(), self.margin()) {
            (Some(scale), _) if !((scale as f32).is_finite() && scale as f32 > 0.0) => {
                Err(LossError::Scale { loss, scale })
            }
            (_, Some(margin)) if !((margin as f32).is_finite() && margin >= 0.0) => {
                Err(LossError::Margin { loss, margin })
            }
            _ => Ok(()),
        }
    }

    /// The loss of a batch, `[1]`: the mean over its examples, except for `cosent`, which has one
    /// value per batch, and `online-contrastive`, which is a sum. A batch without rows gives NaN.
    ///
    /// `columns` are the embeddings `[batch, width]`, `targets` the scores or labels `[batch]`; a loss
    /// without target ignores them.
    ///
    /// # Panics
    ///
    /// If the columns or targets are not those that the loss [needs](Self::needs), or if the shapes
    /// differ.
    pub fn forward<B: EncoderOps>(
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

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Reads a [name](Loss::name), or `mnrl`, as the loss with its default parameters.
impl FromStr for Loss {
    type Err = LossError;

    fn from_str(word: &str) -> Result<Self, LossError> {
        let name = if word == "mnrl" {
            "multiple-negatives-ranking"
        } else {
            word
        };
        Self::ALL
            .into_iter()
            .find(|loss| loss.name() == name)
            .ok_or_else(|| LossError::Unknown(word.to_owned()))
    }
}

/// Serialized form of a loss. One struct for all losses, because serde's tagged enums accept any field
/// for a variant without fields.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LossFields {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scale: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    margin: Option<f64>,
}

impl TryFrom<LossFields> for Loss {
    type Error = LossError;

    fn try_from(fields: LossFields) -> Result<Self, LossError> {
        let mut loss: Self = fields.name.parse()?;
        if let Some(scale) = fields.scale {
            loss = loss.with_scale(scale)?;
        }
        if let Some(margin) = fields.margin {
            loss = loss.with_margin(margin)?;
        }
        Ok(loss)
    }
}

impl From<Loss> for LossFields {
    fn from(loss: Loss) -> Self {
        Self {
            name: loss.name().to_owned(),
            scale: loss.scale(),
            margin: loss.margin(),
        }
    }
}
