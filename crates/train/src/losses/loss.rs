//! Losses with their names, their data and their parameters.

use std::fmt;
use std::str::FromStr;

use super::error::LossError;
use super::needs::{Needs, TargetKind};
use super::pair::{PairLoss, full_name};

/// Default scale of the cosines: sentence-transformers' for its losses with a scale.
const SCALE: f64 = 20.0;

/// Default scale of `gist`: sentence-transformers', whose temperature is 0.01.
const GIST_SCALE: f64 = 100.0;

/// Default margin of the contrastive losses: sentence-transformers'.
const CONTRASTIVE_MARGIN: f64 = 0.5;

/// Default margin of `triplet-euclidean`: sentence-transformers'.
const TRIPLET_EUCLIDEAN_MARGIN: f64 = 5.0;

/// Default margin of `triplet-cosine`. sentence-transformers' default is 5, which no triplet can reach:
/// cosine distances differ by at most 2.
const TRIPLET_COSINE_MARGIN: f64 = 0.5;

/// Advice for losses without negatives.
const COMPARISON: &str = "comparisons only: without negatives all vectors may collapse into one";

/// A loss with its parameters.
///
/// The [list of losses](super) has the formulas.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Loss {
    /// `mse`.
    MeanSquaredError,
    /// `cosine`.
    Cosine,
    /// `cosine-similarity`.
    CosineSimilarity,
    /// `cosent`.
    CoSent {
        /// Factor of the cosines, above 0; 20 by default.
        scale: f64,
    },
    /// `contrastive`.
    Contrastive {
        /// Cosine distance from which a pair of label 0 has no loss, in `[0, 2]`; 0.5 by default.
        margin: f64,
    },
    /// `online-contrastive`.
    OnlineContrastive {
        /// Cosine distance from which a pair of label 0 has no loss, in `[0, 2]`; 0.5 by default.
        margin: f64,
    },
    /// `triplet-euclidean`.
    TripletEuclidean {
        /// Distance by which the negative must be farther than the positive, 0 or above; 5 by default.
        margin: f64,
    },
    /// `triplet-cosine`.
    TripletCosine {
        /// Distance by which the negative must be farther than the positive, in `[0, 2]`; 0.5 by
        /// default.
        margin: f64,
    },
    /// `multiple-negatives-ranking` or `mnrl`.
    MultipleNegativesRanking {
        /// Factor of the cosines, the inverse of the temperature, above 0; 20 by default.
        scale: f64,
    },
    /// `multiple-negatives-symmetric`.
    MultipleNegativesSymmetric {
        /// Factor of the cosines, the inverse of the temperature, above 0; 20 by default.
        scale: f64,
    },
    /// `gist`, with a guide model.
    Gist {
        /// Factor of the cosines, the inverse of the temperature, above 0; 100 by default.
        scale: f64,
        /// A text is hidden if the guide's cosine is above that of the row's own pair minus this, 0 or
        /// above; 0 by default.
        margin: f64,
    },
    /// `margin-mse`, with the scores of a teacher.
    MarginMeanSquaredError {
        /// Factor of the dot products, above 0; 1 by default.
        scale: f64,
    },
    /// `kl-divergence`, with the scores of a teacher.
    KlDivergence {
        /// Factor of the dot products and of the teacher's scores, the inverse of the temperature, above
        /// 0; 1 by default.
        scale: f64,
    },
    /// `embed-distill`, with the vectors of a teacher.
    EmbedDistill,
    /// A loss over the scores of a reranker.
    OfPairs(PairLoss),
    /// `cross-entropy` of the tags of a tagger's tokens.
    OfTags,
}

impl Loss {
    /// Every loss with its default parameters.
    pub const ALL: [Self; 14] = [
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
        Self::MarginMeanSquaredError { scale: 1.0 },
        Self::KlDivergence { scale: 1.0 },
        Self::Gist {
            scale: GIST_SCALE,
            margin: 0.0,
        },
        Self::EmbedDistill,
    ];

    /// Name, data and use.
    fn facts(&self) -> (&'static str, Needs, &'static str) {
        let pairs = |target| Needs::columns(2, Some(2), target);
        let triplets = Needs::columns(3, Some(3), TargetKind::None);
        let any = |least, target| Needs::columns(least, None, target);
        match self {
            Self::MeanSquaredError => ("mse", pairs(TargetKind::None), COMPARISON),
            Self::Cosine => ("cosine", pairs(TargetKind::None), COMPARISON),
            Self::CosineSimilarity => (
                "cosine-similarity",
                pairs(TargetKind::Score),
                "scores that are cosines, from -1 to 1",
            ),
            Self::CoSent { .. } => (
                "cosent",
                pairs(TargetKind::Score),
                "scores of any range; only their order counts",
            ),
            Self::Contrastive { .. } => (
                "contrastive",
                pairs(TargetKind::Label),
                "pairs labelled similar or not",
            ),
            Self::OnlineContrastive { .. } => (
                "online-contrastive",
                pairs(TargetKind::Label),
                "pairs labelled similar or not, with both labels in every batch",
            ),
            Self::TripletEuclidean { .. } => (
                "triplet-euclidean",
                triplets,
                "triplets; normalized vectors need a margin below 2",
            ),
            Self::TripletCosine { .. } => (
                "triplet-cosine",
                triplets,
                "triplets with carefully chosen negatives",
            ),
            Self::MultipleNegativesRanking { .. } => (
                "multiple-negatives-ranking",
                any(2, TargetKind::None).with_in_batch_negatives(),
                "matching pairs or triplets; larger batches are better",
            ),
            Self::MultipleNegativesSymmetric { .. } => (
                "multiple-negatives-symmetric",
                any(2, TargetKind::None).with_in_batch_negatives(),
                "the same, if either column can be the query",
            ),
            Self::Gist { .. } => (
                "gist",
                any(2, TargetKind::Vectors).with_in_batch_negatives(),
                "the same, if texts of other rows may be right answers, too: a guide finds them",
            ),
            Self::MarginMeanSquaredError { .. } => (
                "margin-mse",
                any(3, TargetKind::Margins),
                "learning from the scores of a reranker, by their differences",
            ),
            Self::KlDivergence { .. } => (
                "kl-divergence",
                any(3, TargetKind::Scores),
                "learning from the scores of a reranker, by their distribution",
            ),
            Self::EmbedDistill => (
                "embed-distill",
                any(1, TargetKind::Vectors),
                "a smaller or faster model with the vectors of a teacher",
            ),
            Self::OfPairs(loss) => loss.facts(),
            Self::OfTags => (
                "cross-entropy",
                Needs::columns(1, Some(1), TargetKind::Spans),
                "spans of texts; labels that a row does not state are left open",
            ),
        }
    }

    /// Name of the loss on the command line and in files.
    #[must_use]
    pub(crate) fn name(&self) -> &'static str {
        self.facts().0
    }

    /// Data that the loss needs.
    #[must_use]
    pub(crate) fn needs(&self) -> Needs {
        self.facts().1
    }

    /// When to use the loss, in one line.
    #[must_use]
    pub(crate) fn when_to_use(&self) -> &'static str {
        self.facts().2
    }

    /// Whether one vector for all texts minimises the loss, because it has no negatives.
    #[must_use]
    pub(crate) fn can_collapse(&self) -> bool {
        matches!(self, Self::MeanSquaredError | Self::Cosine)
    }

    /// A loss for the same data that cannot [collapse](Self::can_collapse); `None` if this one cannot.
    #[must_use]
    pub(crate) fn better_choice(&self) -> Option<Self> {
        self.can_collapse()
            .then_some(Self::MultipleNegativesRanking { scale: SCALE })
    }

    /// Scale of the cosines, if the loss has one.
    #[must_use]
    pub(crate) fn scale(&self) -> Option<f64> {
        let mut loss = *self;
        loss.scale_mut().copied()
    }

    /// Margin, if the loss has one.
    #[must_use]
    pub(crate) fn margin(&self) -> Option<f64> {
        let mut loss = *self;
        loss.margin_mut().copied()
    }

    /// The same loss with another scale.
    ///
    /// # Errors
    ///
    /// [`LossError::NoSuchParameter`] if the loss has none.
    pub(crate) fn with_scale(mut self, scale: f64) -> Result<Self, LossError> {
        let loss = self.name();
        set(loss, "scale", self.scale_mut(), scale)?;
        Ok(self)
    }

    /// The same loss with another margin.
    ///
    /// # Errors
    ///
    /// [`LossError::NoSuchParameter`] if the loss has none.
    pub(crate) fn with_margin(mut self, margin: f64) -> Result<Self, LossError> {
        let loss = self.name();
        set(loss, "margin", self.margin_mut(), margin)?;
        Ok(self)
    }

    fn scale_mut(&mut self) -> Option<&mut f64> {
        match self {
            Self::CoSent { scale }
            | Self::MultipleNegativesRanking { scale }
            | Self::MultipleNegativesSymmetric { scale }
            | Self::Gist { scale, .. }
            | Self::MarginMeanSquaredError { scale }
            | Self::KlDivergence { scale }
            | Self::OfPairs(PairLoss::MultipleNegativesRanking { scale, .. }) => Some(scale),
            _ => None,
        }
    }

    fn margin_mut(&mut self) -> Option<&mut f64> {
        match self {
            Self::Contrastive { margin }
            | Self::OnlineContrastive { margin }
            | Self::TripletEuclidean { margin }
            | Self::TripletCosine { margin }
            | Self::Gist { margin, .. } => Some(margin),
            _ => None,
        }
    }

    /// Checks the parameters.
    ///
    /// # Errors
    ///
    /// The scale is not above 0, the margin is below 0, or either is not finite in `f32`.
    pub(crate) fn validate(&self) -> Result<(), LossError> {
        let loss = self.name();
        let wrong = |parameter, value, range| LossError::Parameter {
            loss,
            parameter,
            value,
            range,
        };
        match (self.scale(), self.margin()) {
            (Some(scale), _) if !((scale as f32).is_finite() && scale as f32 > 0.0) => {
                Err(wrong("scale", scale, "above 0"))
            }
            (_, Some(margin)) if !((margin as f32).is_finite() && margin >= 0.0) => {
                Err(wrong("margin", margin, "0 or above"))
            }
            _ => Ok(()),
        }
    }
}

fn set(
    loss: &'static str,
    parameter: &'static str,
    place: Option<&mut f64>,
    value: f64,
) -> Result<(), LossError> {
    *place.ok_or(LossError::NoSuchParameter { loss, parameter })? = value;
    Ok(())
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Reads a name, or `mnrl`, as the loss with its default parameters.
impl FromStr for Loss {
    type Err = LossError;

    fn from_str(word: &str) -> Result<Self, LossError> {
        let mut losses = Self::ALL.into_iter();
        let named = losses.find(|loss| loss.name() == full_name(word));
        named.ok_or_else(|| LossError::Unknown(word.to_owned()))
    }
}
