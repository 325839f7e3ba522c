//! Which segments a commit joins.

use std::ops::Range;

/// Beyond these sizes segments are not joined, and a new one begins. They bound the memory of writing:
/// codes and words of one segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) rows: u64,
    pub(super) text_bytes: u64,
}

/// 100 MB of codes at width 768, and words that take about twice the memory of their texts.
pub(super) const LIMITS: Limits = Limits {
    rows: 1 << 17,
    text_bytes: 1 << 26,
};

/// A segment is joined with the one before it unless that is so many times larger: a row is then
/// rewritten about as often as the size of its segment doubles.
const SMALLER: u64 = 2;

/// A segment is rewritten when one row of so many is deleted.
const DELETED_SHARE: u64 = 4;

/// The size of a segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Size {
    /// Rows that are not deleted.
    pub(super) live: u64,
    pub(super) deleted: u64,
    pub(super) text_bytes: u64,
}

impl Size {
    fn with(self, other: Self) -> Self {
        Self {
            live: self.live + other.live,
            deleted: self.deleted + other.deleted,
            text_bytes: self.text_bytes + other.text_bytes,
        }
    }

    fn fits(self, limits: Limits) -> bool {
        self.live <= limits.rows && self.text_bytes <= limits.text_bytes
    }
}

/// The neighbours that a commit rewrites as one segment. Neighbours alone, so that rows keep the
/// order in which they were added.
pub(super) fn small(sizes: &[Size], limits: Limits) -> Vec<Range<usize>> {
    let joined = groups(sizes, |before, size| {
        before.live <= SMALLER * size.live && before.with(size).fits(limits)
    });
    rewritten(joined, |size| {
        size.deleted * DELETED_SHARE > size.live + size.deleted
    })
}

/// The neighbours that are rewritten so that as few segments as possible are left, without deleted rows.
pub(super) fn all(sizes: &[Size], limits: Limits) -> Vec<Range<usize>> {
    let joined = groups(sizes, |before, size| before.with(size).fits(limits));
    rewritten(joined, |size| size.deleted > 0)
}

/// Joins every segment with the group before it as long as `join` says so.
fn groups(sizes: &[Size], join: impl Fn(Size, Size) -> bool) -> Vec<(Range<usize>, Size)> {
    let mut groups: Vec<(Range<usize>, Size)> = Vec::new();
    for (position, &size) in sizes.iter().enumerate() {
        let mut group = (position..position + 1, size);
        while let Some((range, before)) = groups.pop_if(|(_, before)| join(*before, group.1)) {
            group = (range.start..group.0.end, before.with(group.1));
        }
        groups.push(group);
    }
    groups
}

fn rewritten(groups: Vec<(Range<usize>, Size)>, alone: impl Fn(Size) -> bool) -> Vec<Range<usize>> {
    groups
        .into_iter()
        .filter(|(range, size)| range.len() > 1 || alone(*size))
        .map(|(range, _)| range)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FEW: Limits = Limits {
        rows: 10,
        text_bytes: 100,
    };

    fn sizes(lives: &[u64]) -> Vec<Size> {
        lives
            .iter()
            .map(|&live| Size {
                live,
                ..Size::default()
            })
            .collect()
    }

    fn pairs(ranges: Vec<Range<usize>>) -> Vec<(usize, usize)> {
        ranges
            .into_iter()
            .map(|range| (range.start, range.end))
            .collect()
    }

    #[test]
    fn a_small_segment_joins_neighbours_of_its_size() {
        assert_eq!(pairs(small(&sizes(&[1, 1]), FEW)), [(0, 2)]);
        assert_eq!(pairs(small(&sizes(&[8, 3, 1, 1]), FEW)), [(1, 4)]);
        assert_eq!(pairs(small(&sizes(&[8, 3, 1]), FEW)), []);
        // The sum would be too large.
        assert_eq!(pairs(small(&sizes(&[6, 6]), FEW)), []);
        assert_eq!(pairs(all(&sizes(&[8, 3, 1, 6, 4]), FEW)), [(1, 4)]);
        assert_eq!(pairs(all(&sizes(&[8]), FEW)), []);
    }

    #[test]
    fn deleted_rows_are_dropped_when_they_are_many() {
        let mut three = sizes(&[9, 3, 1]);
        three[1].deleted = 1;
        assert_eq!(pairs(small(&three, FEW)), []);
        assert_eq!(pairs(all(&three, FEW)), [(1, 3)]);
        three[1].deleted = 2;
        assert_eq!(pairs(small(&three, FEW)), [(1, 2)]);
        three[0].deleted = 1;
        assert_eq!(pairs(all(&three, FEW)), [(0, 1), (1, 3)]);
    }

    #[test]
    fn many_commits_of_one_row_leave_few_segments() {
        let mut lives = Vec::new();
        let mut rewritten = 0;
        for _ in 0..1000 {
            lives.push(1);
            for range in small(&sizes(&lives), LIMITS).into_iter().rev() {
                let sum: u64 = lives[range.clone()].iter().sum();
                rewritten += sum;
                lives.splice(range, [sum]);
            }
            assert!(lives.len() <= 11, "{lives:?}");
        }
        assert_eq!(lives.iter().sum::<u64>(), 1000);
        assert!(rewritten < 11_000, "{rewritten}");
    }
}
