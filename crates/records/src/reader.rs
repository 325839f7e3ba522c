//! The iterator over the rows of files of any format.

mod open;
mod step;

use std::io::Read;

use crate::Row;
use crate::columns::{Choice, Selection};
use crate::error::{Numbering, ReadError};
use crate::input::Input;
use crate::notes::Note;
use crate::options::ReaderOptions;
use crate::row_source::RowSource;
use crate::source::Source;
use open::{Opened, of_input, open_file};

/// One row in this many makes a note on HTML.
const HTML_SHARE: u64 = 10;

/// Reads the rows of one file or of several, one at a time.
///
/// As an iterator it yields each row, or the error of a bad row, and continues with the next row. It
/// ends after any other error ([`ReadError::is_row`] tells them apart).
pub struct RowReader {
    sources: Vec<Source>,
    options: ReaderOptions,
    selection: Selection,
    /// The file that is being read.
    file: usize,
    rows: Box<dyn RowSource>,
    columns: Vec<String>,
    numbering: Numbering,
    /// Sizes of the files before it, and of all files.
    bytes_before: u64,
    total_bytes: Option<u64>,
    counts: Counts,
    first_skipped: Option<ReadError>,
    notes: Vec<Note>,
    ended: bool,
}

/// Numbers of rows so far.
#[derive(Default)]
struct Counts {
    /// All data rows.
    rows: u64,
    /// Rows that could be read.
    good: u64,
    bad: u64,
    /// Good rows without any text.
    empty: u64,
    /// Good rows without a text, by column.
    missing: Vec<u64>,
    /// Good rows with HTML.
    html: u64,
    /// Which columns of JSON any row had.
    seen: Vec<bool>,
}

impl RowReader {
    /// Opens a file, or standard input, and determines the columns to read.
    ///
    /// # Errors
    ///
    /// - The source cannot be opened or read, or its format is unknown.
    /// - Columns are selected of a plain-text file.
    /// - The header, or every row of JSON, lacks a selected column.
    /// - Parquet does not come from a plain file, or a selected column cannot become text.
    pub fn open(source: &Source, options: &ReaderOptions) -> Result<Self, ReadError> {
        Self::open_all(std::slice::from_ref(source), options)
    }

    /// As [`Self::open`], for several sources with the same columns, which are read in order. Without
    /// named columns those of the first one are read of all. Opens every file once, so that one without
    /// the columns is found before the first row.
    ///
    /// # Errors
    ///
    /// As [`Self::open`]; also without any source.
    pub fn open_all(sources: &[Source], options: &ReaderOptions) -> Result<Self, ReadError> {
        Self::of_sources(sources, options, Choice::Default)
    }

    /// As [`Self::open_all`], but without named columns it reads every column except the id;
    /// [`Self::columns`] lists them. In JSON these are the keys with strings in the first rows, in
    /// Parquet the columns of texts.
    ///
    /// # Errors
    ///
    /// As [`Self::open_all`].
    pub fn open_every_column(
        sources: &[Source],
        options: &ReaderOptions,
    ) -> Result<Self, ReadError> {
        Self::of_sources(sources, options, Choice::EveryText)
    }

    /// As [`Self::open_every_column`] for one source, also with numbers and booleans.
    ///
    /// JSON: every key with a string, number or boolean, in the order of the first rows. Parquet: every
    /// column of texts, numbers or booleans. CSV and TSV: every column. Plain text has no columns: its
    /// rows have one field.
    ///
    /// # Errors
    ///
    /// As [`Self::open`].
    pub fn open_every_scalar(source: &Source, options: &ReaderOptions) -> Result<Self, ReadError> {
        Self::of_sources(std::slice::from_ref(source), options, Choice::EveryScalar)
    }

    /// Reads `bytes` as if they were the file `name`, which determines the format and appears in
    /// errors.
    ///
    /// # Errors
    ///
    /// As [`Self::open`]; always for Parquet, which does not stream from front to back.
    pub fn from_reader(
        name: &Source,
        bytes: impl Read + Send + 'static,
        options: &ReaderOptions,
    ) -> Result<Self, ReadError> {
        let selection = Selection::new(options, Choice::Default);
        let input = Input::new(name.clone(), bytes, None, options.encoding)?;
        let opened = of_input(input, options, &selection, false, true)?;
        Ok(Self::new(vec![name.clone()], options, selection, opened))
    }

    fn of_sources(
        sources: &[Source],
        options: &ReaderOptions,
        unnamed: Choice,
    ) -> Result<Self, ReadError> {
        let mut selection = Selection::new(options, unnamed);
        let [first, others @ ..] = sources else {
            return Err(ReadError::Pattern {
                pattern: "-".to_owned(),
                reason: "no file to read".to_owned(),
            });
        };
        let opened = open_file(first, options, &selection, others.is_empty())?;
        let selected = opened.rows.selected();
        if let Some(columns) = selected.names.get(..selected.texts)
            && !columns.is_empty()
        {
            selection.choice = Choice::Named(columns.to_vec());
        }
        for source in others.iter().filter(|source| source.is_regular_file()) {
            open_file(source, options, &selection, false)?;
        }
        Ok(Self::new(sources.to_vec(), options, selection, opened))
    }

    fn new(
        sources: Vec<Source>,
        options: &ReaderOptions,
        selection: Selection,
        opened: Opened,
    ) -> Self {
        let selected = opened.rows.selected();
        let columns: Vec<String> = selected
            .names
            .iter()
            .take(selected.texts)
            .cloned()
            .collect();
        let size = |source: &Source| match source {
            Source::File(path) => {
                let metadata = std::fs::metadata(path).ok()?;
                metadata.is_file().then_some(metadata.len())
            }
            Source::Stdin => None,
        };
        let others = sources.iter().skip(1).map(size);
        let total_bytes = std::iter::once(opened.rows.total_bytes())
            .chain(others)
            .sum();
        Self {
            sources,
            options: options.clone(),
            selection,
            file: 0,
            counts: Counts {
                missing: vec![0; columns.len()],
                ..Counts::default()
            },
            rows: opened.rows,
            columns,
            numbering: opened.numbering,
            bytes_before: 0,
            total_bytes,
            first_skipped: None,
            notes: opened.notes,
            ended: false,
        }
    }

    /// The columns that become [`Row::fields`], in that order. Empty for plain text, whose rows have
    /// one field, and for JSON without a row to determine them.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The sources, in the order in which they are read; [`Row::file`] is a position in it.
    #[must_use]
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// Whether [`Row::line`] counts lines or rows, in the file that is being read.
    #[must_use]
    pub fn numbering(&self) -> Numbering {
        self.numbering
    }

    /// Whether the same rows can be read again: no source is standard input or a pipe.
    #[must_use]
    pub fn can_be_read_again(&self) -> bool {
        self.sources.iter().all(Source::is_regular_file)
    }

    /// Number of bad rows skipped so far.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.counts.bad
    }

    /// The error of the first skipped row.
    #[must_use]
    pub fn first_skipped(&self) -> Option<&ReadError> {
        self.first_skipped.as_ref()
    }

    /// Notes about the files so far; complete after the last row.
    #[must_use]
    pub fn notes(&self) -> Vec<Note> {
        let Counts {
            good,
            bad,
            empty,
            html,
            ref missing,
            ..
        } = self.counts;
        let mut notes = self.notes.clone();
        notes.extend(self.rows.notes());
        let columns = self.columns.iter().cloned().zip(missing.iter().copied());
        let columns: Vec<_> = columns.filter(|(_, missing)| *missing > 0).collect();
        if !columns.is_empty() {
            notes.push(Note::Missing {
                columns,
                rows: good,
            });
        }
        if empty > 0 && self.options.skip_empty_rows {
            notes.push(Note::Empty { skipped: empty });
        }
        if let Some(first) = &self.first_skipped {
            notes.push(Note::Skipped {
                skipped: bad,
                first: first.to_string(),
            });
        }
        if html > 0 && html >= good / HTML_SHARE {
            notes.push(Note::Html {
                found: html,
                rows: good,
            });
        }
        notes
    }

    /// Bytes of the files read so far, including read-ahead; of a compressed file, compressed bytes; of
    /// Parquet, the size of the file times the share of its rows read so far.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.bytes_before + self.rows.bytes_read()
    }

    /// Size of the files in bytes, the end of [`Self::bytes_read`]; `None` for standard input and pipes.
    #[must_use]
    pub fn total_bytes(&self) -> Option<u64> {
        self.total_bytes
    }
}

impl Iterator for RowReader {
    type Item = Result<Row, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.ended {
            match self.step() {
                Ok(Some(row)) => return Some(Ok(row)),
                Ok(None) => {}
                Err(error) if error.is_row() && self.options.skip_bad_rows => {
                    self.counts.bad += 1;
                    self.first_skipped.get_or_insert(error);
                }
                Err(error) => {
                    self.ended = !error.is_row();
                    return Some(Err(error));
                }
            }
        }
        None
    }
}

impl std::iter::FusedIterator for RowReader {}
