//! All rows of a file, with the selected columns.

use std::path::{Path, PathBuf};

use records::{ColumnErrorKind, ReadError, ReaderOptions, Row, RowReader, Source};

use super::super::error::{CellProblem, FileError};

/// Columns to read.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    /// Column of the ids; empty for rows without.
    pub(super) id: String,
    /// The other columns, in the order of a row's fields.
    pub(super) columns: Vec<String>,
}

impl Layout {
    pub(super) fn new<C: ToString>(id: &str, columns: &[C]) -> Self {
        Self {
            id: id.to_owned(),
            columns: columns.iter().map(ToString::to_string).collect(),
        }
    }
}

/// All rows of a file. Every row has as many fields as the layout has columns, and an id if it has one.
#[derive(Debug)]
pub(super) struct Table {
    file: PathBuf,
    /// Its columns.
    pub(super) layout: Layout,
    pub(super) rows: Vec<Row>,
}

impl Table {
    /// Reads the named columns, or the first of the usual ones that the file has: an id column, which may
    /// be empty, and others.
    pub(super) fn read(
        file: &Path,
        named: Option<Layout>,
        usual: &[(&str, &[&str])],
    ) -> Result<Self, FileError> {
        if let Some(layout) = named {
            return Ok(Self::read_layout(file, layout)?);
        }
        let mut present = Vec::new();
        for (id, columns) in usual {
            match Self::read_layout(file, Layout::new(id, columns)) {
                Err(ReadError::Columns {
                    source: ColumnErrorKind::Unknown { present: found, .. },
                    ..
                }) => present = found,
                table => return Ok(table?),
            }
        }
        let tried = usual.iter().map(|(id, columns)| {
            let id = (!id.is_empty()).then_some(*id);
            let names: Vec<&str> = id.into_iter().chain(columns.iter().copied()).collect();
            names.join(" + ")
        });
        Err(FileError::NoUsualColumns {
            file: file.to_owned(),
            tried: tried.collect::<Vec<_>>().join(", or "),
            present: present.join(", "),
        })
    }

    fn read_layout(file: &Path, layout: Layout) -> Result<Self, ReadError> {
        let options = ReaderOptions {
            columns: layout.columns.clone(),
            id_column: (!layout.id.is_empty()).then(|| layout.id.clone()),
            missing_is_bad: true,
            ..ReaderOptions::default()
        };
        let reader = RowReader::open(&Source::File(file.to_owned()), &options)?;
        Ok(Self {
            rows: reader.collect::<Result<_, _>>()?,
            file: file.to_owned(),
            layout,
        })
    }

    /// The error of a value of a row.
    pub(super) fn error(&self, row: &Row, column: &str, problem: CellProblem) -> FileError {
        FileError::Cell {
            file: self.file.clone(),
            line: row.line,
            column: column.to_owned(),
            problem,
        }
    }
}
