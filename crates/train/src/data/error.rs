//! What can be wrong with training data.

use std::fmt;

use records::{Numbering, RecordError, Source};

use super::columns::{Role, RowKind};

/// Why rows cannot be read, held, split or put into batches.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// A file cannot be read, or one of its rows cannot.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The columns of a file do not tell which of them play which role.
    #[error("{file}: {source}")]
    Columns {
        /// The file.
        file: Source,
        /// What is not clear.
        source: ColumnMapError,
    },
    /// A file of lines holds one text a row.
    #[error(
        "{file}: a file of lines has no columns to train on; name its format, or use a file whose name ends in .csv, .tsv, .jsonl or .parquet"
    )]
    NoColumns {
        /// The file.
        file: Source,
    },
    /// Columns can be found only in what can be read twice.
    #[error(
        "{file}: a pipe can be read only once, too little to find its columns; name them by --columns anchor=COLUMN,positive=COLUMN"
    )]
    ReadOnce {
        /// The pipe.
        file: Source,
    },
    /// A row cannot be trained on. The rows after it can still be read.
    #[error("{}{numbering} {line}: {source}", prefix(file.as_ref()))]
    Row {
        /// The file; `None` for rows that are in none.
        file: Option<Source>,
        /// What `line` counts.
        numbering: Numbering,
        /// The line the row starts on, or the number of the row, the first being 1.
        line: u64,
        /// What is wrong with it.
        source: ExampleProblem,
    },
    /// There is nothing to train on.
    #[error(
        "there are no rows in {}{}",
        file_names(files),
        skipped_rows(*skipped, first_skipped.as_deref())
    )]
    NoRows {
        /// The files that were read; empty for rows that are in none.
        files: Vec<Source>,
        /// How many bad rows were skipped.
        skipped: u64,
        /// What was wrong with the first of them.
        first_skipped: Option<Box<DataError>>,
    },
    /// Rows of two kinds cannot be in the same table.
    #[error(
        "{} has {found}, but the rows before it are {expected}; name the columns by --columns, or train on files of one kind",
        file.as_ref().map_or_else(|| "the second table".to_owned(), ToString::to_string)
    )]
    Kind {
        /// The file of the second kind; `None` for a table that is added to another.
        file: Option<Source>,
        /// Its kind.
        found: RowKind,
        /// The kind of the rows before.
        expected: RowKind,
    },
    /// Some rows have a group and some do not.
    #[error(
        "{rows} rows and {groups} groups: either every row has a group or none; name the group column for all of them"
    )]
    Groups {
        /// Number of rows.
        rows: usize,
        /// Number of those that have a group.
        groups: usize,
    },
    /// A part that is none.
    #[error("{fraction} is no fraction of the rows; it must be above 0 and below 1")]
    Fraction {
        /// What was asked for.
        fraction: f64,
    },
    /// Too few groups of rows to have some on both sides.
    #[error(
        "no {fraction} of the rows can be split off: {rows} rows are {groups} groups, the largest of {largest} rows, and a group stays together; name another --group-column, or give validation rows of their own"
    )]
    CannotSplit {
        /// The part that was to become validation rows.
        fraction: f64,
        /// Number of rows.
        rows: usize,
        /// Number of groups that stay together.
        groups: usize,
        /// Rows of the largest group.
        largest: usize,
    },
    /// A row that is not there.
    #[error("there is no row {row}: the table holds {len}")]
    NoSuchRow {
        /// What was asked for, from 0.
        row: usize,
        /// How many there are.
        len: usize,
    },
    /// No sampler has this name.
    #[error(
        "there is no sampler `{name}`; there are: {}",
        super::sampler::SamplerKind::names()
    )]
    UnknownSampler {
        /// What was asked for.
        name: String,
    },
}

impl DataError {
    /// Whether only one row is bad, so that reading can go on behind it.
    #[must_use]
    pub fn is_row(&self) -> bool {
        match self {
            Self::Record(error) => error.is_row(),
            Self::Row { .. } => true,
            _ => false,
        }
    }
}

/// Why roles cannot be given to columns.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ColumnMapError {
    /// Not of the form `role=column`.
    #[error(
        "`{part}` gives no column a role; write role=column, as in anchor=query,positive=description"
    )]
    NotAnAssignment {
        /// What stands there.
        part: String,
    },
    /// There is no such role.
    #[error("there is no role `{role}`; the roles are: anchor, positive, negative, score, label")]
    UnknownRole {
        /// What stands there.
        role: String,
    },
    /// A role without a column, which only says `role=`.
    #[error("no column is named for the {role}; write {role}=COLUMN")]
    NoColumn {
        /// The role.
        role: Role,
    },
    /// A needed role is not there.
    #[error("no column is named for the {role}; write {role}=COLUMN")]
    Missing {
        /// The role.
        role: Role,
    },
    /// Two columns play a role that only one can play.
    #[error("columns `{first}` and `{second}` are both named as the {role}; keep one")]
    TwoColumns {
        /// The role.
        role: Role,
        /// One column.
        first: String,
        /// The other.
        second: String,
    },
    /// One column stands twice in the same role.
    #[error("column `{column}` is named more than once as the {role}; name it once")]
    Repeated {
        /// The role.
        role: Role,
        /// The column.
        column: String,
    },
    /// One column plays two roles.
    #[error("column `{column}` is named as the {first} and as the {second}; give it one role")]
    TwoRoles {
        /// The column.
        column: String,
        /// One role.
        first: Role,
        /// The other.
        second: Role,
    },
    /// Score and label in the same row.
    #[error("a row has a score or a label, not both; leave out column `{score}` or `{label}`")]
    TwoTargets {
        /// The column of the score.
        score: String,
        /// The column of the label.
        label: String,
    },
    /// A number says nothing about a row of more than two texts.
    #[error("a row with negatives has no {target}; leave out the {target} or the negatives")]
    TargetWithNegatives {
        /// Score or label.
        target: Role,
    },
    /// Fewer than two columns could be texts.
    #[error(
        "an anchor and a positive are needed, but the columns are: {}; name two of them by --columns anchor=COLUMN,positive=COLUMN",
        list(present)
    )]
    TooFewTexts {
        /// The columns of the file.
        present: Vec<String>,
    },
    /// Several columns could play a role.
    #[error(
        "which column is the {role}? It could be any of: {}; name the columns by --columns anchor=COLUMN,positive=COLUMN",
        list(candidates)
    )]
    Unclear {
        /// The role.
        role: Role,
        /// The columns that could play it.
        candidates: Vec<String>,
    },
    /// Among columns without telling names one is a number.
    #[error(
        "is column `{column}` a text? Its first row is `{value}`; name the columns by --columns anchor=COLUMN,positive=COLUMN"
    )]
    Number {
        /// The column.
        column: String,
        /// What stands in its first row.
        value: String,
    },
}

/// What is wrong with a row.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExampleProblem {
    /// An empty text, or one of nothing but white space, means nothing.
    #[error("{cell} is empty; fill it in, or skip bad rows by --skip-bad-rows")]
    Empty {
        /// Where.
        cell: Cell,
    },
    /// No number where one is needed.
    #[error("{cell} is `{value}`, which is not a number")]
    NotNumber {
        /// Where.
        cell: Cell,
        /// What stands there.
        value: String,
    },
    /// A NaN, an infinity, or a number too large for 32 bits.
    #[error("{cell} is `{value}`, which is not finite")]
    NotFinite {
        /// Where.
        cell: Cell,
        /// What stands there.
        value: String,
    },
    /// Neither 0 nor 1.
    #[error(
        "{cell} is `{value}`, neither 0 nor 1; if it is a score, say so by --columns anchor=COLUMN,positive=COLUMN,score=COLUMN"
    )]
    NotLabel {
        /// Where.
        cell: Cell,
        /// What stands there.
        value: String,
    },
    /// More or fewer texts than the other rows.
    #[error("{found} texts where {expected} are needed")]
    TextCount {
        /// How many there are.
        found: usize,
        /// How many each row has.
        expected: usize,
    },
    /// A number is missing, or there is one too many.
    #[error("rows of {kind} {}", target_problem(*found))]
    Target {
        /// The kind of the rows.
        kind: RowKind,
        /// Whether there is one.
        found: bool,
    },
}

/// One value of a row, by its role and the column it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Its role.
    pub role: Role,
    /// Its column; `None` in rows that come from no file.
    pub column: Option<String>,
}

impl fmt::Display for Cell {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the {}", self.role)?;
        match &self.column {
            Some(column) if !column.eq_ignore_ascii_case(self.role.name()) => {
                write!(formatter, " (column `{column}`)")
            }
            _ => Ok(()),
        }
    }
}

fn prefix(file: Option<&Source>) -> String {
    file.map_or_else(String::new, |file| format!("{file}, "))
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

fn target_problem(found: bool) -> &'static str {
    if found {
        "have no target, but this one has"
    } else {
        "need a target, but this one has none"
    }
}

/// Names in a message: the first of them, then how many there are more.
fn list(names: &[String]) -> String {
    const SHOWN: usize = 20;
    match names {
        [] => "none".to_owned(),
        names if names.len() <= SHOWN => names.join(", "),
        names => format!(
            "{} and {} more",
            names[..SHOWN].join(", "),
            names.len() - SHOWN
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_line_of_a_file_or_a_row() {
        let row = |file: Option<&str>| DataError::Row {
            file: file.map(|path| Source::File(path.into())),
            numbering: if file.is_some() {
                Numbering::Lines
            } else {
                Numbering::Rows
            },
            line: 7,
            source: ExampleProblem::Empty {
                cell: Cell {
                    role: Role::Anchor,
                    column: file.map(|_| "title".to_owned()),
                },
            },
        };
        assert_eq!(
            row(Some("pairs.csv")).to_string(),
            "pairs.csv, line 7: the anchor (column `title`) is empty; fill it in, or skip bad rows by --skip-bad-rows"
        );
        assert_eq!(
            row(None).to_string(),
            "row 7: the anchor is empty; fill it in, or skip bad rows by --skip-bad-rows"
        );
        assert!(row(None).is_row());
    }

    #[test]
    fn long_lists_of_names_are_cut() {
        let names: Vec<String> = (0..25).map(|number| number.to_string()).collect();
        assert_eq!(list(&[]), "none");
        assert_eq!(list(&names[..3]), "0, 1, 2");
        assert!(list(&names).ends_with("18, 19 and 5 more"));
    }

    #[test]
    fn a_source_is_kept() {
        let error = DataError::Columns {
            file: Source::Stdin,
            source: ColumnMapError::Missing { role: Role::Anchor },
        };
        let source = std::error::Error::source(&error).unwrap();
        assert_eq!(
            source.downcast_ref(),
            Some(&ColumnMapError::Missing { role: Role::Anchor })
        );
    }
}
