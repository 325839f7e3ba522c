//! Which loss to take: a line each, for the table that the program prints and for the README.

use super::Loss;

impl Loss {
    /// When to take it, in a line.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self {
            Self::MeanSquaredError | Self::Cosine => {
                "for comparison: without negatives all vectors may become one"
            }
            Self::CosineSimilarity => "scores that mean a cosine, from -1 to 1",
            Self::CoSent { .. } => "scores of any range: only their order counts",
            Self::Contrastive { .. } => "pairs marked alike or not",
            Self::OnlineContrastive { .. } => {
                "pairs marked alike or not, both kinds in every batch"
            }
            Self::TripletEuclidean { .. } => "triplets; vectors of length 1 need a margin below 2",
            Self::TripletCosine { .. } => "triplets whose negatives were chosen with care",
            Self::MultipleNegativesRanking { .. } => {
                "pairs that belong together, or triplets; the larger the batch the better"
            }
            Self::MultipleNegativesSymmetric { .. } => {
                "the same, where either column will be the query"
            }
        }
    }

    /// Whether one vector for all texts makes it small: it has nothing that keeps texts apart.
    ///
    /// See [`collapse`](super::collapse).
    #[must_use]
    pub fn can_collapse(&self) -> bool {
        matches!(self, Self::MeanSquaredError | Self::Cosine)
    }

    /// What to take instead of a loss that can [collapse](Self::can_collapse), with the same data.
    #[must_use]
    pub fn better_choice(&self) -> Option<Self> {
        self.can_collapse()
            .then_some(Self::MultipleNegativesRanking {
                scale: super::loss::SCALE,
            })
    }
}
