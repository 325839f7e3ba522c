//! How a commit is made.

use std::ops::Range;

use roaring::RoaringBitmap;

use crate::index::error::IndexError;
use crate::index::files::sync_folder;
use crate::index::folder::remove_unused;
use crate::index::manifest::{MANIFEST, Manifest, REBUILD};
use crate::index::merge::{Limits, Size};
use crate::index::writer::{Committed, IndexWriter, Pending, new_segment};
use crate::index::written::WrittenSegment;

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
        let sizes: Vec<Size> = self.segments.iter().map(WrittenSegment::size).collect();
        for range in plan(&sizes, self.limits).into_iter().rev() {
            let joined = self.join(range.clone())?;
            self.segments.splice(range, [joined]);
            self.changed = true;
        }
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
            for row in (0..segment.rows.rows()).filter(|row| !segment.deleted.contains(*row)) {
                writer.push(&segment.rows.document(row)?, segment.rows.vector(row)?)?;
            }
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
