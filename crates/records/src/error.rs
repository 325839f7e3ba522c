//! What can be wrong with a file of texts.

use std::{fmt, io};

use parquet::errors::ParquetError;

use crate::source::Source;

/// Why a file of texts cannot be read any further, or, for [`RecordError::Row`], why one of its
/// rows cannot.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The file could not be opened or read.
    #[error("{file}: {source}")]
    Io {
        /// The file.
        file: Source,
        /// What the system said.
        source: io::Error,
    },
    /// The gzip stream is damaged or ends early.
    #[error("{file}, after line {line}: the gzip data is damaged or cut short ({source})")]
    Gzip {
        /// The file.
        file: Source,
        /// Lines read until then.
        line: u64,
        /// What the decoder said.
        source: io::Error,
    },
    /// Columns were chosen of a file that has none.
    #[error(
        "{file}: a file of lines has no columns; leave the columns out, or name its format: csv, tsv, jsonl or parquet"
    )]
    TextHasNoColumns {
        /// The file.
        file: Source,
    },
    /// The header, or the first row of JSON Lines, does not fit the chosen columns.
    #[error("{file}: {source}")]
    Columns {
        /// The file.
        file: Source,
        /// What is wrong with them.
        source: ColumnProblem,
    },
    /// One row is bad. The rows after it can still be read.
    #[error("{file}, {numbering} {line}: {source}")]
    Row {
        /// The file.
        file: Source,
        /// What `line` counts.
        numbering: Numbering,
        /// The line the row starts on, or the number of the row, the first being 1.
        line: u64,
        /// What is wrong with it.
        source: RowProblem,
    },
    /// A row is longer than any text: most likely the file is of another format.
    #[error(
        "{file}, line {line}: the row has more than {limit} bytes; is the file of another format?"
    )]
    RowTooLong {
        /// The file.
        file: Source,
        /// The line the row starts on.
        line: u64,
        /// The longest row that is read.
        limit: usize,
    },
    /// A quoted field of CSV goes on to the end of the file, so the rows behind the quote cannot be
    /// told apart.
    #[error("{file}, line {line}: a quoted field is not closed before the end of the file")]
    UnclosedQuote {
        /// The file.
        file: Source,
        /// The line the row starts on.
        line: u64,
    },
    /// Parquet cannot be read from front to back.
    #[error(
        "{file}: Parquet is read from its end, so it cannot come from standard input or a pipe, nor be gzipped as a whole; save it as a plain file"
    )]
    ParquetNotPlainFile {
        /// Where it was to come from.
        file: Source,
    },
    /// The directory at the end of a Parquet file cannot be read.
    #[error(
        "{file}: not a Parquet file, or a damaged one ({}); is the file of another format?",
        parquet_reason(source)
    )]
    NotParquet {
        /// The file.
        file: Source,
        /// What the parser said.
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
        /// The row that could not be read, the first being 1.
        row: u64,
        /// What the decoder said.
        source: ParquetError,
    },
}

/// What the rows of a file are known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Numbering {
    /// The line that they start on.
    Lines,
    /// Their own number: the file has no lines.
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

impl RecordError {
    /// Whether only one row is bad, so that reading can go on behind it.
    #[must_use]
    pub fn is_row(&self) -> bool {
        matches!(self, Self::Row { .. })
    }
}

/// Why the columns of a file do not fit the chosen ones.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ColumnProblem {
    /// The file is empty where its first line should name the columns.
    #[error("no header line; the first line must name the columns")]
    NoHeader,
    /// The header is not UTF-8.
    #[error("the header line is not UTF-8")]
    HeaderNotUtf8,
    /// The file has no such column.
    #[error("no column `{column}`; there are: {}", list(present))]
    Unknown {
        /// The chosen column.
        column: String,
        /// The columns of the file.
        present: Vec<String>,
    },
    /// The chosen name stands more than once in the header.
    #[error("column `{column}` stands more than once in the header")]
    Duplicate {
        /// The chosen column.
        column: String,
    },
    /// No column was chosen, and it is not clear which one holds the text.
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
        /// The chosen column.
        column: String,
        /// What it holds: `nested values`, `bytes`, `dates or times`, `nothing but nulls`.
        kind: &'static str,
    },
    /// No column was chosen, and none holds what is looked for.
    #[error(
        "none of the columns can be taken for texts; there are: {}",
        list(present)
    )]
    NoneFits {
        /// The columns of the file.
        present: Vec<String>,
    },
    /// A column is compressed in a way that cannot be undone here.
    #[error(
        "column `{column}` is compressed by {codec}; write the file again without compression, or by snappy, gzip or zstd"
    )]
    Compression {
        /// The chosen column.
        column: String,
        /// The name of the compression, as Parquet writes it.
        codec: String,
    },
}

/// What is wrong with a row.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RowProblem {
    /// It is not UTF-8.
    #[error("not UTF-8")]
    NotUtf8,
    /// It has more or fewer columns than the header.
    #[error("{found} {} where the header has {expected}", plural(*found))]
    ColumnCount {
        /// Its columns.
        found: usize,
        /// Those of the header.
        expected: usize,
    },
    /// It is not JSON, or not an object.
    #[error("not a JSON object: {}", json_reason(source))]
    Json {
        /// What the parser said.
        source: serde_json::Error,
    },
    /// The object has no such key.
    #[error("no field `{column}`; there are: {}", list(present))]
    MissingField {
        /// The chosen column.
        column: String,
        /// The keys of the object.
        present: Vec<String>,
    },
    /// The value is not a text.
    #[error("field `{column}` is {kind} where a text is needed")]
    NotText {
        /// The column.
        column: String,
        /// What the value is: `null`, `an array`, `an object` or `not a finite number`.
        kind: &'static str,
    },
    /// The row has no id.
    #[error("no id: field `{column}` is empty")]
    EmptyId {
        /// The column of the ids.
        column: String,
    },
    /// The id spans lines, but ids are written one a line.
    #[error("the id in field `{column}` has a line break")]
    IdLineBreak {
        /// The column of the ids.
        column: String,
    },
}

/// Names in a message: the first of them, then how many there are more.
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

/// What serde_json says, without its own line number: each line is a document to it.
pub(crate) fn json_reason(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let reason = message
        .rsplit_once(" at line ")
        .map_or(message.as_str(), |(reason, _)| reason);
    match error.column() {
        // An error of meaning rather than of spelling has no place.
        0 => reason.to_owned(),
        column => format!("{reason} at column {column}"),
    }
}

/// What the Parquet decoder says, which may quote a whole value, in a sentence's length.
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
