//! All rows of a file, with the selected columns.

use std::path::{Path, PathBuf};

use records::{ColumnErrorKind, ReadError, ReaderOptions, RowReader, Source};

use super::super::error::FileError;

/// Columns to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// Column of the ids.
    pub(super) id: Option<String>,
    /// The other columns, in the order of a row's fields.
    pub(super) columns: Vec<String>,
}

impl Layout {
    pub(super) fn of_columns(columns: &[&str]) -> Self {
        Self {
            id: None,
            columns: columns.iter().map(|&column| column.to_owned()).collect(),
        }
    }

    pub(super) fn with_id(id: &str, columns: &[&str]) -> Self {
        Self {
            id: Some(id.to_owned()),
            ..Self::of_columns(columns)
        }
    }

    fn names(&self) -> String {
        let names = self.id.iter().chain(&self.columns);
        names.map(String::as_str).collect::<Vec<_>>().join(" + ")
    }
}

/// All rows of a file.
#[derive(Debug)]
pub(super) struct Table {
    file: PathBuf,
    /// Its columns.
    pub(super) layout: Layout,
    pub(super) rows: Vec<Row>,
}

/// A row that has as many fields as the layout has columns.
#[derive(Debug)]
pub(super) struct Row(pub(super) records::Row);

impl Row {
    pub(super) fn field(&self, position: usize) -> &str {
        self.0.fields.get(position).map_or("", String::as_str)
    }

    /// The first fields.
    pub(super) fn texts<const N: usize>(&self) -> [String; N] {
        std::array::from_fn(|position| self.field(position).to_owned())
    }

    pub(super) fn id(&self) -> &str {
        self.0.id.as_deref().unwrap_or_default()
    }

    pub(super) fn line(&self) -> u64 {
        self.0.line
    }
}

impl Table {
    /// Reads the columns of the first layout that the file has.
    pub(super) fn read(file: &Path, layouts: &[Layout]) -> Result<Self, FileError> {
        let mut present = Vec::new();
        for layout in layouts {
            match Self::read_layout(file, layout) {
                Err(error) if layouts.len() > 1 => present = lacking(error)?,
                table => return Ok(table?),
            }
        }
        let tried: Vec<String> = layouts.iter().map(Layout::names).collect();
        Err(FileError::NoUsualColumns {
            file: file.to_owned(),
            tried: tried.join(", or "),
            present: present.join(", "),
        })
    }

    fn read_layout(file: &Path, layout: &Layout) -> Result<Self, ReadError> {
        let options = ReaderOptions {
            columns: layout.columns.clone(),
            id_column: layout.id.clone(),
            missing_is_bad: true,
            ..ReaderOptions::default()
        };
        let reader = RowReader::open(&Source::File(file.to_owned()), &options)?;
        let rows = reader.map(|row| row.map(Row)).collect::<Result<_, _>>()?;
        Ok(Self {
            file: file.to_owned(),
            layout: layout.clone(),
            rows,
        })
    }

    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// The name of a column.
    pub(super) fn column(&self, position: usize) -> String {
        self.layout
            .columns
            .get(position)
            .cloned()
            .unwrap_or_default()
    }

    /// A field that is a finite number.
    pub(super) fn number(&self, row: &Row, position: usize) -> Result<f64, FileError> {
        let value = row.field(position);
        match value.trim().parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(number),
            _ => Err(FileError::NotANumber {
                file: self.file.clone(),
                line: row.line(),
                column: self.column(position),
                value: value.to_owned(),
            }),
        }
    }
}

/// The columns of a file that lacks the selected ones; returns any other error.
fn lacking(error: ReadError) -> Result<Vec<String>, ReadError> {
    match error {
        ReadError::Columns {
            source: ColumnErrorKind::Unknown { present, .. },
            ..
        } => Ok(present),
        error => Err(error),
    }
}
