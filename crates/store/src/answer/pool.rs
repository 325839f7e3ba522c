//! The rows that could be hits: those that facets count and that a column sorts.

use search::{Mode, Query};

/// The rows that could be hits, as those of an index on disk are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Pool {
    /// All that the filter keeps.
    Allowed,
    /// Those of them that are at least so similar.
    Similar(f32),
    /// Those of them with one of the words.
    Words,
    /// Those whose score is high enough, which are known when they are ranked.
    Ranked,
}

impl Pool {
    pub(super) fn of(query: &Query, has_words: bool) -> Self {
        match (query.mode, query.min_score) {
            (Mode::Meaning, None) => Self::Allowed,
            (Mode::Meaning, Some(least)) => Self::Similar(least),
            (Mode::Words, None) => Self::Words,
            (Mode::Words | Mode::Hybrid, Some(_)) => Self::Ranked,
            (Mode::Hybrid, None) if query.sort.is_some() && has_words => Self::Words,
            (Mode::Hybrid, None) => Self::Allowed,
        }
    }
}
