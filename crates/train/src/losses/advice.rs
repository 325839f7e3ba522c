//! Which loss to take: a line each, for the table that the program prints and for the README.

use super::Loss;

impl Loss {
    /// What it does, in a line.
    #[must_use]
    pub fn description(&self) -> &'static str {
        match self {
            Self::MeanSquaredError => "mean squared difference of the two vectors",
            Self::Cosine => "mean of 1 - cosine of the two vectors",
            Self::CosineSimilarity => "squared difference of cosine and score",
            Self::CoSent { .. } => "puts the cosines of a batch in the order of the scores",
            Self::Contrastive { .. } => {
                "pulls pairs of label 1 together, pushes pairs of label 0 beyond the margin"
            }
            Self::OnlineContrastive { .. } => "contrastive, on the hard pairs of a batch alone",
            Self::TripletEuclidean { .. } => {
                "the positive nearer than the negative by the margin, by distance"
            }
            Self::TripletCosine { .. } => {
                "the positive nearer than the negative by the margin, by cosine"
            }
            Self::MultipleNegativesRanking { .. } => {
                "finds an anchor's positive among all texts of the batch"
            }
            Self::MultipleNegativesSymmetric { .. } => {
                "the same from anchor to positive and back, halved"
            }
        }
    }

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
