//! A segment that can be searched.

use std::path::Path;
use std::sync::Arc;

use roaring::RoaringBitmap;

use crate::index::error::IndexError;
use crate::index::files::{self, map};
use crate::index::manifest::SegmentEntry;
use crate::index::names;
use crate::index::settings::Settings;
use crate::index::stored::{StoredRows, read_deleted};
use crate::vectors::{Codes, VectorIndex};
use crate::words::Words;

/// A segment with its indexes. Nothing of it changes.
pub(super) struct Segment {
    pub(super) rows: StoredRows,
    pub(super) vectors: VectorIndex,
    pub(super) words: Words,
}

/// A segment as a snapshot sees it.
pub(super) struct LiveSegment {
    pub(super) segment: Arc<Segment>,
    /// The name of its folder.
    pub(super) name: String,
    pub(super) deleted: RoaringBitmap,
}

impl Segment {
    pub(super) fn open(
        index: &Path,
        entry: &SegmentEntry,
        settings: &Settings,
    ) -> Result<Self, IndexError> {
        let rows = StoredRows::open(index, entry, settings)?;
        let folder = index.join(&entry.name);
        let file = entry.file(&folder, names::CODES)?;
        let mapped = map(&folder, file)?;
        files::check(&folder, file, &mapped)?;
        let no_codes = |_| IndexError::damaged(&folder.join(&file.name), "it holds no such codes");
        let (width, similarity) = (settings.width, settings.similarity);
        let codes = Codes::read(&mapped, entry.rows as usize, width).map_err(no_codes)?;
        let vectors =
            VectorIndex::from_parts(rows.vectors(), width, similarity, codes).map_err(no_codes)?;
        for file in &entry.files {
            if file
                .name
                .strip_prefix(names::WORDS)
                .is_some_and(|rest| rest.starts_with('/'))
            {
                files::check(&folder, file, &map(&folder, file)?)?;
            }
        }
        let words = Words::open(&folder.join(names::WORDS), &settings.words())?;
        if words.rows() != entry.rows {
            let path = folder.join(names::WORDS);
            return Err(IndexError::damaged(
                &path,
                "it holds another number of rows",
            ));
        }
        Ok(Self {
            rows,
            vectors,
            words,
        })
    }
}

impl LiveSegment {
    /// Opens a segment, or shares it with an older snapshot.
    pub(super) fn open(
        index: &Path,
        entry: &SegmentEntry,
        settings: &Settings,
        older: &[Self],
    ) -> Result<Self, IndexError> {
        let segment = match older.iter().find(|older| older.name == entry.name) {
            Some(older) => Arc::clone(&older.segment),
            None => Arc::new(Segment::open(index, entry, settings)?),
        };
        Ok(Self {
            segment,
            name: entry.name.clone(),
            deleted: read_deleted(index, entry)?,
        })
    }

    /// Rows, with deleted ones.
    pub(super) fn rows(&self) -> u32 {
        self.segment.rows.rows()
    }

    /// Rows that are not deleted.
    pub(super) fn live(&self) -> u64 {
        u64::from(self.rows()) - self.deleted.len()
    }
}
