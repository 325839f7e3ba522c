//! All rows in memory, compactly.

use std::collections::HashMap;
use std::sync::OnceLock;

use burn::data::dataset::Dataset;
use records::Source;

use super::error::DataError;
use super::hash::{hash_normalised, hash_text};
use super::kind::RowKind;
use super::tagged::Annotations;
use super::vectors::TextVectors;

/// Rows of texts of one [`RowKind`], at least one of them.
///
/// # Memory
///
/// The texts of all rows are concatenated in one string. A row takes, on a 64-bit machine:
///
/// | part of a row | bytes |
/// | --- | --- |
/// | texts, as UTF-8 | their length |
/// | end of each text | 8 per text |
/// | line number | 8 |
/// | score or label, if any | 4 per number |
/// | group, if any | 8 |
/// | places of a guide's vectors, if any | 8 per text |
///
/// A million pairs of 200 bytes take 224 MB. While a table is read its buffers double as they fill, so
/// it takes up to three times as much; afterwards they shrink to size. Repeated texts are stored each
/// time.
///
/// # burn
///
/// A table is a [`Dataset`] of [`Example`]s, as burn's data loaders take it.
#[derive(Debug)]
pub struct TextTable {
    kind: RowKind,
    /// The texts of all rows, row by row.
    texts: String,
    /// End of each text in `texts`, in bytes.
    ends: Vec<usize>,
    /// As many per row as its kind has.
    targets: Vec<f32>,
    /// Hashes of the groups: one per row, or empty.
    groups: Vec<u64>,
    lines: Vec<u64>,
    files: Vec<FileStart>,
    first_skipped: Option<Box<DataError>>,
    /// Whether a file was read with the given columns.
    pub(super) used_given: bool,
    /// The columns of every file, if each of their texts is a row; none for plain text.
    pub(super) columns_of_texts: Vec<Vec<String>>,
    /// The spans of all texts, of [`RowKind::Tagged`].
    pub(crate) annotations: Annotations,
    /// The vectors of all texts, which take the place of targets in a batch.
    pub(super) vectors: OnceLock<TextVectors>,
}

/// The rows from `first_row` up to those of the next file come from `file`.
#[derive(Debug)]
struct FileStart {
    first_row: usize,
    file: Source,
    /// Number of its bad rows that were skipped.
    skipped: u64,
}

/// A row that owns its texts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Example {
    /// Anchor, positive, negatives.
    pub texts: Vec<String>,
    /// The score, or the label as 0 or 1.
    pub target: Option<f32>,
}

/// A row of a table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row<'a> {
    table: &'a TextTable,
    row: usize,
}

impl<'a> Row<'a> {
    /// Row number in the table, from 0.
    #[must_use]
    pub(crate) fn number(&self) -> usize {
        self.row
    }

    /// Anchor, positive, negatives.
    pub(crate) fn texts(&self) -> impl ExactSizeIterator<Item = &'a str> + use<'a> {
        let Self { table, row } = *self;
        (0..table.text_columns()).map(move |column| table.text(row, column))
    }

    /// The score, or the label as 0 or 1; the first of several scores.
    #[must_use]
    pub(crate) fn target(&self) -> Option<f32> {
        self.targets().first().copied()
    }

    /// The scores, or the label as 0 or 1.
    #[must_use]
    pub(crate) fn targets(&self) -> &'a [f32] {
        let count = self.table.targets.len() / self.table.len();
        &self.table.targets[self.row * count..][..count]
    }

    /// Hash of the group, equal for equal groups.
    #[must_use]
    pub(crate) fn group(&self) -> Option<u64> {
        self.table.groups.get(self.row).copied()
    }

    /// The line of the file that the row starts on, from 1. In Parquet, and for rows that come from no
    /// file, the number of the row, from 1.
    #[must_use]
    pub(crate) fn line(&self) -> u64 {
        self.table.lines[self.row]
    }

    /// The file of the row.
    #[must_use]
    pub(crate) fn file(&self) -> Option<&'a Source> {
        let files = &self.table.files;
        let behind = files.partition_point(|start| start.first_row <= self.row);
        files[..behind].last().map(|start| &start.file)
    }
}

impl TextTable {
    /// A table of rows of this kind that come from no file.
    ///
    /// # Errors
    ///
    /// [`DataError::NoRows`] without rows.
    pub(crate) fn from_rows(
        kind: RowKind,
        rows: impl IntoIterator<Item = Example>,
    ) -> Result<Self, DataError> {
        let mut table = Self::new(kind);
        for (line, row) in (1..).zip(rows) {
            let target = row.target.as_slice();
            table.push(row.texts.iter().map(String::as_str), target, None, line);
        }
        table.finish(&[])
    }

    /// The same rows with a group each.
    #[cfg(test)]
    pub(crate) fn with_groups<'g>(mut self, groups: impl IntoIterator<Item = &'g str>) -> Self {
        self.groups = groups.into_iter().map(hash_text).collect();
        assert_eq!(self.groups.len(), self.len());
        self
    }

    /// Kind of the rows.
    #[must_use]
    pub(crate) fn kind(&self) -> RowKind {
        self.kind
    }

    /// Number of texts in every row, at least 1.
    #[must_use]
    pub(crate) fn text_columns(&self) -> usize {
        self.kind.text_columns()
    }

    /// Number of rows, at least 1.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether the table is empty: never, for a table that was read or built.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// A row, from 0.
    ///
    /// # Panics
    ///
    /// If `row` is not below [`len`](Self::len); [`Dataset::get`] returns `None` instead.
    #[must_use]
    pub(crate) fn row(&self, row: usize) -> Row<'_> {
        assert!(row < self.len(), "row {row} of {}", self.len());
        Row { table: self, row }
    }

    /// The rows in order.
    pub(crate) fn rows(&self) -> impl ExactSizeIterator<Item = Row<'_>> {
        (0..self.len()).map(|row| Row { table: self, row })
    }

    /// A text: column 0 is the anchor, 1 the positive, higher ones are negatives.
    ///
    /// # Panics
    ///
    /// If the row or column does not exist.
    #[must_use]
    pub(crate) fn text(&self, row: usize, column: usize) -> &str {
        let columns = self.text_columns();
        assert!(column < columns, "text column {column} of {columns}");
        let cell = row * columns + column;
        let start = cell.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.texts[start..self.ends[cell]]
    }

    /// The hashes of the groups of all rows, in order; empty without groups.
    #[must_use]
    pub(crate) fn groups(&self) -> &[u64] {
        &self.groups
    }

    /// The scores or labels of some rows, row by row; empty if rows have none.
    ///
    /// # Panics
    ///
    /// If a row does not exist.
    #[must_use]
    pub(crate) fn targets(&self, rows: &[usize]) -> Vec<f32> {
        let targets = rows.iter().map(|&row| self.row(row).targets());
        targets.collect::<Vec<_>>().concat()
    }

    /// Whether a file was read with the given columns, not with inferred ones.
    #[must_use]
    pub(crate) fn used_given_columns(&self) -> bool {
        self.used_given
    }

    /// How often the most frequent text of a column occurs in `rows`, and the number of distinct texts,
    /// ignoring case and white space.
    pub(crate) fn repetitions(&self, rows: &[usize], column: usize) -> (usize, usize) {
        let mut counts: HashMap<u64, usize> = HashMap::new();
        for &row in rows {
            *counts
                .entry(hash_normalised(self.text(row, column)))
                .or_default() += 1;
        }
        (counts.values().copied().max().unwrap_or(0), counts.len())
    }

    /// Number of bad rows skipped while reading.
    #[must_use]
    pub(crate) fn skipped(&self) -> u64 {
        self.files.iter().map(|start| start.skipped).sum()
    }

    /// The files, in order, with the numbers of their rows and of their skipped bad rows.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&Source, usize, u64)> {
        let ends = self.files.iter().skip(1).map(|start| start.first_row);
        self.files
            .iter()
            .zip(ends.chain([self.len()]))
            .map(|(start, end)| (&start.file, end - start.first_row, start.skipped))
    }

    /// What is said of rows that were skipped, if any were.
    pub(crate) fn note_of_skipped(&self, what: &str) -> Option<String> {
        let first = self.first_skipped()?;
        Some(format!(
            "skipped {} {what}; the first: {first}",
            self.skipped()
        ))
    }

    /// Error of the first skipped row.
    #[must_use]
    pub(crate) fn first_skipped(&self) -> Option<&DataError> {
        self.first_skipped.as_deref()
    }

    /// An empty table.
    pub(super) fn new(kind: RowKind) -> Self {
        Self {
            kind,
            texts: String::new(),
            ends: Vec::new(),
            targets: Vec::new(),
            groups: Vec::new(),
            lines: Vec::new(),
            files: Vec::new(),
            first_skipped: None,
            used_given: false,
            columns_of_texts: Vec::new(),
            annotations: Annotations::default(),
            vectors: OnceLock::new(),
        }
    }

    /// Sets the file of the rows that are pushed and skipped next.
    pub(super) fn begin_file(&mut self, file: Source) {
        self.files.push(FileStart {
            first_row: self.len(),
            file,
            skipped: 0,
        });
    }

    /// Adds a checked row.
    pub(super) fn push<'t>(
        &mut self,
        texts: impl Iterator<Item = &'t str>,
        targets: &[f32],
        group: Option<&str>,
        line: u64,
    ) {
        for text in texts {
            self.texts.push_str(text);
            self.ends.push(self.texts.len());
        }
        self.targets.extend_from_slice(targets);
        self.groups.extend(group.map(hash_text));
        self.lines.push(line);
    }

    /// Counts a skipped row of the last file.
    pub(super) fn skip(&mut self, error: DataError) {
        self.count_skipped(1);
        self.first_skipped.get_or_insert_with(|| Box::new(error));
    }

    /// Counts skipped rows of the last file without their errors.
    pub(super) fn count_skipped(&mut self, rows: u64) {
        if let Some(start) = self.files.last_mut() {
            start.skipped += rows;
        }
    }

    pub(super) fn check_kind(&self, file: &Source, found: RowKind) -> Result<(), DataError> {
        if found == self.kind {
            return Ok(());
        }
        Err(DataError::Kind {
            file: file.clone(),
            found,
            expected: self.kind,
        })
    }

    /// The table, if it has rows; `files` are for the error.
    pub(super) fn finish(mut self, files: &[Source]) -> Result<Self, DataError> {
        if self.is_empty() {
            return Err(DataError::NoRows {
                files: files.to_vec(),
                skipped: self.skipped(),
                first_skipped: self.first_skipped,
            });
        }
        self.cut_to_size();
        Ok(self)
    }

    fn cut_to_size(&mut self) {
        self.texts.shrink_to_fit();
        self.ends.shrink_to_fit();
        self.targets.shrink_to_fit();
        self.groups.shrink_to_fit();
        self.lines.shrink_to_fit();
    }
}

impl Dataset<Example> for TextTable {
    fn get(&self, index: usize) -> Option<Example> {
        let row = (index < self.len()).then(|| self.row(index))?;
        Some(Example {
            texts: row.texts().map(str::to_owned).collect(),
            target: row.target(),
        })
    }

    fn len(&self) -> usize {
        self.len()
    }
}

#[cfg(test)]
pub(super) use tests::bytes_held;
#[cfg(test)]
mod tests;
