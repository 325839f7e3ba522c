//! The rows of a varlen batch that belong to each sequence.

use std::ops::Range;
use std::sync::Arc;

/// The rows of each sequence in a varlen batch, whose sequences follow each other without padding.
///
/// Sequence `i` has the rows `ranges()[i]`, and sequence `i + 1` the rows after those. (FlashAttention's `cu_seqlens` holds
/// the same ends.) Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SequenceRanges(Arc<[Range<usize>]>);

impl SequenceRanges {
    /// Sequences of these lengths, in tokens.
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

    /// The rows of each sequence.
    #[must_use]
    pub fn ranges(&self) -> &[Range<usize>] {
        &self.0
    }

    /// Rows of all sequences.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.0.last().map_or(0, |range| range.end)
    }

    /// Rows of the longest sequence; 0 without any.
    #[must_use]
    pub fn longest(&self) -> usize {
        self.0.iter().map(Range::len).max().unwrap_or(0)
    }
}
