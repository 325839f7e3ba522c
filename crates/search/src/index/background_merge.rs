//! A merge in the background: segments are joined without the lock of the writer, and a later commit puts the result
//! in their place.

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

use roaring::RoaringBitmap;

use crate::index::error::IndexError;
use crate::index::folder::{lock, remove_folder};
use crate::index::manifest::SegmentEntry;
use crate::index::names;
use crate::index::segment_writer::SegmentWriter;
use crate::index::settings::Settings;
use crate::index::stored::StoredRows;
use crate::index::writer::{Committed, IndexWriter};
use crate::index::written::{WrittenSegment, push_live, sync_segment};

/// Segments that a commit has left to be joined. Another thread [writes](Self::write) them as one, while this writer or
/// others change the index.
pub struct Merge {
    index: PathBuf,
    settings: Settings,
    sources: Vec<Source>,
}

/// A segment as it was when the merge was planned.
struct Source {
    entry: SegmentEntry,
    deleted: RoaringBitmap,
}

/// A joined segment that [`IndexWriter::install`] puts in its place. Dropped, it leaves nothing behind.
pub struct MergedSegment {
    sources: Vec<Source>,
    entry: SegmentEntry,
    folder: MergeFolder,
}

/// The folder of the one merge at a time. Dropped, it is removed, unless it was moved.
struct MergeFolder {
    path: PathBuf,
    _lock: File,
}

impl Merge {
    /// A merge of segments that are committed.
    pub(super) fn of(index: &Path, segments: &[WrittenSegment], settings: &Settings) -> Self {
        let sources = segments.iter().map(|segment| Source {
            entry: segment.entry.clone(),
            deleted: segment.deleted.clone(),
        });
        Self {
            index: index.to_owned(),
            settings: settings.clone(),
            sources: sources.collect(),
        }
    }

    /// The names of its segments, which other merges leave alone meanwhile.
    #[must_use]
    pub fn segments(&self) -> Vec<String> {
        let sources = self.sources.iter();
        sources.map(|source| source.entry.name.clone()).collect()
    }

    /// Writes the rows that were not deleted as one segment, in a folder that no reader and no writer looks at. An index
    /// has one such merge at a time.
    ///
    /// # Errors
    ///
    /// [`IndexError::Locked`] while another merge is written or waits for its place, and [`IndexError::Io`], also where
    /// another program has replaced the segments.
    pub fn write(self) -> Result<MergedSegment, IndexError> {
        let folder = MergeFolder::begin(&self.index)?;
        let name = names::MERGE.to_owned();
        let mut writer = SegmentWriter::create(&self.index, name, &self.settings)?;
        for Source { entry, deleted } in &self.sources {
            let rows = StoredRows::open(&self.index, entry, &self.settings)?;
            push_live(&mut writer, &rows, deleted)?;
        }
        let entry = writer.finish()?;
        sync_segment(&folder.path, &entry)?;
        Ok(MergedSegment {
            sources: self.sources,
            entry,
            folder,
        })
    }
}

impl MergedSegment {
    /// The place of its segments among those of a writer. Segments of which no row is left need none.
    fn place(&self, segments: &[WrittenSegment]) -> Option<Range<usize>> {
        let positions = self.sources.iter().filter_map(|source| {
            // A rebuild gives its segments new names.
            segments.iter().position(|segment| source.is(segment))
        });
        let positions: Vec<usize> = positions.collect();
        let (&first, &last) = (positions.first()?, positions.last()?);
        let in_order = positions.iter().copied().eq(first..last + 1);
        in_order.then_some(first..last + 1)
    }

    /// Its rows that were deleted since the merge was planned.
    fn deleted(&self, segments: &[WrittenSegment]) -> RoaringBitmap {
        let mut deleted = RoaringBitmap::new();
        let mut row = 0;
        for source in &self.sources {
            let now = segments.iter().find(|segment| source.is(segment));
            let live = (0..source.entry.rows).filter(|row| !source.deleted.contains(*row));
            for old in live {
                if now.is_none_or(|segment| segment.deleted.contains(old)) {
                    deleted.insert(row);
                }
                row += 1;
            }
        }
        deleted
    }
}

impl MergeFolder {
    fn begin(index: &Path) -> Result<Self, IndexError> {
        let lock = lock(index, names::MERGE_LOCK)?;
        let path = index.join(names::MERGE);
        // What a killed merge has left.
        remove_folder(&path)?;
        Ok(Self { path, _lock: lock })
    }
}

impl Source {
    fn is(&self, segment: &WrittenSegment) -> bool {
        self.entry.name == segment.entry.name && self.entry.files == segment.entry.files
    }
}

impl Drop for MergeFolder {
    fn drop(&mut self) {
        // What stays is removed by the next merge.
        let _ = remove_folder(&self.path);
    }
}

impl IndexWriter {
    /// [Commits](Self::commit) without the wait for a large merge: small segments are joined on the way only where that
    /// rewrites at most `rows` rows. What else a commit would join is returned, as much of it as one merge takes: the
    /// segments that were written first, so that each has its turn.
    ///
    /// `running` are the [segments](Merge::segments) of a merge that is being written, which are left alone.
    ///
    /// # Errors
    ///
    /// As [`commit`](Self::commit).
    pub fn commit_joining(
        &mut self,
        rows: u64,
        running: &[String],
    ) -> Result<(Committed, Option<Merge>), IndexError> {
        self.guarded(|writer| writer.finish_joining(rows, running))
    }

    /// Puts a joined segment in the place of its segments, from the next commit on. Rows that were deleted since the
    /// merge was planned stay deleted. Returns `false`, and drops it, where its segments are no longer those of the index.
    ///
    /// # Errors
    ///
    /// [`IndexError::Io`], after which this writer has its segments as before.
    pub fn install(&mut self, merged: MergedSegment) -> Result<bool, IndexError> {
        self.check_usable()?;
        let Some(place) = merged.place(&self.segments) else {
            return Ok(false);
        };
        let deleted = merged.deleted(&self.segments[place.clone()]);
        let name = names::segment(self.next_segment);
        self.next_segment += 1;
        let target = self.folder.join(&name);
        std::fs::rename(&merged.folder.path, &target).map_err(IndexError::io("create", &target))?;
        let entry = SegmentEntry {
            name,
            ..merged.entry
        };
        let segment = WrittenSegment::synced(&self.folder, entry, deleted, &self.settings)?;
        self.segments.splice(place, [segment]);
        self.changed = true;
        Ok(true)
    }
}
