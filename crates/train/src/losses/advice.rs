//! When to use each loss, in one line for `train losses` and the docs.

use super::Loss;

impl Loss {
    /// When to use the loss, in one line.
    #[must_use]
    pub fn when_to_use(&self) -> &'static str {
        match self {
            Self::MeanSquaredError | Self::Cosine => {
                "comparisons only: without negatives all vectors may collapse into one"
            }
            Self::CosineSimilarity => "scores that are cosines, from -1 to 1",
            Self::CoSent { .. } => "scores of any range; only their order counts",
            Self::Contrastive { .. } => "pairs labelled similar or not",
            Self::OnlineContrastive { .. } => {
                "pairs labelled similar or not, with both labels in every batch"
            }
            Self::TripletEuclidean { .. } => "triplets; normalized vectors need a margin below 2",
            Self::TripletCosine { .. } => "triplets with carefully chosen negatives",
            Self::MultipleNegativesRanking { .. } => {
                "matching pairs or triplets; larger batches are better"
            }
            Self::MultipleNegativesSymmetric { .. } => {
                "the same, if either column can be the query"
            }
        }
    }

    /// Whether one vector for all texts minimises the loss, because it has no negatives.
    ///
    /// See [`collapse`](super::collapse).
    #[must_use]
    pub fn can_collapse(&self) -> bool {
        matches!(self, Self::MeanSquaredError | Self::Cosine)
    }

    /// A loss for the same data that cannot [collapse](Self::can_collapse); `None` if this one cannot.
    #[must_use]
    pub fn better_choice(&self) -> Option<Self> {
        self.can_collapse()
            .then_some(Self::MultipleNegativesRanking {
                scale: super::loss::SCALE,
            })
    }
}
