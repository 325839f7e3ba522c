//! Errors of reading rows.

use std::{fmt, io};

use parquet::errors::ParquetError;

use crate::source::Source;

/// A file that cannot be read any further or, for [`ReadError::Row`], a row that cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The file could not be opened or read.
    #[error("{file}: {source}")]
    Io {
        /// The file.
        file: Source,
        /// Error of the operating system.
        source: io::Error,
    },
    /// The gzip stream is damaged or ends early.
    #[error("{file}, after line {line}: the gzip data is damaged or cut short ({source})")]
    Gzip {
        /// The file.
        file: Source,
        /// Number of lines read before the damage.
        line: u64,
        /// Error of the decoder.
        source: io::Error,
    },
    /// Columns were selected of a plain-text file, which has none.
    #[error(
        "{file}: a plain-text file has no columns; leave the columns out, or name its format: csv, tsv, jsonl or parquet"
    )]
    TextHasNoColumns {
        /// The file.
        file: Source,
    },
    /// The header, or the first row of JSON Lines, does not have the selected columns.
    #[error("{file}: {source}")]
    Columns {
        /// The file.
        file: Source,
        /// The mismatch.
        source: ColumnErrorKind,
    },
    /// One row is bad. The rows after it can still be read.
    #[error("{file}, {numbering} {line}: {source}")]
    Row {
        /// The file.
        file: Source,
        /// Whether `line` counts lines or rows.
        numbering: Numbering,
        /// The line the row starts on, or the number of the row, from 1.
        line: u64,
        /// The fault of the row.
        source: RowErrorKind,
    },
    /// A row is longer than [`MAX_ROW_BYTES`](crate::MAX_ROW_BYTES): most likely the file has another
    /// format.
    #[error(
        "{file}, line {line}: the row has more than {limit} bytes; is the file of another format?"
    )]
    RowTooLong {
        /// The file.
        file: Source,
        /// The line the row starts on.
        line: u64,
        /// Maximum size of a row in bytes.
        limit: usize,
    },
    /// A quoted field of CSV continues to the end of the file, so rows after the quote cannot be
    /// separated.
    #[error("{file}, line {line}: a quoted field is not closed before the end of the file")]
    UnclosedQuote {
        /// The file.
        file: Source,
        /// The line the row starts on.
        line: u64,
    },
    /// Parquet does not stream from front to back.
    #[error(
        "{file}: Parquet is read from its end, so it cannot come from standard input or a pipe, nor be gzipped as a whole; save it as a plain file"
    )]
    ParquetNotPlainFile {
        /// The source.
        file: Source,
    },
    /// The metadata at the end of a Parquet file cannot be read.
    #[error(
        "{file}: not a Parquet file, or a damaged one ({}); is the file of another format?",
        parquet_reason(source)
    )]
    NotParquet {
        /// The file.
        file: Source,
        /// Error of the parser.
        source: ParquetError,
    },
    /// The rows of a Parquet file cannot be read any further.
    #[error(
        "{file}, row {row}: the Parquet data is damaged ({}); write the file again",
        parquet_reason(source)
    )]
    ParquetData {
        /// The file.
        file: Source,
        /// The row that could not be read, from 1.
        row: u64,
        /// Error of the decoder.
        source: ParquetError,
    },
}

/// How errors number the rows of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Numbering {
    /// By the line they start on.
    Lines,
    /// By their own number: the file has no lines.
    Rows,
}

impl fmt::Display for Numbering {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Lines => "line",
            Self::Rows => "row",
        })
    }
}

impl ReadError {
    /// Whether only one row is bad, so that reading can continue with the next one.
    #[must_use]
    pub fn is_row(&self) -> bool {
        matches!(self, Self::Row { .. })
    }

    /// Whether another choice of columns or of the format would mend it, not another file.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        match self {
            Self::TextHasNoColumns { .. } => true,
            Self::Columns { source, .. } => matches!(
                source,
                ColumnErrorKind::Unknown { .. }
                    | ColumnErrorKind::NotChosen { .. }
                    | ColumnErrorKind::NotText { .. }
                    | ColumnErrorKind::NoneFits { .. }
            ),
            // The first object of JSON Lines is what the header is elsewhere.
            Self::Row { source, line, .. } => {
                *line == 1 && matches!(source, RowErrorKind::MissingField { .. })
            }
            _ => false,
        }
    }
}

/// Why the selected columns cannot be read from a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ColumnErrorKind {
    /// The file is empty: no line names the columns.
    #[error("no header line; the first line must name the columns")]
    NoHeader,
    /// The header is not UTF-8.
    #[error("the header line is not UTF-8")]
    HeaderNotUtf8,
    /// The file has no such column.
    #[error("no column `{column}`; there are: {}", list(present))]
    Unknown {
        /// The selected column.
        column: String,
        /// The columns of the file.
        present: Vec<String>,
    },
    /// The header has the selected name more than once.
    #[error("column `{column}` is in the header more than once")]
    Duplicate {
        /// The selected column.
        column: String,
    },
    /// No column was selected, and several could be the text.
    #[error(
        "which column is the text? None is named `text`; choose one by --column: {}",
        list(present)
    )]
    NotChosen {
        /// The columns of the file.
        present: Vec<String>,
    },
    /// The values of a column cannot become texts.
    #[error("column `{column}` holds {kind} where texts, numbers or booleans are needed")]
    NotText {
        /// The selected column.
        column: String,
        /// Its values: `nested values`, `bytes`, `dates or times` or `nothing but nulls`.
        kind: &'static str,
    },
    /// No column was selected, and none holds suitable values.
    #[error("no column holds texts; there are: {}", list(present))]
    NoneFits {
        /// The columns of the file.
        present: Vec<String>,
    },
    /// A column is compressed with an unsupported codec.
    #[error(
        "column `{column}` is compressed with {codec}; write the file again with snappy, gzip, zstd or no compression"
    )]
    Compression {
        /// The selected column.
        column: String,
        /// Name of the codec, as Parquet writes it.
        codec: String,
    },
}

/// Why a row cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RowErrorKind {
    /// The row is not UTF-8.
    #[error("not UTF-8")]
    NotUtf8,
    /// The row has more or fewer columns than the header.
    #[error("{found} {} where the header has {expected}", plural(*found))]
    ColumnCount {
        /// Columns of the row.
        found: usize,
        /// Columns of the header.
        expected: usize,
    },
    /// The row is not JSON, or not an object.
    #[error("not a JSON object: {}", json_reason(source))]
    Json {
        /// Error of the parser.
        source: serde_json::Error,
    },
    /// The object has no such key.
    #[error("no field `{column}`; there are: {}", list(present))]
    MissingField {
        /// The selected column.
        column: String,
        /// The keys of the object.
        present: Vec<String>,
    },
    /// The value is not a text.
    #[error("field `{column}` is {kind} where a text is needed")]
    NotText {
        /// The column.
        column: String,
        /// The value: `null`, `an array`, `an object` or `not a finite number`.
        kind: &'static str,
    },
    /// The row has no id.
    #[error("no id: field `{column}` is empty")]
    EmptyId {
        /// The column of the ids.
        column: String,
    },
    /// The id has a line break, but ids are written one per line.
    #[error("the id in field `{column}` has a line break")]
    IdLineBreak {
        /// The column of the ids.
        column: String,
    },
}

/// Names in a message: the first 20, then the number of the rest.
fn list(names: &[String]) -> String {
    const SHOWN: usize = 20;
    let mut shown = names
        .iter()
        .take(SHOWN)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ");
    if names.len() > SHOWN {
        shown.push_str(&format!(" and {} more", names.len() - SHOWN));
    } else if names.is_empty() {
        shown.push_str("none");
    }
    shown
}

fn plural(columns: usize) -> &'static str {
    if columns == 1 { "column" } else { "columns" }
}

/// The message of serde_json without its line number, which is always 1.
pub(crate) fn json_reason(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let reason = message
        .rsplit_once(" at line ")
        .map_or(message.as_str(), |(reason, _)| reason);
    match error.column() {
        // Semantic errors have no position.
        0 => reason.to_owned(),
        column => format!("{reason} at column {column}"),
    }
}

/// The message of the Parquet decoder, cut to 160 characters because it may quote a whole value.
fn parquet_reason(error: &ParquetError) -> String {
    const SHOWN: usize = 160;
    let message = match error {
        ParquetError::General(message)
        | ParquetError::EOF(message)
        | ParquetError::NYI(message) => message.clone(),
        ParquetError::External(source) => source.to_string(),
        other => other.to_string(),
    };
    match message.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", message.get(..end).unwrap_or_default()),
        None => message,
    }
}
