//! What data a loss takes.

use std::fmt;

use super::Loss;

/// What data a loss takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    /// The fewest columns of texts.
    pub min_columns: usize,
    /// The most columns of texts; `None` where any number of negatives may follow.
    pub max_columns: Option<usize>,
    /// What a row holds beside its texts.
    pub target: TargetKind,
    /// Whether the texts of other rows of the batch serve as negatives: then a batch should not
    /// hold a text twice, and larger batches teach more.
    pub in_batch_negatives: bool,
}

/// What a row holds beside its texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetKind {
    /// Nothing.
    None,
    /// A number that is larger the more alike the texts are; for `cosine-similarity` their cosine,
    /// in `[-1, 1]`.
    Score,
    /// 1 where the texts belong together, 0 where they do not.
    Label,
}

impl Needs {
    /// Whether rows may have that many columns of texts.
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

/// In a word.
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
    /// What data the loss takes.
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
