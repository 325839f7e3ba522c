//! Rows of text from files: plain text, CSV, TSV, JSON Lines and Parquet.
//!
//! All formats except Parquet can be plain or gzipped, and can come from a file, a pipe or standard
//! input.
//!
//! | subject | module |
//! | --- | --- |
//! | source of the bytes: a file or standard input | `source` |
//! | formats and file endings | `format` |
//! | bytes and lines of a file | `input` |
//! | selection of columns | `columns` |
//! | parser of each text format | `text`, `comma_separated`, `tab_separated`, `json_lines` |
//! | the text formats, which stream from front to back | `streamed` |
//! | Parquet | `parquet_file` |
//! | the iterator over rows of every format | `reader` |
//!
//! A reader of a text format holds one row at a time and at most [`MAX_ROW_BYTES`] of it, so its
//! memory does not grow with the file. A reader of Parquet holds more, see below. Every text format
//! may start with a byte order mark, which the reader drops.
//!
//! # Formats
//!
//! - **Text**: one text per line. An empty line is a text; the last line break does not begin another
//!   one.
//! - **CSV**: RFC 4180, with a header line. Quoted fields may hold line breaks; the line of a row is
//!   the line it starts on. Blank lines are skipped.
//! - **TSV**: a header line, then fields between tabs. A `"` is an ordinary character. Blank lines
//!   are skipped, except in a file of a single column, where they are empty texts.
//! - **JSON Lines**: one object per line. A column is a top-level key, whose value is a string, a
//!   number (kept as the file writes it) or a boolean. Blank lines are skipped.
//! - **Parquet**: flat columns of UTF-8 texts, integers, floating-point numbers, decimals and
//!   booleans. Numbers and booleans become texts as JSON writes them. Columns of nested values,
//!   bytes, dates or times cannot be selected. A null in a selected column makes a bad row, and so
//!   does a number that JSON cannot write. Parquet has no lines: [`Row::line`] is the number of the
//!   row. The reader reads one row group after another, and holds the file's metadata and one
//!   uncompressed page with its dictionary per selected column. Pages may be uncompressed or
//!   compressed with snappy, gzip or zstd. The metadata is at the end, so the source must be a file,
//!   not a pipe.
//!
//! # Columns
//!
//! Without [`ReaderOptions::columns`] the text is the only column that is not the id, else the column
//! named `text`. JSON Lines and Parquet have typed values, so only columns of texts count: the only
//! one that is not the id, else the column named `text`. In JSON Lines the first row determines the
//! columns and their types.
//!
//! [`RowReader::open_every_column`] reads every column that could be the text,
//! [`RowReader::open_every_scalar`] also those of numbers and booleans.

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

pub use error::{ColumnErrorKind, Numbering, ReadError, RowErrorKind};
pub use format::{Format, UnknownFormat};
pub use input::MAX_ROW_BYTES;
pub use reader::{ReaderOptions, RowReader};
pub use source::Source;

/// One row of a file: its texts and, if an id column is selected, its id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// The line the row starts on, from 1; in Parquet, which has no lines, the number of the row,
    /// from 1.
    pub line: u64,
    /// The id; never empty and without line breaks.
    pub id: Option<String>,
    /// Values of the selected columns, in the order of selection.
    pub fields: Vec<String>,
}

impl Row {
    /// Rows of texts that come from no file: numbered from 1, without ids.
    #[must_use]
    pub fn from_texts(texts: &[String]) -> Vec<Self> {
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
