//! Data that a loss needs.

use std::fmt;

use super::Loss;

/// Data that a loss needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    /// Minimum number of text columns.
    pub min_columns: usize,
    /// Maximum number of text columns; `None` for any number of negatives.
    pub max_columns: Option<usize>,
    /// Value of a row besides its texts.
    pub target: TargetKind,
    /// Whether the texts of other rows of the batch are negatives. Then a batch should not hold a text
    /// twice, and larger batches are better.
    pub in_batch_negatives: bool,
}

/// Value of a row besides its texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetKind {
    /// Nothing.
    None,
    /// A number that grows with the similarity of the texts; for `cosine-similarity` their cosine, in
    /// `[-1, 1]`.
    Score,
    /// 1 if the texts match, 0 if they do not.
    Label,
}

impl Needs {
    /// Whether rows may have this number of text columns.
    #[must_use]
    pub fn takes_columns(&self, columns: usize) -> bool {
        columns >= self.min_columns && self.max_columns.is_none_or(|most| columns <= most)
    }
}

/// In words: `2 or more columns`, `2 columns and a score`.
impl fmt::Display for Needs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.max_columns {
            Some(most) if most == self.min_columns => write!(f, "{most} columns")?,
            Some(most) => write!(f, "{} to {most} columns", self.min_columns)?,
            None => write!(f, "{} or more columns", self.min_columns)?,
        }
        match self.target {
            TargetKind::None => Ok(()),
            target => write!(f, " and a {target}"),
        }
    }
}

/// As one word.
impl fmt::Display for TargetKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::None => "none",
            Self::Score => "score",
            Self::Label => "label",
        })
    }
}

impl Loss {
    /// Data that the loss needs.
    #[must_use]
    pub fn needs(&self) -> Needs {
        let pairs = |target| Needs {
            min_columns: 2,
            max_columns: Some(2),
            target,
            in_batch_negatives: false,
        };
        match self {
            Self::MeanSquaredError | Self::Cosine => pairs(TargetKind::None),
            Self::CosineSimilarity | Self::CoSent { .. } => pairs(TargetKind::Score),
            Self::Contrastive { .. } | Self::OnlineContrastive { .. } => pairs(TargetKind::Label),
            Self::TripletEuclidean { .. } | Self::TripletCosine { .. } => Needs {
                min_columns: 3,
                max_columns: Some(3),
                target: TargetKind::None,
                in_batch_negatives: false,
            },
            Self::MultipleNegativesRanking { .. } | Self::MultipleNegativesSymmetric { .. } => {
                Needs {
                    min_columns: 2,
                    max_columns: None,
                    target: TargetKind::None,
                    in_batch_negatives: true,
                }
            }
        }
    }
}
