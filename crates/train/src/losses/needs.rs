//! Data that a loss needs.

use std::fmt;

/// Data that a loss needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Needs {
    /// Minimum number of text columns.
    pub min_columns: usize,
    /// Maximum number of text columns; `None` for any number of negatives.
    pub max_columns: Option<usize>,
    /// Numbers of a row besides its texts.
    pub target: TargetKind,
    /// Whether the texts of other rows of the batch are negatives. Then a batch should not hold a text
    /// twice, and larger batches are better.
    pub in_batch_negatives: bool,
}

/// Numbers of a row besides its texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TargetKind {
    /// Nothing.
    None,
    /// A number that grows with the similarity of the texts; for `cosine-similarity` their cosine, in
    /// `[-1, 1]`.
    Score,
    /// 1 if the texts match, 0 if they do not.
    Label,
    /// A teacher's scores of all texts of the row but the anchor.
    Scores,
    /// Those, or for every negative by how much the teacher's score of the positive is higher.
    Margins,
    /// The vectors of all texts of the row, from a teacher or a guide.
    Vectors,
    /// Spans of the text, with labels.
    Spans,
    /// A label, or a score in `[0, 1]`, of two texts; or nothing, of more: the negatives do not match.
    Probability,
}

impl Needs {
    /// Texts in `min_columns` to `max_columns` columns.
    pub(super) fn columns(
        min_columns: usize,
        max_columns: Option<usize>,
        target: TargetKind,
    ) -> Self {
        Self {
            min_columns,
            max_columns,
            target,
            in_batch_negatives: false,
        }
    }

    pub(super) fn with_in_batch_negatives(self) -> Self {
        Self {
            in_batch_negatives: true,
            ..self
        }
    }

    /// Whether rows may have this number of text columns.
    #[must_use]
    pub(crate) fn takes_columns(&self, columns: usize) -> bool {
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
            target => write!(f, " and {target}"),
        }
    }
}

impl fmt::Display for TargetKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::None => "none",
            Self::Score => "a score",
            Self::Label => "a label",
            Self::Scores => "scores",
            Self::Margins => "scores or margins",
            Self::Vectors => "a guide",
            Self::Spans => "spans",
            Self::Probability => "a label, a score from 0 to 1, or negatives",
        })
    }
}
