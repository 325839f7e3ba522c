//! The iterator over the records of a file, whatever its format.

use std::io::Read;

use super::Record;
use super::columns::Choice;
use super::comma_separated::CommaSeparatedRows;
use super::error::RecordError;
use super::format::Format;
use super::input::Input;
use super::json_lines::JsonLinesRows;
use super::source::Source;
use super::tab_separated::TabSeparatedRows;
use super::text::TextRows;

/// How a file is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReaderOptions {
    /// Its format; `None` goes by its name ([`Format::from_path`]), and takes standard input for
    /// lines.
    pub format: Option<Format>,
    /// The columns of the text; empty for the default one, see [the module](super#columns).
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
    input: Input,
    rows: Rows,
    columns: Vec<String>,
    skip_bad_rows: bool,
    skipped: u64,
    first_skipped: Option<RecordError>,
    ended: bool,
}

enum Rows {
    Text(TextRows),
    CommaSeparated(Box<CommaSeparatedRows>),
    TabSeparated(TabSeparatedRows),
    JsonLines(JsonLinesRows),
}

impl RecordReader {
    /// Opens a file, or standard input, and settles which columns are read.
    ///
    /// # Errors
    ///
    /// When it cannot be opened or read, when columns are asked of a file of lines, when the header
    /// is missing or does not fit the columns, and when the first row of JSON Lines must tell
    /// the column but is bad.
    pub fn open(source: &Source, options: &ReaderOptions) -> Result<Self, RecordError> {
        Self::new(Input::open(source)?, source, options, choice(options))
    }

    /// As [`Self::open`], but without named columns every column that is not the id is read;
    /// [`Self::columns`] tells which they are. In JSON Lines those are the keys that have
    /// strings in the first row.
    ///
    /// # Errors
    ///
    /// As [`Self::open`].
    pub fn open_every_column(
        source: &Source,
        options: &ReaderOptions,
    ) -> Result<Self, RecordError> {
        let choice = if options.columns.is_empty() {
            Choice::Every
        } else {
            choice(options)
        };
        Self::new(Input::open(source)?, source, options, choice)
    }

    /// Reads `bytes` as if they were the file `name`, which tells the format and stands in errors.
    ///
    /// # Errors
    ///
    /// As [`Self::open`].
    pub fn from_reader(
        name: &Source,
        bytes: impl Read + Send + 'static,
        options: &ReaderOptions,
    ) -> Result<Self, RecordError> {
        Self::new(
            Input::new(name.clone(), bytes, None)?,
            name,
            options,
            choice(options),
        )
    }

    fn new(
        mut input: Input,
        source: &Source,
        options: &ReaderOptions,
        choice: Choice,
    ) -> Result<Self, RecordError> {
        let id = options.id_column.as_deref();
        let format = options.format.unwrap_or_else(|| match source {
            Source::Stdin => Format::Text,
            Source::File(path) => Format::from_path(path),
        });
        let rows = match format {
            Format::Text if id.is_some() || !options.columns.is_empty() => {
                return Err(input.text_has_no_columns());
            }
            Format::Text => Rows::Text(TextRows::default()),
            Format::Csv => {
                Rows::CommaSeparated(Box::new(CommaSeparatedRows::open(&mut input, &choice, id)?))
            }
            Format::Tsv => Rows::TabSeparated(TabSeparatedRows::open(&mut input, &choice, id)?),
            Format::Jsonl => Rows::JsonLines(JsonLinesRows::new(id)),
        };
        let mut reader = Self {
            input,
            rows,
            columns: Vec::new(),
            skip_bad_rows: options.skip_bad_rows,
            skipped: 0,
            first_skipped: None,
            ended: false,
        };
        reader.settle_columns(&choice)?;
        Ok(reader)
    }

    fn settle_columns(&mut self, choice: &Choice) -> Result<(), RecordError> {
        if let Rows::JsonLines(rows) = &mut self.rows {
            while let Err(error) = rows.settle(&mut self.input, choice) {
                if !(self.skip_bad_rows && error.is_row()) {
                    return Err(error);
                }
                self.skipped += 1;
                self.first_skipped.get_or_insert(error);
            }
        }
        self.columns = match &self.rows {
            Rows::Text(_) => Vec::new(),
            Rows::CommaSeparated(rows) => rows.columns(),
            Rows::TabSeparated(rows) => rows.columns(),
            Rows::JsonLines(rows) => rows.columns(),
        };
        Ok(())
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
    /// unzipping.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.input.bytes_read()
    }

    /// Size of the file, to compare [`Self::bytes_read`] with; `None` for standard input and pipes.
    #[must_use]
    pub fn total_bytes(&self) -> Option<u64> {
        self.input.total_bytes()
    }

    fn next_row(&mut self) -> Result<Option<Record>, RecordError> {
        match &mut self.rows {
            Rows::Text(rows) => rows.next(&mut self.input),
            Rows::CommaSeparated(rows) => rows.next(&mut self.input),
            Rows::TabSeparated(rows) => rows.next(&mut self.input),
            Rows::JsonLines(rows) => rows.next(&mut self.input),
        }
    }
}

fn choice(options: &ReaderOptions) -> Choice {
    if options.columns.is_empty() {
        Choice::Default
    } else {
        Choice::Named(options.columns.clone())
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
