//! Roles of columns.

use std::fmt;

/// Role of a column in training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Text to compare: a query, a title, the first of two sentences.
    Anchor,
    /// Text that matches the anchor; in scored and labelled rows it may not match.
    Positive,
    /// Text that does not match the anchor.
    Negative,
    /// Similarity of anchor and positive: a finite number.
    Score,
    /// Whether anchor and positive match: 0 or 1.
    Label,
    /// Group of the row: rows of a group stay on the same side of a split.
    Group,
}

impl Role {
    /// The roles of a [`ColumnMap`](super::ColumnMap).
    pub(super) const MAPPED: [Self; 5] = [
        Self::Anchor,
        Self::Positive,
        Self::Negative,
        Self::Score,
        Self::Label,
    ];

    /// Name of the role on the command line and in messages.
    #[must_use]
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Anchor => "anchor",
            Self::Positive => "positive",
            Self::Negative => "negative",
            Self::Score => "score",
            Self::Label => "label",
            Self::Group => "group",
        }
    }

    /// The role with this name, in any case. An evaluation of texts without order may call them `first`,
    /// `second` and `third`.
    pub(super) fn named(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        match name.as_str() {
            "first" => Some(Self::Anchor),
            "second" => Some(Self::Positive),
            "third" => Some(Self::Negative),
            name => Self::MAPPED.into_iter().find(|role| role.name() == name),
        }
    }

    /// The role of the text column `column`, from 0.
    pub(crate) fn of_text(column: usize) -> Self {
        match column {
            0 => Self::Anchor,
            1 => Self::Positive,
            _ => Self::Negative,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}
