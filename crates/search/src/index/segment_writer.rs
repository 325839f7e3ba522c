//! Writes a new segment, row by row. Vectors, texts and ids go straight to their files.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::filter::{ColumnKind, Value};
use crate::index::document::Document;
use crate::index::error::IndexError;
use crate::index::files::{ChecksumFile, sync_folder};
use crate::index::interim::ColumnBuilder;
use crate::index::keys::KeysBuilder;
use crate::index::manifest::SegmentEntry;
use crate::index::names;
use crate::index::settings::Settings;
use crate::index::strings::StringsWriter;

/// Bytes of a value of a vector.
const VALUE: usize = size_of::<f32>();

/// A segment that is not whole yet.
pub(super) struct SegmentWriter {
    folder: PathBuf,
    name: String,
    width: usize,
    vectors: ChecksumFile,
    texts: StringsWriter,
    ids: StringsWriter,
    /// The row of every id; of an id that was added twice, the later one.
    by_id: HashMap<String, u32>,
    rows: u32,
    /// By column.
    values: Vec<Vec<Option<Value>>>,
    kinds: Vec<ColumnKind>,
    text_columns: usize,
}

impl SegmentWriter {
    /// Begins a segment in a new folder of the index.
    pub(super) fn create(
        index: &Path,
        name: String,
        settings: &Settings,
    ) -> Result<Self, IndexError> {
        let folder = index.join(&name);
        std::fs::create_dir(&folder).map_err(IndexError::io("create", &folder))?;
        let kinds: Vec<_> = settings.filter_columns.iter().map(|c| c.kind).collect();
        Ok(Self {
            vectors: ChecksumFile::create(&folder, names::VECTORS)?,
            texts: StringsWriter::create(&folder, names::TEXTS)?,
            ids: StringsWriter::create(&folder, names::IDS)?,
            by_id: HashMap::new(),
            rows: 0,
            values: vec![Vec::new(); kinds.len()],
            kinds,
            text_columns: settings.text_columns.len(),
            width: settings.width,
            folder,
            name,
        })
    }

    /// Rows so far.
    pub(super) fn rows(&self) -> u32 {
        self.rows
    }

    /// Bytes of texts so far, by which the memory for words grows.
    pub(super) fn text_bytes(&self) -> u64 {
        self.texts.bytes()
    }

    /// Adds a row. The document fits the settings, and the vector is normalized.
    pub(super) fn push(&mut self, document: &Document, vector: &[f32]) -> Result<u32, IndexError> {
        let row = self.rows;
        if cfg!(target_endian = "little") {
            self.vectors.append(bytemuck::cast_slice(vector))?;
        } else {
            for value in vector {
                self.vectors.append(&value.to_le_bytes())?;
            }
        }
        for text in &document.texts {
            self.texts.push(text)?;
        }
        self.ids.push(&document.id)?;
        for (column, value) in self.values.iter_mut().zip(&document.values) {
            column.push(value.clone());
        }
        self.by_id.insert(document.id.clone(), row);
        self.rows += 1;
        Ok(row)
    }

    /// The row that has an id.
    pub(super) fn find(&self, id: &str) -> Option<u32> {
        self.by_id.get(id).copied()
    }

    /// Forgets an id, whose row is deleted.
    pub(super) fn forget(&mut self, id: &str) {
        self.by_id.remove(id);
    }

    /// The texts of a row.
    pub(super) fn texts(&mut self, row: u32) -> Result<Vec<String>, IndexError> {
        let first = row as usize * self.text_columns;
        (first..first + self.text_columns)
            .map(|number| self.texts.read_back(number))
            .collect()
    }

    /// The values of a row.
    pub(super) fn values(&self, row: u32) -> Vec<Option<Value>> {
        self.values
            .iter()
            .map(|column| column.get(row as usize).cloned().flatten())
            .collect()
    }

    /// The vector of a row.
    pub(super) fn vector(&mut self, row: u32) -> Result<Vec<f32>, IndexError> {
        let mut bytes = vec![0; self.width * VALUE];
        let start = u64::from(row) * bytes.len() as u64;
        self.vectors.read_back(start, &mut bytes)?;
        let (values, _) = bytes.as_chunks::<VALUE>();
        Ok(values
            .iter()
            .map(|value| f32::from_le_bytes(*value))
            .collect())
    }

    /// Writes what is left and syncs the segment to the disk.
    pub(super) fn finish(self) -> Result<SegmentEntry, IndexError> {
        let Self { folder, .. } = self;
        let mut ids = KeysBuilder::default();
        for (id, row) in &self.by_id {
            ids.push(id, *row);
        }
        let mut files = vec![
            self.vectors.finish()?,
            self.texts.finish()?,
            self.ids.finish()?,
            ids.write(&folder, names::ID_KEYS)?,
        ];
        for (number, (values, kind)) in self.values.into_iter().zip(self.kinds).enumerate() {
            if kind == ColumnKind::Key {
                let mut keys = KeysBuilder::default();
                for (row, value) in (0..).zip(&values) {
                    if let Some(Value::Text(key)) = value {
                        keys.push(key, row);
                    }
                }
                files.push(keys.write(&folder, &names::column_keys(number))?);
            }
            let mut column = ColumnBuilder::default();
            for value in values {
                column.push(value);
            }
            let mut file = ChecksumFile::create(&folder, &names::column(number))?;
            let path = file.path();
            column
                .write(&mut file)
                .map_err(IndexError::io("write", &path))?;
            files.push(file.finish()?);
        }
        sync_folder(&folder)?;
        Ok(SegmentEntry {
            name: self.name,
            rows: self.rows,
            deleted: None,
            files,
        })
    }
}
