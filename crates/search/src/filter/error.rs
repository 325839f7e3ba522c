//! Errors of values, filters and columns.

use super::value::ColumnKind;

/// A text that is no value of a column's kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ValueError {
    /// Not a number.
    #[error("'{text}' is not a number; write 1234.5")]
    Number {
        /// The text.
        text: String,
    },
    /// Not `true` or `false`.
    #[error("'{text}' is neither true nor false")]
    Boolean {
        /// The text.
        text: String,
    },
    /// Not a date.
    #[error("'{text}' is not a date; write 2024-05-01 or 2024-05-01T12:30:00Z")]
    Date {
        /// The text.
        text: String,
    },
}

/// A filter that cannot be read, or that does not fit the columns.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FilterError {
    /// Something else was expected.
    #[error("the filter has {found} at character {position}; write {expected}")]
    Expected {
        /// Position of the character, from 1.
        position: usize,
        /// What the filter has there.
        found: String,
        /// What may stand there.
        expected: String,
    },
    /// A quotation mark that is never closed.
    #[error(
        "the quotation mark at character {position} of the filter is never closed; double it if it belongs to the value"
    )]
    Unclosed {
        /// Position of the character, from 1.
        position: usize,
    },
    /// A column that was not declared.
    #[error(
        "the filter names the column '{column}' at character {position}; {}",
        listed(columns)
    )]
    UnknownColumn {
        /// Position of the character, from 1.
        position: usize,
        /// The name in the filter.
        column: String,
        /// The columns that filters may name.
        columns: Vec<String>,
    },
    /// A value that is not of the column's kind.
    #[error(
        "the filter's value for column '{column}' at character {position} does not fit: {source}"
    )]
    Value {
        /// Position of the character, from 1.
        position: usize,
        /// The column.
        column: String,
        /// Why.
        source: ValueError,
    },
    /// An order of values that have none.
    #[error(
        "the filter orders the values of column '{column}' at character {position}, which are true or false; write = or !="
    )]
    Order {
        /// Position of the character, from 1.
        position: usize,
        /// The column.
        column: String,
    },
    /// More parentheses and NOTs inside each other than anyone writes.
    #[error(
        "the filter has more than {limit} parentheses or NOTs inside each other at character {position}; write it flatter"
    )]
    TooDeep {
        /// Position of the character, from 1.
        position: usize,
        /// The most.
        limit: usize,
    },
    /// A filter that was not read from a text names a column that is not there.
    #[error("the filter names the column '{column}'; {}", listed(columns))]
    NoColumn {
        /// The column.
        column: String,
        /// The columns that filters may name.
        columns: Vec<String>,
    },
    /// A filter that was not read from a text has a value of another kind than its column.
    #[error("the filter compares column '{column}', which holds values of kind {}, with a value of another kind", kind.name())]
    Kind {
        /// The column.
        column: String,
        /// What it holds.
        kind: ColumnKind,
    },
}

fn listed(columns: &[String]) -> String {
    if columns.is_empty() {
        return "no filter columns were declared".to_owned();
    }
    format!("the filter columns are {}", columns.join(", "))
}

/// A column that cannot be made or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ColumnError {
    /// A value of another kind, a number that is not finite, or a date before all dates.
    #[error("row {row}: the value does not fit a column of kind {}", kind.name())]
    Value {
        /// Row, from 0.
        row: usize,
        /// What the column holds.
        kind: ColumnKind,
    },
    /// More rows, or more bytes of text, than a segment's column can hold.
    #[error(
        "row {row}: a column holds at most 4,294,967,294 rows and 4 GiB of different texts; commit more often"
    )]
    TooLarge {
        /// Row, from 0.
        row: usize,
    },
    /// Bytes that are not a column.
    #[error("the column's {part} are damaged")]
    Damaged {
        /// The part of the file.
        part: &'static str,
    },
    /// A column of another kind or another number of rows.
    #[error(
        "the file holds a column of {rows} rows of kind {found}, not of {expected_rows} rows of kind {expected}"
    )]
    Other {
        /// Rows in the file.
        rows: usize,
        /// Kind in the file.
        found: &'static str,
        /// Rows wanted.
        expected_rows: usize,
        /// Kind wanted.
        expected: &'static str,
    },
}
