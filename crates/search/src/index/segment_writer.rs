//! Writes a new segment, row by row. Vectors, texts and ids go straight to their files.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::filter::{ColumnBuilder, FilterColumn, Value};
use crate::index::document::Document;
use crate::index::error::IndexError;
use crate::index::files::{ChecksumFile, FileEntry, entries_of, map_path};
use crate::index::keys::KeysBuilder;
use crate::index::manifest::SegmentEntry;
use crate::index::names;
use crate::index::recall;
use crate::index::settings::Settings;
use crate::index::strings::StringsWriter;
use crate::vectors::{Codes, Rows, Similarity, VectorIndex, VectorsView};
use crate::words::WordsWriter;

/// A segment that is not whole yet.
pub(super) struct SegmentWriter {
    folder: PathBuf,
    name: String,
    width: usize,
    vectors: ChecksumFile,
    texts: StringsWriter,
    ids: StringsWriter,
    words: WordsWriter,
    /// The row of every id; of an id that was added twice, the later one.
    by_id: HashMap<String, u32>,
    rows: u32,
    /// By column.
    values: Vec<Vec<Option<Value>>>,
    columns: Vec<FilterColumn>,
    text_columns: usize,
    similarity: Similarity,
    /// Bytes of texts and values.
    text_bytes: u64,
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
        let columns = settings.filter_columns.clone();
        Ok(Self {
            vectors: ChecksumFile::create(&folder, names::VECTORS)?,
            texts: StringsWriter::create(&folder, names::TEXTS)?,
            ids: StringsWriter::create(&folder, names::IDS)?,
            words: WordsWriter::create(&folder.join(names::WORDS), &settings.words())?,
            by_id: HashMap::new(),
            rows: 0,
            values: vec![Vec::new(); columns.len()],
            columns,
            text_columns: settings.text_columns.len(),
            similarity: settings.similarity,
            text_bytes: 0,
            width: settings.width,
            folder,
            name,
        })
    }

    /// Rows so far.
    pub(super) fn rows(&self) -> u32 {
        self.rows
    }

    /// Bytes of texts and values so far, by which the memory grows.
    pub(super) fn text_bytes(&self) -> u64 {
        self.text_bytes
    }

    /// Adds a row. The document fits the settings, and the vector is normalized.
    pub(super) fn push(&mut self, document: &Document, vector: &[f32]) -> Result<u32, IndexError> {
        let row = self.rows;
        self.vectors.append(bytemuck::cast_slice(vector))?;
        for text in &document.texts {
            self.texts.push(text)?;
            self.text_bytes += text.len() as u64;
        }
        let texts: Vec<&str> = document.texts.iter().map(String::as_str).collect();
        self.words.add(&texts)?;
        self.ids.push(&document.id)?;
        for (column, value) in self.values.iter_mut().zip(&document.values) {
            if let Some(Value::Text(text)) = value {
                self.text_bytes += text.len() as u64;
            }
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
        let mut vector = vec![0.0; self.width];
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut vector);
        let start = u64::from(row) * bytes.len() as u64;
        self.vectors.read_back(start, bytes)?;
        Ok(vector)
    }

    /// Writes what is left. The files are not synced to the disk yet.
    pub(super) fn finish(mut self) -> Result<SegmentEntry, IndexError> {
        let mut files = self.write_codes()?;
        let Self { folder, .. } = self;
        let mut ids = KeysBuilder::default();
        for (id, row) in &self.by_id {
            ids.push(id, *row);
        }
        files.extend([
            self.vectors.finish()?,
            self.texts.finish()?,
            self.ids.finish()?,
            ids.write(&folder, names::ID_KEYS)?,
        ]);
        for (number, (values, column)) in self.values.into_iter().zip(self.columns).enumerate() {
            files.push(write_column(&folder, number, values, column)?);
        }
        self.words.finish()?;
        files.extend(entries_of(&folder, names::WORDS)?);
        Ok(SegmentEntry {
            name: self.name,
            rows: self.rows,
            deleted: None,
            files,
        })
    }

    /// Writes the codes, and how well the fast search by them finds.
    fn write_codes(&mut self) -> Result<Vec<FileEntry>, IndexError> {
        self.vectors.flush_buffer()?;
        let path = self.vectors.path();
        let not_rows = |_| IndexError::damaged(&path, "its size is not that of its rows");
        let rows = Rows::mapped(map_path(&path)?).map_err(not_rows)?;
        let view = VectorsView::new(&rows, self.width).map_err(not_rows)?;
        let codes = Codes::of(view, self.similarity);
        let mut file = ChecksumFile::create(&self.folder, names::CODES)?;
        let codes_path = file.path();
        codes
            .write(&mut file)
            .map_err(IndexError::io("write", &codes_path))?;
        let mut files = vec![file.finish()?];
        if codes.one_bit_bytes() > 0 {
            let index = VectorIndex::from_parts(rows, self.width, self.similarity, codes)
                .map_err(not_rows)?;
            let table = recall::measure(&index).map_err(not_rows)?;
            let mut file = ChecksumFile::create(&self.folder, names::RECALL)?;
            file.append(&recall::to_bytes(&table))?;
            files.push(file.finish()?);
        }
        Ok(files)
    }
}

fn write_column(
    folder: &Path,
    number: usize,
    values: Vec<Option<Value>>,
    column: FilterColumn,
) -> Result<FileEntry, IndexError> {
    let mut builder = ColumnBuilder::new(column.kind);
    for value in values {
        builder.push(value).map_err(|source| IndexError::Column {
            column: column.name.clone(),
            source,
        })?;
    }
    let mut file = ChecksumFile::create(folder, &names::column(number))?;
    let path = file.path();
    builder
        .finish()
        .write(&mut file)
        .map_err(IndexError::io("write", &path))?;
    file.finish()
}
