//! The iterator over the rows of a file of any format.

use std::io::Read;

use crate::Row;
use crate::columns::Choice;
use crate::error::ReadError;
use crate::format::Format;
use crate::input::Input;
use crate::parquet_file::ParquetRows;
use crate::source::Source;
use crate::streamed::{StreamedFormat, StreamedRows};

/// Options of a [`RowReader`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReaderOptions {
    /// Format; `None` takes it from the file name ([`Format::from_path`]), and takes standard input
    /// as plain text.
    pub format: Option<Format>,
    /// Columns of the text; empty for the default column, see [the crate](crate#columns).
    pub columns: Vec<String>,
    /// Column of the id; `None` reads no ids.
    pub id_column: Option<String>,
    /// Skip and count bad rows instead of returning their errors.
    pub skip_bad_rows: bool,
}

/// Reads rows one at a time.
///
/// As an iterator it yields each row, or the error of a bad row, and continues with the next row. It
/// ends after any other error ([`ReadError::is_row`] tells them apart).
pub struct RowReader {
    rows: Rows,
    columns: Vec<String>,
    skip_bad_rows: bool,
    skipped: u64,
    first_skipped: Option<ReadError>,
    ended: bool,
}

enum Rows {
    Streamed(StreamedRows),
    Parquet(Box<ParquetRows>),
}

impl RowReader {
    /// Opens a file, or standard input, and determines the columns to read.
    ///
    /// # Errors
    ///
    /// - The source cannot be opened or read.
    /// - Columns are selected of a plain-text file.
    /// - The header is missing or lacks a selected column.
    /// - The first row of JSON Lines must determine the columns but is bad.
    /// - Parquet does not come from a plain file, or a selected column cannot become text.
    pub fn open(source: &Source, options: &ReaderOptions) -> Result<Self, ReadError> {
        Self::of_source(source, options, choice(options, Choice::Default))
    }

    /// As [`Self::open`], but without named columns it reads every column except the id;
    /// [`Self::columns`] lists them. In JSON Lines these are the keys with strings in the first row,
    /// in Parquet the columns of texts.
    ///
    /// # Errors
    ///
    /// As [`Self::open`].
    pub fn open_every_column(source: &Source, options: &ReaderOptions) -> Result<Self, ReadError> {
        Self::of_source(source, options, choice(options, Choice::EveryText))
    }

    /// As [`Self::open_every_column`], also with numbers and booleans.
    ///
    /// JSON Lines: every key with a string, number or boolean in the first row, in that order; a row
    /// that lacks one of them is bad. Parquet: every column of texts, numbers or booleans. CSV and
    /// TSV: every column. Plain text has no columns: its rows have one field.
    ///
    /// # Errors
    ///
    /// As [`Self::open`].
    pub fn open_every_scalar(source: &Source, options: &ReaderOptions) -> Result<Self, ReadError> {
        Self::of_source(source, options, choice(options, Choice::EveryScalar))
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
        let Some(format) = streamed(format(name, options)) else {
            return Err(ReadError::ParquetNotPlainFile { file: name.clone() });
        };
        let input = Input::new(name.clone(), bytes, None)?;
        let choice = choice(options, Choice::Default);
        Self::of_stream(input, format, options, &choice)
    }

    fn of_source(
        source: &Source,
        options: &ReaderOptions,
        choice: Choice,
    ) -> Result<Self, ReadError> {
        if let Some(format) = streamed(format(source, options)) {
            return Self::of_stream(Input::open(source)?, format, options, &choice);
        }
        let rows = ParquetRows::open(source, &choice, options.id_column.as_deref())?;
        let columns = rows.columns();
        Ok(Self {
            columns,
            ..Self::new(Rows::Parquet(Box::new(rows)), options)
        })
    }

    fn of_stream(
        input: Input,
        format: StreamedFormat,
        options: &ReaderOptions,
        choice: &Choice,
    ) -> Result<Self, ReadError> {
        let mut rows = StreamedRows::open(input, format, choice, options.id_column.as_deref())?;
        let mut skipped = 0;
        let mut first_skipped = None;
        while let Err(error) = rows.settle(choice) {
            if !(options.skip_bad_rows && error.is_row()) {
                return Err(error);
            }
            skipped += 1;
            first_skipped.get_or_insert(error);
        }
        let columns = rows.columns();
        Ok(Self {
            columns,
            skipped,
            first_skipped,
            ..Self::new(Rows::Streamed(rows), options)
        })
    }

    fn new(rows: Rows, options: &ReaderOptions) -> Self {
        Self {
            rows,
            columns: Vec::new(),
            skip_bad_rows: options.skip_bad_rows,
            skipped: 0,
            first_skipped: None,
            ended: false,
        }
    }

    /// The columns that become [`Row::fields`], in that order. Empty for plain text, whose rows have
    /// one field, and for JSON Lines without a row to determine them.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Number of bad rows skipped so far.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// The error of the first skipped row.
    #[must_use]
    pub fn first_skipped(&self) -> Option<&ReadError> {
        self.first_skipped.as_ref()
    }

    /// Bytes of the file read so far, including read-ahead; of a gzipped file, compressed bytes; of
    /// Parquet, the size of the file times the share of its rows read so far.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        match &self.rows {
            Rows::Streamed(rows) => rows.bytes_read(),
            Rows::Parquet(rows) => rows.bytes_read(),
        }
    }

    /// Size of the file in bytes, the end of [`Self::bytes_read`]; `None` for standard input and pipes.
    #[must_use]
    pub fn total_bytes(&self) -> Option<u64> {
        match &self.rows {
            Rows::Streamed(rows) => rows.total_bytes(),
            Rows::Parquet(rows) => Some(rows.total_bytes()),
        }
    }

    fn next_row(&mut self) -> Result<Option<Row>, ReadError> {
        match &mut self.rows {
            Rows::Streamed(rows) => rows.next(),
            Rows::Parquet(rows) => rows.next(),
        }
    }
}

/// The columns that the options name, else `unnamed`.
fn choice(options: &ReaderOptions, unnamed: Choice) -> Choice {
    if options.columns.is_empty() {
        unnamed
    } else {
        Choice::Named(options.columns.clone())
    }
}

fn format(source: &Source, options: &ReaderOptions) -> Format {
    options.format.unwrap_or_else(|| match source {
        Source::Stdin => Format::Text,
        Source::File(path) => Format::from_path(path),
    })
}

/// `None` for Parquet, the only format that does not stream from front to back.
fn streamed(format: Format) -> Option<StreamedFormat> {
    match format {
        Format::Text => Some(StreamedFormat::Text),
        Format::Csv => Some(StreamedFormat::Csv),
        Format::Tsv => Some(StreamedFormat::Tsv),
        Format::Jsonl => Some(StreamedFormat::Jsonl),
        Format::Parquet => None,
    }
}

impl Iterator for RowReader {
    type Item = Result<Row, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.ended {
            match self.next_row() {
                Ok(Some(row)) => return Some(Ok(row)),
                Err(error) if error.is_row() && self.skip_bad_rows => {
                    self.skipped += 1;
                    self.first_skipped.get_or_insert(error);
                }
                Err(error) if error.is_row() => return Some(Err(error)),
                Err(error) => {
                    self.ended = true;
                    return Some(Err(error));
                }
                Ok(None) => self.ended = true,
            }
        }
        None
    }
}

impl std::iter::FusedIterator for RowReader {}
