//! The rows of a whole segment, as they were added.

use std::path::{Path, PathBuf};

use roaring::RoaringBitmap;

use crate::filter::{Column, ColumnKind, Value, fold_case};
use crate::index::document::Document;
use crate::index::error::IndexError;
use crate::index::files::{map, map_checked};
use crate::index::keys::Keys;
use crate::index::manifest::SegmentEntry;
use crate::index::names;
use crate::index::settings::Settings;
use crate::index::strings::Strings;
use crate::vectors::Rows;

/// Ids, texts, values and vectors of a segment. Nothing of it changes.
pub(super) struct StoredRows {
    folder: PathBuf,
    rows: u32,
    width: usize,
    text_columns: usize,
    ids: Strings,
    id_keys: Keys,
    texts: Strings,
    vectors: Rows,
    columns: Vec<Column>,
}

impl StoredRows {
    /// Opens a segment of the index in `index`. Files that are small beside vectors and texts are
    /// compared with their checksums; of the others only the sizes are.
    pub(super) fn open(
        index: &Path,
        entry: &SegmentEntry,
        settings: &Settings,
    ) -> Result<Self, IndexError> {
        let folder = index.join(&entry.name);
        let rows = entry.rows as usize;
        let file = |name: &str| entry.file(&folder, name);
        let texts = Strings::of(
            map(&folder, file(names::TEXTS)?)?,
            folder.join(names::TEXTS),
            rows * settings.text_columns.len(),
        )?;
        let ids = map_checked(&folder, file(names::IDS)?)?;
        let ids = Strings::of(ids, folder.join(names::IDS), rows)?;
        let id_keys = Keys::open(&folder, file(names::ID_KEYS)?)?;
        let not_rows = || {
            let path = folder.join(names::VECTORS);
            IndexError::damaged(&path, "its size is not that of its rows")
        };
        let vectors = Rows::mapped(map(&folder, file(names::VECTORS)?)?).map_err(|_| not_rows())?;
        if Some(vectors.len()) != rows.checked_mul(settings.width) {
            return Err(not_rows());
        }
        let mut columns = Vec::new();
        for (number, column) in settings.filter_columns.iter().enumerate() {
            let name = names::column(number);
            let mapped = map_checked(&folder, file(&name)?)?;
            let read = Column::read(&mapped, column.kind, rows)
                .map_err(|_| IndexError::damaged(&folder.join(&name), "it is no such column"))?;
            columns.push(read);
        }
        Ok(Self {
            rows: entry.rows,
            width: settings.width,
            text_columns: settings.text_columns.len(),
            ids,
            id_keys,
            texts,
            vectors,
            columns,
            folder,
        })
    }

    /// Rows, with deleted ones.
    pub(super) fn rows(&self) -> u32 {
        self.rows
    }

    /// The id of a row.
    pub(super) fn id(&self, row: u32) -> Result<&str, IndexError> {
        self.ids.get(row as usize)
    }

    /// The row with an id that is not deleted.
    pub(super) fn find(
        &self,
        id: &str,
        deleted: &RoaringBitmap,
    ) -> Result<Option<u32>, IndexError> {
        for row in self.id_keys.candidates(id) {
            if !deleted.contains(row) && self.id(row)? == id {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    /// Rows whose id or whose value in a key column equals a text, but for case and the space around,
    /// with deleted ones.
    pub(super) fn named(&self, text: &str) -> Result<RoaringBitmap, IndexError> {
        let folded = fold_case(text);
        let mut rows = RoaringBitmap::new();
        for row in self.id_keys.candidates(text) {
            if fold_case(self.id(row)?) == folded {
                rows.insert(row);
            }
        }
        for column in &self.columns {
            if column.kind() == ColumnKind::Key {
                rows |= column.rows_with_text(text);
            }
        }
        Ok(rows)
    }

    /// The texts of a row, by text column.
    pub(super) fn texts(&self, row: u32) -> Result<Vec<&str>, IndexError> {
        let first = row as usize * self.text_columns;
        (first..first + self.text_columns)
            .map(|number| self.texts.get(number))
            .collect()
    }

    /// The values of a row, by filter column.
    pub(super) fn values(&self, row: u32) -> Vec<Option<Value>> {
        self.columns
            .iter()
            .map(|column| column.value(row))
            .collect()
    }

    /// The filter columns.
    pub(super) fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The normalized vector of a row.
    pub(super) fn vector(&self, row: u32) -> Result<&[f32], IndexError> {
        let start = row as usize * self.width;
        let path = self.folder.join(names::VECTORS);
        self.vectors
            .get(start..start + self.width)
            .ok_or_else(|| IndexError::damaged(&path, "it ends early"))
    }

    /// A row as it was added.
    pub(super) fn document(&self, row: u32) -> Result<Document, IndexError> {
        Ok(Document {
            id: self.id(row)?.to_owned(),
            texts: self.texts(row)?.into_iter().map(str::to_owned).collect(),
            values: self.values(row),
        })
    }

    /// All vectors.
    pub(super) fn vectors(&self) -> Rows {
        self.vectors.clone()
    }
}

/// Reads the deleted rows of a segment.
pub(super) fn read_deleted(
    index: &Path,
    entry: &SegmentEntry,
) -> Result<RoaringBitmap, IndexError> {
    let Some(file) = &entry.deleted else {
        return Ok(RoaringBitmap::new());
    };
    let folder = index.join(&entry.name);
    let mapped = map_checked(&folder, file)?;
    let path = folder.join(&file.name);
    let deleted = RoaringBitmap::deserialize_from(&*mapped)
        .map_err(|_| IndexError::damaged(&path, "it is no set of rows"))?;
    if deleted.max().is_some_and(|row| row >= entry.rows) {
        return Err(IndexError::damaged(&path, "it names a row behind the last"));
    }
    Ok(deleted)
}
