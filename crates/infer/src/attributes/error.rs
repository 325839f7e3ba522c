//! Errors of a file of attributes.

use std::path::PathBuf;

use program::text::quoted;
use search::filter::ColumnError;

/// A file of attributes that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}{}: {kind}", path.display(), at(*line))]
pub struct AttributesError {
    /// The file.
    pub path: PathBuf,
    /// The line, from 1; 0 for the whole file.
    pub line: u64,
    /// What is wrong.
    pub kind: AttributesErrorKind,
}

/// What is wrong with a file of attributes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AttributesErrorKind {
    /// The operating system refused.
    #[error("cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// Not a JSON object of the form.
    #[error("this is not a line of attributes, as `infer attributes` writes it: {0}")]
    Json(#[from] serde_json::Error),
    /// A value that is not a text.
    #[error("the value of `{}` is no text; write a text, a number, a list of them, or null", quoted(.0))]
    Value(String),
    /// A span without its text.
    #[error(
        "the span of `{}` is not in the text; give `value`, or `text` with `start` and `end` in characters",
        quoted(.0)
    )]
    Span(String),
    /// Lines that name their rows in different ways.
    #[error("write an `id` or a `row` in every line, or in none")]
    Mixed,
    /// Two lines about one row.
    #[error("{0} is that of an earlier line; write one line for each row")]
    Repeated(String),
    /// Lines without ids, where rows have them.
    #[error("an index names rows by ids: write an `id` in every line")]
    NoId,
    /// Lines in the order of the rows, and not one for each.
    #[error(
        "{lines} lines for a corpus of {rows} rows; write an `id` in every line, and name --id-column"
    )]
    Count {
        /// Lines of the file.
        lines: usize,
        /// Rows of the corpus.
        rows: usize,
    },
    /// Attributes of other rows.
    #[error("no line is of a row of the corpus; check --id-column")]
    NoRow,
    /// More values than a column can hold.
    #[error(transparent)]
    Column(#[from] ColumnError),
}

impl AttributesErrorKind {
    /// Whether other options would mend it, not another file.
    pub(crate) fn is_usage(&self) -> bool {
        matches!(self, Self::NoRow)
    }
}

fn at(line: u64) -> String {
    match line {
        0 => String::new(),
        line => format!(", line {line}"),
    }
}
