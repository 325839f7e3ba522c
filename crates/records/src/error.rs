//! Errors of reading rows.

use std::{fmt, io};

use parquet::errors::ParquetError;

use crate::compression::Compression;
use crate::encoding::Encoding;
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
    /// No file has a name that fits the pattern.
    #[error("{pattern}: {reason}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// The reason.
        reason: String,
    },
    /// The compressed data is damaged or ends early.
    #[error("{file}, after line {line}: the {compression} data is damaged or cut short ({source})")]
    Compressed {
        /// The file.
        file: Source,
        /// Its compression.
        compression: Compression,
        /// Number of lines read before the damage.
        line: u64,
        /// Error of the decoder.
        source: io::Error,
    },
    /// The content is of no format that can be read, or of one that only its name could tell.
    #[error(
        "{file}: {reason}; name its format with --format: text (one text per line), csv, tsv, jsonl, json or parquet"
    )]
    UnknownFormat {
        /// The file.
        file: Source,
        /// Why the format is unknown.
        reason: &'static str,
    },
    /// The content is of a known format that is not one of rows.
    #[error("{file}: this is {content}")]
    ForeignContent {
        /// The file.
        file: Source,
        /// The content, and the way out.
        content: &'static str,
    },
    /// Columns were selected of a plain-text file, which has none.
    #[error(
        "{file}: a plain-text file has no columns; leave the columns out, or name its format: csv, tsv, jsonl, json or parquet"
    )]
    TextHasNoColumns {
        /// The file.
        file: Source,
    },
    /// The header, or the rows of JSON, do not have the selected columns.
    #[error("{file}: {source}")]
    Columns {
        /// The file.
        file: Source,
        /// The mismatch.
        source: ColumnErrorKind,
    },
    /// One row is bad. The rows after it can still be read.
    #[error("{file}, {numbering} {line}: {}", shown(source))]
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
    /// Parquet does not stream from front to back.
    #[error(
        "{file}: Parquet is read from its end, so it cannot come from standard input or a pipe, nor be compressed as a whole; save it as a plain file"
    )]
    ParquetNotPlainFile {
        /// The source.
        file: Source,
    },
    /// The metadata at the end of a Parquet file cannot be read.
    #[error(
        "{file}: not a Parquet file, or a damaged one ({}); is the file of another format?",
        shown(source)
    )]
    NotParquet {
        /// The file.
        file: Source,
        /// Error of the parser.
        source: ParquetError,
    },
    /// The rows of a Parquet file cannot be read any further.
    #[error(
        "{file}, row {row}: the Parquet data is damaged or of an unsupported kind ({}); write the file again",
        shown(source)
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
            Self::TextHasNoColumns { .. }
            | Self::ParquetNotPlainFile { .. }
            | Self::UnknownFormat { .. }
            | Self::Pattern { .. } => true,
            Self::Columns { source, .. } => source.is_usage(),
            _ => false,
        }
    }
}

impl ColumnErrorKind {
    fn is_usage(&self) -> bool {
        match self {
            Self::Unknown { .. }
            | Self::NotChosen { .. }
            | Self::NotText { .. }
            | Self::NoneFits { .. } => true,
            Self::BesideArray { problem, .. } => problem.is_usage(),
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
    /// The header cannot be read.
    #[error("the header line cannot be read: {}", shown(.0))]
    BadHeader(String),
    /// The file has no such column.
    #[error("no column `{}`; there are: {}", shown(column), list(present))]
    Unknown {
        /// The selected column.
        column: String,
        /// The columns of the file.
        present: Vec<String>,
    },
    /// The header has the selected name more than once.
    #[error("column `{}` is in the header more than once", shown(column))]
    Duplicate {
        /// The selected column.
        column: String,
    },
    /// As `problem`; the file is a single JSON object, whose rows may be in an array.
    #[error(
        "{problem}; `{}` is an array of objects: if they are the rows, save it as a file of its own",
        shown(array)
    )]
    BesideArray {
        /// The mismatch.
        problem: Box<ColumnErrorKind>,
        /// The path of the array.
        array: String,
    },
    /// The file is a single JSON object with a single key, and the selected column is in its array.
    #[error(
        "the file is one object, so one row, with nothing but `{}`, an array of objects; save that array as a file of its own, so that each is a row",
        shown(array)
    )]
    OnlyAnArray {
        /// The path of the array.
        array: String,
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
    #[error(
        "column `{}` holds {kind} where texts, numbers, dates or lists of them are needed",
        shown(column)
    )]
    NotText {
        /// The selected column.
        column: String,
        /// Its values, such as `nested values`.
        kind: &'static str,
    },
    /// No column was selected, and none holds suitable values.
    #[error("no column holds texts; there are: {}", list(present))]
    NoneFits {
        /// The columns of the file.
        present: Vec<String>,
    },
}

/// Why a row cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RowErrorKind {
    /// A text of the row is not UTF-8.
    #[error("not UTF-8{}", at(*offset))]
    NotUtf8 {
        /// Offset of the first such byte in the (decompressed) file, from 0; unknown in Parquet.
        offset: Option<u64>,
    },
    /// A text of the row is not of the file's encoding.
    #[error("not {encoding}; give another --encoding")]
    NotDecodable {
        /// The encoding.
        encoding: Encoding,
    },
    /// The row has more or fewer columns than the header.
    #[error("{found} {} where the header has {expected}", plural(*found))]
    ColumnCount {
        /// Columns of the row.
        found: usize,
        /// Columns of the header.
        expected: usize,
    },
    /// A quoted field of CSV does not end, or text follows its end.
    #[error("a quoted field is not closed")]
    UnclosedQuote,
    /// The row is longer than [`MAX_ROW_BYTES`](crate::MAX_ROW_BYTES): most likely the file has another
    /// format.
    #[error("the row has more than {limit} bytes; is the file of another format?")]
    TooLong {
        /// Maximum size of a row in bytes.
        limit: usize,
    },
    /// The row is not JSON, or not an object.
    #[error("not a JSON object: {}", json_reason(source))]
    Json {
        /// Error of the parser.
        source: serde_json::Error,
    },
    /// A JSON value does not end, or its brackets do not match.
    #[error("not JSON: {0}")]
    JsonStructure(&'static str),
    /// The row has no text where it must have one.
    #[error("no `{column}`")]
    MissingField {
        /// The column.
        column: String,
    },
    /// The value is not a text.
    #[error("field `{column}` is {kind} where a text is needed")]
    NotText {
        /// The column.
        column: String,
        /// The value: `an object` or `not a finite number`.
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

/// A message that may quote the file: at most 160 characters, with control characters escaped.
pub(crate) fn shown(message: impl fmt::Display) -> String {
    const SHOWN: usize = 160;
    let message = message.to_string();
    let mut shown = String::new();
    for (count, letter) in message.chars().enumerate() {
        if count == SHOWN {
            shown.push_str("...");
            break;
        }
        // Also the marks that change the direction of writing.
        if letter.is_control()
            || matches!(letter, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        {
            shown.extend(letter.escape_default());
        } else {
            shown.push(letter);
        }
    }
    shown
}

/// Names in a message: the first 20, then the number of the rest.
fn list(names: &[String]) -> String {
    const SHOWN: usize = 20;
    let first: Vec<String> = names.iter().take(SHOWN).map(shown).collect();
    match names.len().checked_sub(SHOWN) {
        None if names.is_empty() => "none".to_owned(),
        None | Some(0) => first.join(", "),
        Some(more) => format!("{} and {more} more", first.join(", ")),
    }
}

fn plural(columns: usize) -> &'static str {
    if columns == 1 { "column" } else { "columns" }
}

/// The place, and the option that helps in files of text.
fn at(offset: Option<u64>) -> String {
    offset.map_or_else(String::new, |offset| {
        format!(" at byte {offset}; is it --encoding windows-1252?")
    })
}

/// The message of serde_json without its line number, which is always 1.
fn json_reason(error: &serde_json::Error) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_holds_cannot_write_to_the_terminal_or_fill_it() {
        assert_eq!(
            shown("a\u{1b}[2J\r\n\u{202e}b"),
            "a\\u{1b}[2J\\r\\n\\u{202e}b"
        );
        let long = shown("é".repeat(83_726));
        assert_eq!(long.chars().count(), 163);
        assert_eq!(shown("é".repeat(160)).chars().count(), 160);
        let names: Vec<String> = (0..22).map(|name| name.to_string()).collect();
        assert!(list(&names).ends_with("19 and 2 more"));
        assert!(list(&names[..20]).ends_with("18, 19"));
    }
}
