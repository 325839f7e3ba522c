//! A whole segment, as the writer sees it.

use std::path::Path;

use roaring::RoaringBitmap;

use crate::index::error::IndexError;
use crate::index::files::{ChecksumFile, sync_file, sync_folder};
use crate::index::manifest::SegmentEntry;
use crate::index::merge::Size;
use crate::index::names;
use crate::index::segment_writer::SegmentWriter;
use crate::index::settings::Settings;
use crate::index::stored::{StoredRows, read_deleted};

/// A whole segment.
pub(super) struct WrittenSegment {
    pub(super) entry: SegmentEntry,
    pub(super) rows: StoredRows,
    pub(super) deleted: RoaringBitmap,
    /// Whether rows were deleted since the last commit.
    pub(super) changed: bool,
    /// Whether its files are on the disk for good.
    synced: bool,
}

impl WrittenSegment {
    /// A segment of the last commit.
    pub(super) fn committed(
        index: &Path,
        entry: SegmentEntry,
        settings: &Settings,
    ) -> Result<Self, IndexError> {
        Ok(Self {
            rows: StoredRows::open(index, &entry, settings)?,
            deleted: read_deleted(index, &entry)?,
            entry,
            changed: false,
            synced: true,
        })
    }

    /// A segment that is in no manifest yet.
    pub(super) fn new(
        index: &Path,
        writer: SegmentWriter,
        deleted: RoaringBitmap,
        settings: &Settings,
    ) -> Result<Self, IndexError> {
        let entry = writer.finish()?;
        Ok(Self {
            rows: StoredRows::open(index, &entry, settings)?,
            entry,
            changed: !deleted.is_empty(),
            synced: false,
            deleted,
        })
    }

    /// A segment that is in no manifest yet, and whose files are on the disk for good.
    pub(super) fn synced(
        index: &Path,
        entry: SegmentEntry,
        deleted: RoaringBitmap,
        settings: &Settings,
    ) -> Result<Self, IndexError> {
        Ok(Self {
            rows: StoredRows::open(index, &entry, settings)?,
            entry,
            changed: !deleted.is_empty(),
            synced: true,
            deleted,
        })
    }

    /// Rows that are not deleted.
    pub(super) fn live(&self) -> u64 {
        u64::from(self.rows.rows()) - self.deleted.len()
    }

    pub(super) fn size(&self) -> Size {
        let files = self.entry.files.iter();
        let texts = files.filter(|file| names::holds_texts(&file.name));
        Size {
            live: self.live(),
            deleted: self.deleted.len(),
            text_bytes: texts.map(|file| file.bytes).sum(),
        }
    }

    /// Writes which rows are deleted, and syncs what is new. Segments that a commit joins at once never come
    /// to this.
    pub(super) fn save(&mut self, index: &Path, number: u64) -> Result<(), IndexError> {
        let folder = index.join(&self.entry.name);
        if !self.synced {
            sync_segment(&folder, &self.entry)?;
        }
        if self.changed {
            let mut file = ChecksumFile::create(&folder, &names::deleted(number))?;
            let path = file.path();
            self.deleted
                .serialize_into(&mut file)
                .map_err(IndexError::io("write", &path))?;
            self.entry.deleted = Some(file.finish()?);
            sync_file(&path)?;
        }
        if self.changed {
            sync_folder(&folder)?;
        }
        self.changed = false;
        self.synced = true;
        Ok(())
    }
}

/// Syncs the files of a segment to the disk, and their names.
pub(super) fn sync_segment(folder: &Path, entry: &SegmentEntry) -> Result<(), IndexError> {
    for file in &entry.files {
        sync_file(&folder.join(&file.name))?;
    }
    sync_folder(&folder.join(names::WORDS))?;
    sync_folder(folder)
}

/// Adds the rows of a segment that are not deleted to another.
pub(super) fn push_live(
    writer: &mut SegmentWriter,
    rows: &StoredRows,
    deleted: &RoaringBitmap,
) -> Result<(), IndexError> {
    for row in (0..rows.rows()).filter(|row| !deleted.contains(*row)) {
        writer.push(&rows.document(row)?, rows.vector(row)?)?;
    }
    Ok(())
}
