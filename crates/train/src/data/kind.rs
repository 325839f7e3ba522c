//! Kinds of rows.

use std::fmt;

use super::role::Role;

/// Content of a row, which determines the losses that accept it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RowKind {
    /// A text alone.
    Texts,
    /// A text with spans, for a tagger.
    Tagged,
    /// Anchor and positive.
    Pairs,
    /// Anchor, positive and `negatives` negatives.
    Tuples {
        /// Number of negatives in every row.
        negatives: usize,
    },
    /// Anchor, positive and a score.
    Scored,
    /// Anchor, positive and a label.
    Labelled,
    /// Anchor, positive, negatives and the scores of a teacher.
    ScoredTuples {
        /// Number of negatives in every row, at least 1.
        negatives: usize,
        /// Number of scores in every row: one per negative, by how much the positive scores higher, or
        /// one per text but the anchor.
        scores: usize,
    },
}

impl RowKind {
    /// Number of texts in every row.
    #[must_use]
    pub(crate) fn text_columns(self) -> usize {
        match self {
            Self::Texts | Self::Tagged => 1,
            Self::Pairs | Self::Scored | Self::Labelled => 2,
            Self::Tuples { negatives } | Self::ScoredTuples { negatives, .. } => {
                negatives.saturating_add(2)
            }
        }
    }

    /// Role of the numbers of every row, if rows have any.
    #[must_use]
    pub(crate) fn target(self) -> Option<Role> {
        match self {
            Self::Texts | Self::Tagged | Self::Pairs | Self::Tuples { .. } => None,
            Self::Scored | Self::ScoredTuples { .. } => Some(Role::Score),
            Self::Labelled => Some(Role::Label),
        }
    }

    /// Number of scores or labels of every row.
    #[must_use]
    pub(crate) fn targets(self) -> usize {
        match self {
            Self::Texts | Self::Tagged | Self::Pairs | Self::Tuples { .. } => 0,
            Self::Scored | Self::Labelled => 1,
            Self::ScoredTuples { scores, .. } => scores,
        }
    }
}

impl fmt::Display for RowKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Texts => formatter.pad("texts"),
            Self::Tagged => formatter.pad("texts with spans"),
            Self::Pairs => formatter.pad("pairs"),
            Self::Tuples { negatives: 1 } => formatter.pad("pairs with a negative"),
            Self::Tuples { negatives } => write!(formatter, "pairs with {negatives} negatives"),
            Self::Scored => formatter.pad("pairs with a score"),
            Self::Labelled => formatter.pad("pairs with a label"),
            Self::ScoredTuples { negatives, scores } => {
                write!(
                    formatter,
                    "{} and {scores} scores",
                    Self::Tuples { negatives }
                )
            }
        }
    }
}
