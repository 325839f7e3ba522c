//! A segment that can be searched.

use std::path::Path;
use std::sync::Arc;

use roaring::RoaringBitmap;

use crate::index::error::IndexError;
use crate::index::files::{FileEntry, map_checked};
use crate::index::manifest::SegmentEntry;
use crate::index::names;
use crate::index::recall;
use crate::index::settings::Settings;
use crate::index::stored::{StoredRows, read_deleted};
use crate::vectors::{Codes, Recall, VectorIndex};
use crate::words::Words;

/// A segment with its indexes. Nothing of it changes.
pub(super) struct Segment {
    pub(super) rows: StoredRows,
    pub(super) vectors: VectorIndex,
    pub(super) words: Words,
    /// How many candidates a search by 1-bit codes needs; empty where there are none.
    pub(super) recall: Vec<Recall>,
}

/// A segment as a snapshot sees it.
pub(super) struct LiveSegment {
    pub(super) segment: Arc<Segment>,
    /// The name of its folder.
    name: String,
    /// Its files: another index in the same folder may have a segment of the same name.
    files: Vec<FileEntry>,
    pub(super) deleted: RoaringBitmap,
}

impl Segment {
    pub(super) fn open(
        index: &Path,
        entry: &SegmentEntry,
        settings: &Settings,
    ) -> Result<Self, IndexError> {
        let folder = index.join(&entry.name);
        let rows = StoredRows::open(index, entry, settings)?;
        let file = entry.file(&folder, names::CODES)?;
        let no_codes = |_| IndexError::damaged(&folder.join(&file.name), "it holds no such codes");
        let (width, similarity) = (settings.width, settings.similarity);
        let codes = map_checked(&folder, file)?;
        let codes = Codes::read(&codes, entry.rows as usize, width).map_err(no_codes)?;
        let vectors =
            VectorIndex::from_parts(rows.vectors(), width, similarity, codes).map_err(no_codes)?;
        let recall = match entry.files.iter().find(|file| file.name == names::RECALL) {
            None => Vec::new(),
            Some(file) => {
                recall::from_bytes(&folder.join(names::RECALL), &map_checked(&folder, file)?)?
            }
        };
        for file in &entry.files {
            if names::is_of_words(&file.name) {
                map_checked(&folder, file)?;
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
            recall,
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
        let same = |older: &&Self| older.name == entry.name && older.files == entry.files;
        let segment = match older.iter().find(same) {
            Some(older) => Arc::clone(&older.segment),
            None => Arc::new(Segment::open(index, entry, settings)?),
        };
        Ok(Self {
            segment,
            name: entry.name.clone(),
            files: entry.files.clone(),
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
