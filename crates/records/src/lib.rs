//! Rows of text from files: plain text, CSV, TSV, JSON Lines, JSON and Parquet.
//!
//! All formats except Parquet can be plain or compressed with gzip, zstd, bzip2 or xz, and can come
//! from a file, a pipe or standard input.
//!
//! | subject | module |
//! | --- | --- |
//! | source of the bytes: a file or standard input, also by a pattern | `source`, `pattern` |
//! | bytes and lines of a file | `input`, `compression`, `encoding` |
//! | formats: by name, by content | `format`, `content` |
//! | options | `options` |
//! | selection of columns | `columns` |
//! | parser of each format | `row_source`: `text`, `delimited`, `json`, `parquet_file` |
//! | HTML in texts | `html` |
//! | the iterator over rows of every format | `reader` |
//! | notes about the files | `notes` |
//!
//! A reader of a text format holds one row at a time and at most [`MAX_ROW_BYTES`] of it, and the
//! first 8 MiB of a file whose first rows do not tell its form, so its memory does not grow with the
//! file. A reader of Parquet holds the file's metadata, 1024 rows and the page of each column that they
//! are in.
//!
//! # Formats
//!
//! Without [`ReaderOptions::format`] the ending of a name tells the format, and the content where the
//! name does not or is plainly wrong. `.txt` is always text, and so is standard input unless its first
//! bytes are JSON; a note says where such text looks like another format. Any other content that is not
//! plainly of one format is an error.
//!
//! - **Text**: one text per line. The last line break does not begin another one.
//! - **CSV**: RFC 4180, with a header line. The delimiter is that of the header: a comma, semicolon,
//!   tab or `|`. Quoted fields may hold line breaks; the line of a row is the line it starts on. Blank
//!   lines are skipped, except in a file of a single column, where they are empty texts. A row may end
//!   with a delimiter more than the header.
//! - **TSV**: as CSV, with tabs. A `"` is an ordinary character unless every field with one is quoted as
//!   pandas and Excel do it.
//! - **JSON Lines**: one object per line. Blank lines are skipped.
//! - **JSON**: an array of objects, or objects one after another.
//! - **Parquet**: columns of texts, bytes that are UTF-8, numbers, decimals, booleans, dates and times,
//!   and lists of them. Parquet has no lines: [`Row::line`] is the number of the row. The metadata is at
//!   the end, so the source must be a file, not a pipe.
//!
//! A column of JSON or Parquet is a key or a path of keys: `product.title`. Numbers of JSON are kept as
//! the file writes them; those of Parquet become texts as JSON writes them. The values of a list become
//! one text, with spaces between them. A missing key and a null are an empty text.
//!
//! A byte order mark tells the encoding. Without one it is [`ReaderOptions::encoding`], else UTF-8.
//!
//! # Columns
//!
//! Without [`ReaderOptions::columns`] the text is the only column that is not the id, else the column
//! named `text`. JSON and Parquet have typed values, so only columns of texts count. In JSON the first
//! rows (1 MiB) determine the columns and their types.
//!
//! [`RowReader::open_every_column`] reads every column that could be the text,
//! [`RowReader::open_every_scalar`] also those of numbers and booleans.
//!
//! # Bad rows
//!
//! Only the selected columns can make a row bad. Reading goes on behind a bad row: after a row that is
//! too long at the next line, and after a quote or a bracket that is never closed at the line after the
//! one where the row starts.

mod columns;
mod compression;
mod content;
mod delimited;
mod encoding;
mod error;
mod format;
mod html;
mod input;
mod json;
mod notes;
mod options;
mod parquet_file;
mod pattern;
mod reader;
mod row_source;
mod shard;
mod source;
mod text;

pub use compression::Compression;
pub use encoding::{Encoding, UnknownEncoding};
pub use error::{ColumnErrorKind, Numbering, ReadError, RowErrorKind};
pub use format::{Format, UnknownFormat};
pub use input::MAX_ROW_BYTES;
pub use json::JsonObject;
pub use notes::Note;
pub use options::{Delimiter, Quoting, ReaderOptions, UnknownDelimiter};
pub use reader::RowReader;
pub use shard::{Shard, UnknownShard};
pub use source::Source;

/// One row of a file: its texts and, if an id column is selected, its id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// The position of its file among [`RowReader::sources`], from 0.
    pub file: usize,
    /// The number of the row among the data rows of all files, from 1. Bad and empty rows count too,
    /// so that in a single file it is that of a spreadsheet, less the header.
    pub number: u64,
    /// The line the row starts on in its file, from 1; in Parquet, which has no lines, the number of
    /// the row in its file, from 1.
    pub line: u64,
    /// The id; never empty and without line breaks.
    pub id: Option<String>,
    /// Values of the selected columns, in the order of selection.
    pub fields: Vec<String>,
    /// The row as a file of JSON has it; `None` in other formats and without [`ReaderOptions::keep_objects`].
    pub object: Option<JsonObject>,
}

impl Row {
    /// Rows of texts that come from no file: numbered from 1, without ids.
    #[must_use]
    pub fn from_texts(texts: &[String]) -> Vec<Self> {
        (1..)
            .zip(texts)
            .map(|(number, text)| Self {
                number,
                line: number,
                fields: vec![text.clone()],
                ..Self::default()
            })
            .collect()
    }

    /// The fields that are not blank, joined by one space.
    #[must_use]
    pub fn text(&self) -> String {
        let fields = self.fields.iter().map(String::as_str);
        let fields = fields.filter(|field| !field.trim().is_empty());
        match self.fields.as_slice() {
            // A single text stays as it is, also a blank one.
            [field] => field.clone(),
            _ => fields.collect::<Vec<_>>().join(" "),
        }
    }
}
