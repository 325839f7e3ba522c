//! Rows of a snapshot, and rankings of them.

use crate::vectors::Hit;

/// A row of a snapshot. The order is that in which rows were added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// The position of its segment in the snapshot.
    pub(super) segment: usize,
    pub(super) row: u32,
}

/// A row in a ranking.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Ranked {
    pub(super) place: Place,
    pub(super) score: f32,
}

impl Ranked {
    /// A hit of a segment.
    pub(super) fn of(segment: usize, hit: Hit) -> Self {
        Self {
            place: Place {
                segment,
                // Rows of a segment are counted in 32 bits.
                row: hit.index as u32,
            },
            score: hit.score,
        }
    }
}

/// Orders rows by score, best first, and those of equal score as they were added.
pub(super) fn best_first(ranking: &mut [Ranked]) {
    ranking.sort_unstable_by(|left, right| {
        right
            .score
            .total_cmp(&left.score)
            .then(left.place.cmp(&right.place))
    });
}
