//! How a commit is made.

use std::ops::Range;

use roaring::RoaringBitmap;

use crate::index::background_merge::Merge;
use crate::index::error::IndexError;
use crate::index::files::sync_folder;
use crate::index::folder::remove_unused;
use crate::index::manifest::{MANIFEST, Manifest, REBUILD};
use crate::index::merge::{self, Limits, Size};
use crate::index::names;
use crate::index::writer::{Committed, IndexWriter, Pending, new_segment};
use crate::index::written::{WrittenSegment, push_live};

impl IndexWriter {
    /// Makes a whole segment of the one that rows are added to.
    pub(super) fn seal(&mut self) -> Result<(), IndexError> {
        if let Some(Pending { writer, deleted }) = self.pending.take() {
            let segment = WrittenSegment::new(&self.folder, writer, deleted, &self.settings)?;
            self.segments.push(segment);
        }
        Ok(())
    }

    /// Writes everything and joins segments by a plan; then the new manifest is the commit.
    pub(super) fn finish(
        &mut self,
        plan: fn(&[Size], Limits) -> Vec<Range<usize>>,
    ) -> Result<Committed, IndexError> {
        self.seal()?;
        self.segments.retain(|segment| segment.live() > 0);
        self.join_all(plan(&self.sizes(), self.limits))?;
        self.write_changes()
    }

    /// As [`finish`](Self::finish), but joins only what rewrites few rows, and returns what else there is to join.
    pub(super) fn finish_joining(
        &mut self,
        rows: u64,
        running: &[String],
    ) -> Result<(Committed, Option<Merge>), IndexError> {
        self.seal()?;
        self.segments.retain(|segment| segment.live() > 0);
        let mut ranges = self.small_beside(running);
        ranges.retain(|range| {
            let segments = self.segments[range.clone()].iter();
            segments.map(WrittenSegment::live).sum::<u64>() <= rows
        });
        self.join_all(ranges)?;
        let committed = self.write_changes()?;
        // A joined segment has a new name, so each range has its turn, also while new segments come all the time.
        let ranges = self.small_beside(running).into_iter();
        let range = ranges.min_by_key(|range| self.oldest(range));
        let merge =
            range.map(|range| Merge::of(&self.folder, &self.segments[range], &self.settings));
        Ok((committed, merge))
    }

    /// What a commit joins, before and behind segments that are left alone.
    fn small_beside(&self, names: &[String]) -> Vec<Range<usize>> {
        let sizes = self.sizes();
        let is_left = |segment: &WrittenSegment| names.contains(&segment.entry.name);
        let first = self.segments.iter().position(is_left);
        let last = self.segments.iter().rposition(is_left);
        let Some((first, last)) = first.zip(last) else {
            return merge::small(&sizes, self.limits);
        };
        let mut ranges = merge::small(&sizes[..first], self.limits);
        let behind = last + 1;
        let others = merge::small(&sizes[behind..], self.limits);
        ranges.extend(
            others
                .into_iter()
                .map(|range| range.start + behind..range.end + behind),
        );
        ranges
    }

    /// The number of the segment that was written first.
    fn oldest(&self, range: &Range<usize>) -> Option<u64> {
        let segments = self.segments[range.clone()].iter();
        segments
            .filter_map(|segment| names::segment_number(&segment.entry.name))
            .min()
    }

    fn sizes(&self) -> Vec<Size> {
        self.segments.iter().map(WrittenSegment::size).collect()
    }

    /// Joins the segments of each range, which ascend.
    fn join_all(&mut self, ranges: Vec<Range<usize>>) -> Result<(), IndexError> {
        for range in ranges.into_iter().rev() {
            let joined = self.join(range.clone())?;
            self.segments.splice(range, [joined]);
            self.changed = true;
        }
        Ok(())
    }

    fn write_changes(&mut self) -> Result<Committed, IndexError> {
        if self.changed {
            self.write_manifest()?;
        }
        Ok(Committed {
            number: self.number,
            rows: self.len(),
        })
    }

    /// Writes the rows of segments that are not deleted as one segment.
    fn join(&mut self, range: Range<usize>) -> Result<WrittenSegment, IndexError> {
        let mut writer = new_segment(&self.folder, &mut self.next_segment, &self.settings)?;
        for segment in &self.segments[range] {
            push_live(&mut writer, &segment.rows, &segment.deleted)?;
        }
        WrittenSegment::new(&self.folder, writer, RoaringBitmap::new(), &self.settings)
    }

    fn write_manifest(&mut self) -> Result<(), IndexError> {
        let number = self.number + 1;
        for segment in &mut self.segments {
            segment.save(&self.folder, number)?;
        }
        // The names of the segments' folders must be there before the manifest that names them.
        sync_folder(&self.folder)?;
        let manifest = Manifest {
            number,
            next_segment: self.next_segment,
            settings: self.settings.clone(),
            segments: self.segments.iter().map(|s| s.entry.clone()).collect(),
        };
        manifest.write(&self.folder, self.manifest)?;
        self.number = number;
        self.changed = false;
        // Where the other manifest cannot be read, its files must stay.
        let other = match self.manifest {
            MANIFEST => Manifest::read_usable(&self.folder, REBUILD),
            _ => Manifest::read(&self.folder).map(Some),
        };
        if let Ok(other) = other {
            remove_unused(&self.folder, &manifest, other.as_ref());
        }
        Ok(())
    }
}
