//! Texts from files: one a line, or columns of CSV, TSV, JSON Lines or Parquet; all but Parquet
//! plain or gzipped, from a file, a pipe or standard input.
//!
//! | word | module |
//! | --- | --- |
//! | where texts come from | `source` |
//! | how they are written down | `format` |
//! | bytes and lines of a file | `input` |
//! | which columns are the text | `columns` |
//! | a row of each format | `text`, `comma_separated`, `tab_separated`, `json_lines` |
//! | those formats, all read from front to back | `streamed` |
//! | rows put together from columns | `parquet_file` |
//! | the iterator over all of them | `reader` |
//!
//! A reader holds one row at a time and at most [`MAX_ROW_BYTES`] of it, so its memory does not
//! grow with the file (of Parquet it holds more, see below). A byte order mark at the start is
//! dropped in every format of text.
//!
//! # Formats
//!
//! - **Text**: one text a line. An empty line is a text; the last line break does not begin another
//!   one.
//! - **CSV**: RFC 4180, with a header line. Quoted fields may hold line breaks; a record is known
//!   by the line it starts on. Blank lines are skipped.
//! - **TSV**: a header line, then fields between tabs. A `"` is an ordinary character. Blank lines
//!   are skipped, but in a file of a single column, where they are empty texts.
//! - **JSON Lines**: one object a line. A column is a key of the object itself, whose value is a
//!   string, a number (kept as it is written) or a boolean. Blank lines are skipped.
//! - **Parquet**: flat columns of texts (annotated as UTF-8), integers, floating-point and decimal
//!   numbers, and booleans; numbers and booleans become texts as JSON writes them. A column of
//!   nested values, of bytes, or of dates or times cannot be chosen. A null in a chosen column
//!   makes a bad row, and so does a number that JSON cannot write. There are no lines:
//!   [`Record::line`] is the number of the row. Row groups are read one after the other, and of
//!   each chosen column one page with its dictionary is held, uncompressed, beside the file's
//!   directory. Pages may be plain or compressed by snappy, gzip or zstd. As the directory stands
//!   at the end, it must be a file and no pipe.
//!
//! # Columns
//!
//! Without a choice of columns the text is the only column that is not the id, else the column
//! named `text`. In JSON Lines and Parquet, where values have types, only texts come into question:
//! the only column of texts that is not the id, else the column named `text`. Of JSON Lines the
//! first row tells the columns and their types.
//!
//! [`RecordReader::open_every_column`] takes all columns that come into question for the text,
//! [`RecordReader::open_every_scalar`] also those of numbers and booleans.

mod columns;
mod comma_separated;
mod error;
mod format;
mod input;
mod json_lines;
mod parquet_file;
mod reader;
mod source;
mod streamed;
mod tab_separated;
mod text;

pub use error::{ColumnProblem, Numbering, RecordError, RowProblem};
pub use format::{Format, UnknownFormat};
pub use input::MAX_ROW_BYTES;
pub use reader::{ReaderOptions, RecordReader};
pub use source::Source;

/// One row of a file: its texts and, where asked for, its id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// The line it starts on, the first being 1; of Parquet, which has no lines, the number of the
    /// row, the first being 1.
    pub line: u64,
    /// Its id; never empty and without line breaks.
    pub id: Option<String>,
    /// The chosen columns, in the order they were chosen.
    pub fields: Vec<String>,
}

impl Record {
    /// The records of texts that stand in no file: numbered from 1, without ids.
    #[must_use]
    pub fn of_texts(texts: &[String]) -> Vec<Self> {
        (1..)
            .zip(texts)
            .map(|(line, text)| Self {
                line,
                id: None,
                fields: vec![text.clone()],
            })
            .collect()
    }

    /// The fields, joined by one space.
    #[must_use]
    pub fn text(&self) -> String {
        self.fields.join(" ")
    }
}
