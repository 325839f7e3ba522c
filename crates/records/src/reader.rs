//! The iterator over the records of a file, whatever its format.

use std::io::Read;

use crate::Record;
use crate::columns::Choice;
use crate::error::RecordError;
use crate::format::Format;
use crate::input::Input;
use crate::parquet_file::ParquetRows;
use crate::source::Source;
use crate::streamed::{StreamedFormat, StreamedRows};

/// How a file is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReaderOptions {
    /// Its format; `None` goes by its name ([`Format::from_path`]), and takes standard input for
    /// lines.
    pub format: Option<Format>,
    /// The columns of the text; empty for the default one, see [the crate](crate#columns).
    pub columns: Vec<String>,
    /// The column of the id.
    pub id_column: Option<String>,
    /// Skip and count bad rows instead of giving their errors.
    pub skip_bad_rows: bool,
}

/// Reads records a row at a time.
///
/// As an iterator it gives every record, or the error of a bad row, behind which it goes on; after
/// an error that is not of a row ([`RecordError::is_row`]) it ends.
pub struct RecordReader {
    rows: Rows,
    columns: Vec<String>,
    skip_bad_rows: bool,
    skipped: u64,
    first_skipped: Option<RecordError>,
    ended: bool,
}

enum Rows {
    Streamed(StreamedRows),
    Parquet(Box<ParquetRows>),
}

impl RecordReader {
    /// Opens a file, or standard input, and settles which columns are read.
    ///
    /// # Errors
    ///
    /// When it cannot be opened or read, when columns are asked of a file of lines, when the header
    /// is missing or does not fit the columns, when the first row of JSON Lines must tell the
    /// column but is bad, and when Parquet does not come from a plain file or the chosen columns
    /// hold what cannot become texts.
    pub fn open(source: &Source, options: &ReaderOptions) -> Result<Self, RecordError> {
        Self::of_source(source, options, choice(options, Choice::Default))
    }

    /// As [`Self::open`], but without named columns every column that is not the id is read;
    /// [`Self::columns`] tells which they are. In JSON Lines those are the keys that have
    /// strings in the first row, in Parquet the columns of texts.
    ///
    /// # Errors
    ///
    /// As [`Self::open`].
    pub fn open_every_column(
        source: &Source,
        options: &ReaderOptions,
    ) -> Result<Self, RecordError> {
        Self::of_source(source, options, choice(options, Choice::EveryText))
    }

    /// As [`Self::open_every_column`], with numbers and booleans: in JSON Lines every key is read
    /// that has a string, number or boolean in the first row, in their order, and a row without one
    /// of them is bad; in Parquet every column of texts, numbers or booleans. In CSV and TSV every
    /// column is read, as by `open_every_column`. A file of lines has no columns: its records have
    /// one field.
    ///
    /// # Errors
    ///
    /// As [`Self::open`].
    pub fn open_every_scalar(
        source: &Source,
        options: &ReaderOptions,
    ) -> Result<Self, RecordError> {
        Self::of_source(source, options, choice(options, Choice::EveryScalar))
    }

    /// Reads `bytes` as if they were the file `name`, which tells the format and stands in errors.
    ///
    /// # Errors
    ///
    /// As [`Self::open`]; always for Parquet, which is not read from front to back.
    pub fn from_reader(
        name: &Source,
        bytes: impl Read + Send + 'static,
        options: &ReaderOptions,
    ) -> Result<Self, RecordError> {
        let Some(format) = streamed(format(name, options)) else {
            return Err(RecordError::ParquetNotPlainFile { file: name.clone() });
        };
        let input = Input::new(name.clone(), bytes, None)?;
        let choice = choice(options, Choice::Default);
        Self::of_stream(input, format, options, &choice)
    }

    fn of_source(
        source: &Source,
        options: &ReaderOptions,
        choice: Choice,
    ) -> Result<Self, RecordError> {
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
    ) -> Result<Self, RecordError> {
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

    /// The columns that become [`Record::fields`], in that order; none for a file of lines, whose
    /// records have one field, and none for JSON Lines without a row that were to tell them.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// How many bad rows have been skipped so far.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// What was wrong with the first row that was skipped.
    #[must_use]
    pub fn first_skipped(&self) -> Option<&RecordError> {
        self.first_skipped.as_ref()
    }

    /// Bytes of the file read so far, some of them ahead of the records; of a gzipped file, before
    /// unzipping; of Parquet, the share of the file that its rows read so far are of all rows.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        match &self.rows {
            Rows::Streamed(rows) => rows.bytes_read(),
            Rows::Parquet(rows) => rows.bytes_read(),
        }
    }

    /// Size of the file, to compare [`Self::bytes_read`] with; `None` for standard input and pipes.
    #[must_use]
    pub fn total_bytes(&self) -> Option<u64> {
        match &self.rows {
            Rows::Streamed(rows) => rows.total_bytes(),
            Rows::Parquet(rows) => Some(rows.total_bytes()),
        }
    }

    fn next_row(&mut self) -> Result<Option<Record>, RecordError> {
        match &mut self.rows {
            Rows::Streamed(rows) => rows.next(),
            Rows::Parquet(rows) => rows.next(),
        }
    }
}

/// What the options name, else `unnamed`.
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

/// `None` for Parquet, the one format that is not read from front to back.
fn streamed(format: Format) -> Option<StreamedFormat> {
    match format {
        Format::Text => Some(StreamedFormat::Text),
        Format::Csv => Some(StreamedFormat::Csv),
        Format::Tsv => Some(StreamedFormat::Tsv),
        Format::Jsonl => Some(StreamedFormat::Jsonl),
        Format::Parquet => None,
    }
}

impl Iterator for RecordReader {
    type Item = Result<Record, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.ended {
            match self.next_row() {
                Ok(Some(record)) => return Some(Ok(record)),
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

impl std::iter::FusedIterator for RecordReader {}
