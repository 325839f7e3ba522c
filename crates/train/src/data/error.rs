//! Errors of training data.

use std::fmt;

use records::{Numbering, ReadError, Source};

use super::column_error::ColumnMapError;
use super::kind::RowKind;
use super::role::Role;
use super::tagged::TaggedFault;

/// Error of reading, holding, splitting or batching rows.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// A file or one of its rows cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The roles of the columns of a file are not clear.
    #[error("{file}: {source}")]
    Columns {
        /// The file.
        file: Source,
        /// The open question.
        source: ColumnMapError,
    },
    /// A plain-text file, which has one text per row.
    #[error(
        "{file}: a plain-text file has no columns to train on; use a file whose name ends in .csv, .tsv, .jsonl or .parquet"
    )]
    NoColumns {
        /// The file.
        file: Source,
    },
    /// A pipe without named columns: inference reads a file twice.
    #[error(
        "{file}: cannot infer the columns of a pipe, which can be read only once; name them with --columns anchor=COLUMN,positive=COLUMN"
    )]
    ReadOnce {
        /// The pipe.
        file: Source,
    },
    /// A row is unusable. The rows after it can still be read.
    #[error("{file}, {numbering} {line}: {source}")]
    Row {
        /// The file.
        file: Source,
        /// Whether `line` counts lines or rows.
        numbering: Numbering,
        /// The line the row starts on, or the number of the row, from 1.
        line: u64,
        /// The fault of the row.
        source: BadCell,
    },
    /// A row of a tagger is unusable. The rows after it can still be read.
    #[error("{file}, line {line}: {source}")]
    Tagged {
        /// The file.
        file: Source,
        /// The line the row starts on, or in Parquet the number of the row, from 1.
        line: u64,
        /// The fault of the row.
        source: TaggedFault,
    },
    /// No rows.
    #[error(
        "no rows in {}{}",
        file_names(files),
        skipped_rows(*skipped, first_skipped.as_deref())
    )]
    NoRows {
        /// The files; empty for rows that come from no file.
        files: Vec<Source>,
        /// Number of skipped bad rows.
        skipped: u64,
        /// Error of the first of them.
        first_skipped: Option<Box<DataError>>,
    },
    /// Product files of whose texts none has a value of its columns.
    #[error(
        "no text of the {rows} rows in {} has a value of the --label columns; a text must have a value word for word, in any case",
        file_names(files)
    )]
    NoValues {
        /// The files.
        files: Vec<Source>,
        /// Number of their rows.
        rows: usize,
    },
    /// Rows of two kinds in one table.
    #[error(
        "{file} has {found}, but the rows before it are {expected}; name the columns with --columns, or train on files of one kind"
    )]
    Kind {
        /// The file of the second kind.
        file: Source,
        /// Its kind of rows.
        found: RowKind,
        /// The kind of the rows before it.
        expected: RowKind,
    },
    /// Too few groups of rows for two sides.
    #[error(
        "cannot split off {fraction} of the rows: {rows} rows are {groups} groups, the largest of {largest} rows, and a group stays together; choose another --group-column, or give separate rows with --valid"
    )]
    CannotSplit {
        /// The requested share of validation rows.
        fraction: f64,
        /// Number of rows.
        rows: usize,
        /// Number of groups that stay together.
        groups: usize,
        /// Rows of the largest group.
        largest: usize,
    },
}

impl DataError {
    pub(super) fn columns(file: &Source) -> impl FnOnce(ColumnMapError) -> Self {
        let file = file.clone();
        |source| Self::Columns { file, source }
    }

    /// Whether files may lack columns that are named, and so have rows of another form.
    pub(crate) fn may_lack_columns(&self) -> bool {
        match self {
            Self::Read(error) => !error.is_row() && !matches!(error, ReadError::Io { .. }),
            // Far into a long file of JSON no row had the column of the text yet.
            Self::Tagged { source, .. } => matches!(source, TaggedFault::Empty),
            _ => false,
        }
    }

    /// Whether a file of texts with spans is none from its first line on.
    pub(crate) fn is_of_no_spans(&self) -> bool {
        let Self::Tagged {
            line: 1, source, ..
        } = self
        else {
            return false;
        };
        matches!(
            source,
            TaggedFault::NoSpans | TaggedFault::NoTag(_) | TaggedFault::UnknownTag(_)
        )
    }

    /// Whether only one row is bad, so that reading can continue with the next one.
    #[must_use]
    pub(crate) fn is_row(&self) -> bool {
        match self {
            Self::Read(error) => error.is_row(),
            Self::Row { .. } | Self::Tagged { .. } => true,
            _ => false,
        }
    }
}

/// Why a row is unusable: a cell of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{cell} {fault}")]
pub struct BadCell {
    /// The cell.
    pub cell: Cell,
    /// What is wrong with its value.
    pub fault: Fault,
}

/// Why a value is unusable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// An empty text, or one of only white space.
    #[error("is empty; fill it in, or leave the row out (`train fit` does with --skip-bad-rows)")]
    Empty,
    /// A value that is not a number.
    #[error("is `{0}`, which is not a number")]
    NotNumber(String),
    /// A NaN, an infinity, or a number too large for `f32`.
    #[error("is `{0}`, which is not finite")]
    NotFinite(String),
    /// A label other than 0 and 1.
    #[error(
        "is `{0}`, neither 0 nor 1; if it is a score, give --columns anchor=COLUMN,positive=COLUMN,score=COLUMN"
    )]
    NotLabel(String),
}

/// One value of a row, by its role and the column it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Its role.
    pub role: Role,
    /// Its column.
    pub column: String,
}

impl fmt::Display for Cell {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the {}", self.role)?;
        if self.column.eq_ignore_ascii_case(self.role.name()) {
            return Ok(());
        }
        write!(formatter, " (column `{}`)", self.column)
    }
}

fn file_names(files: &[Source]) -> String {
    match files {
        [] => "the data".to_owned(),
        [only] => only.to_string(),
        [first, rest @ ..] => format!("{first} and {} other files", rest.len()),
    }
}

fn skipped_rows(skipped: u64, first: Option<&DataError>) -> String {
    match (skipped, first) {
        (0, _) => String::new(),
        (_, None) => format!(" but {skipped} bad ones, which were skipped"),
        (_, Some(first)) => format!(" but {skipped} bad ones; the first: {first}"),
    }
}

#[cfg(test)]
mod tests;
