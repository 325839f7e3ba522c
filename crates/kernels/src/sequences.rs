//! Which rows of a batch are which sequence.

use std::ops::Range;
use std::sync::Arc;

/// Sequences whose tokens stand end to end: sequence `i` has the rows `ranges()[i]`, the next one those
/// behind. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SequenceRanges(Arc<[Range<usize>]>);

impl SequenceRanges {
    /// Sequences of these lengths.
    #[must_use]
    pub fn of_lengths(lengths: impl IntoIterator<Item = usize>) -> Self {
        let mut end = 0;
        let range = |length| {
            let start = end;
            end += length;
            start..end
        };
        Self(lengths.into_iter().map(range).collect())
    }

    /// The rows of each.
    #[must_use]
    pub fn ranges(&self) -> &[Range<usize>] {
        &self.0
    }

    /// Rows of all.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.0.last().map_or(0, |range| range.end)
    }

    /// Rows of the longest.
    #[must_use]
    pub fn longest(&self) -> usize {
        self.0.iter().map(Range::len).max().unwrap_or(0)
    }
}
