//! Reading files into a table.

use std::path::Path;

use records::{Format, Numbering, ReadError, ReaderOptions, Row, RowReader, Source};

use super::checks::{check_target, check_text};
use super::columns::{ColumnMap, Role};
use super::error::{Cell, DataError, ExampleProblem};
use super::inference::{infer, infer_by_name};
use super::table::TextTable;

/// Options of [`TextTable::read`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// Roles of the columns; `None` infers them from the names, else from the first row.
    pub columns: Option<ColumnMap>,
    /// Infer the roles too in a file that lacks one of `columns`.
    pub infer_where_missing: bool,
    /// Column of the groups: rows of a group stay on the same side of a split.
    pub group_column: Option<String>,
    /// Format of the files; `None` takes it from their names.
    pub format: Option<Format>,
    /// Skip and count bad rows instead of stopping at the first.
    pub skip_bad_rows: bool,
}

impl TextTable {
    /// Reads the rows of CSV, TSV, JSON Lines and Parquet files, in order. The files may differ in
    /// format and column names, but not in the kind of their rows. Holds only columns with a role.
    ///
    /// A row is bad if it cannot be read, a text or the group is empty or white space, the score is
    /// not a finite number, or the label is not `0`, `1`, `false` or `true`.
    ///
    /// # Errors
    ///
    /// A file cannot be read; its columns do not match the options or leave their roles open; a row is
    /// bad and bad rows are not skipped; a file holds rows of another kind than those before it; no
    /// file has rows.
    pub fn read<P: AsRef<Path>>(paths: &[P], options: &ReadOptions) -> Result<Self, DataError> {
        let files: Vec<Source> = paths
            .iter()
            .map(|path| Source::from(path.as_ref()))
            .collect();
        let mut table: Option<Self> = None;
        let mut skipped_before = 0;
        for file in &files {
            let columns = match &options.columns {
                Some(columns)
                    if !options.infer_where_missing || has(file, columns.names(), options)? =>
                {
                    columns.clone()
                }
                _ => match find_columns(file, options)? {
                    Found::Columns(columns) => columns,
                    Found::NoRows { skipped } => {
                        skipped_before += skipped;
                        continue;
                    }
                },
            };
            let kind = columns.kind();
            let table = table.get_or_insert_with(|| Self::new(kind));
            table.check_kind(Some(file), kind)?;
            read_file(table, file, &columns, options)?;
        }
        match table {
            Some(mut table) => {
                table.count_skipped(skipped_before);
                table.finish(&files)
            }
            None => Err(DataError::NoRows {
                files,
                skipped: skipped_before,
                first_skipped: None,
            }),
        }
    }
}

/// The columns of a file with roles inferred from their names, else from their order.
pub(crate) fn columns_of(file: &Path) -> Result<ColumnMap, DataError> {
    let file = Source::from(file);
    match find_columns(&file, &ReadOptions::default())? {
        Found::Columns(columns) => Ok(columns),
        Found::NoRows { skipped } => Err(DataError::NoRows {
            files: vec![file],
            skipped,
            first_skipped: None,
        }),
    }
}

/// Whether a file has all these columns; assumed for a pipe, which can be read only once.
pub(crate) fn has_columns(file: &Path, columns: &[String]) -> Result<bool, DataError> {
    has(&Source::from(file), columns, &ReadOptions::default())
}

fn has<'a>(
    file: &Source,
    columns: impl IntoIterator<Item = &'a String>,
    options: &ReadOptions,
) -> Result<bool, DataError> {
    let reader_options = ReaderOptions {
        format: options.format,
        skip_bad_rows: options.skip_bad_rows,
        missing_is_bad: true,
        ..ReaderOptions::default()
    };
    let reader = RowReader::open_every_scalar(file, &reader_options)?;
    let mut columns = columns.into_iter();
    Ok(reader.total_bytes().is_none() || columns.all(|name| reader.columns().contains(name)))
}

/// Columns found in a file.
enum Found {
    Columns(ColumnMap),
    /// No good row, and `skipped` bad ones.
    NoRows {
        skipped: u64,
    },
}

/// Infers the roles of the columns of a file from their names, else from its first row. Opens the file
/// only for this, so that later only the columns with a role are read.
fn find_columns(file: &Source, options: &ReadOptions) -> Result<Found, DataError> {
    let reader_options = ReaderOptions {
        format: options.format,
        skip_bad_rows: options.skip_bad_rows,
        missing_is_bad: true,
        ..ReaderOptions::default()
    };
    let mut reader = RowReader::open_every_scalar(file, &reader_options)?;
    if reader.total_bytes().is_none() {
        return Err(DataError::ReadOnce { file: file.clone() });
    }
    let group_column = options.group_column.as_deref();
    let columns = match infer_by_name(reader.columns()) {
        Some(columns) => columns,
        None => match first_row(&mut reader)? {
            None => {
                let skipped = reader.skipped();
                return Ok(Found::NoRows { skipped });
            }
            Some(_) if reader.columns().is_empty() => {
                return Err(DataError::NoColumns { file: file.clone() });
            }
            Some(first) => infer(reader.columns(), &first.fields, group_column),
        },
    };
    columns
        .map(Found::Columns)
        .map_err(|source| DataError::Columns {
            file: file.clone(),
            source,
        })
}

/// The first readable row; the error of the first row if all are bad. Reads all columns, although a
/// column without a role cannot make a row bad later.
fn first_row(reader: &mut RowReader) -> Result<Option<Row>, ReadError> {
    let mut first_error = None;
    for record in reader {
        match record {
            Ok(record) => return Ok(Some(record)),
            Err(error) if error.is_row() => first_error = first_error.or(Some(error)),
            Err(error) => return Err(error),
        }
    }
    first_error.map_or(Ok(None), Err)
}

fn read_file(
    table: &mut TextTable,
    file: &Source,
    columns: &ColumnMap,
    options: &ReadOptions,
) -> Result<(), DataError> {
    let mut layout = Layout::new(columns, options.group_column.as_deref());
    let reader_options = ReaderOptions {
        format: options.format,
        columns: layout.columns.clone(),
        missing_is_bad: true,
        ..ReaderOptions::default()
    };
    table.begin_file(file.clone());
    let reader = RowReader::open(file, &reader_options)?;
    layout.numbering = reader.numbering();
    for record in reader {
        match add(table, file, &layout, record) {
            Err(error) if options.skip_bad_rows && error.is_row() => table.skip(error),
            result => result?,
        }
    }
    Ok(())
}

fn add(
    table: &mut TextTable,
    file: &Source,
    layout: &Layout,
    record: Result<Row, ReadError>,
) -> Result<(), DataError> {
    let Row { line, fields, .. } = record?;
    let target = layout.check(&fields).map_err(|source| DataError::Row {
        file: Some(file.clone()),
        numbering: layout.numbering,
        line,
        source,
    })?;
    let texts = fields[..layout.texts].iter().map(String::as_str);
    let group = layout.group.map(|place| fields[place].as_str());
    table.push(texts, target, group, line);
    Ok(())
}

/// Positions of the roles among the fields of a row: texts, then target, then group.
struct Layout {
    columns: Vec<String>,
    texts: usize,
    target: Option<(Role, usize)>,
    group: Option<usize>,
    numbering: Numbering,
}

impl Layout {
    fn new(map: &ColumnMap, group_column: Option<&str>) -> Self {
        let mut columns = map.texts().to_vec();
        let texts = columns.len();
        let target = map.kind().target().zip(map.target()).map(|(role, name)| {
            columns.push(name.to_owned());
            (role, columns.len() - 1)
        });
        // The group may be the anchor: no column is selected twice.
        let group = group_column.map(|name| {
            columns
                .iter()
                .position(|column| column == name)
                .unwrap_or_else(|| {
                    columns.push(name.to_owned());
                    columns.len() - 1
                })
        });
        Self {
            columns,
            texts,
            target,
            group,
            numbering: Numbering::Lines,
        }
    }

    /// Checks the fields of a row, one per column, and returns its target.
    fn check(&self, fields: &[String]) -> Result<Option<f32>, ExampleProblem> {
        for (place, text) in fields[..self.texts].iter().enumerate() {
            check_text(text, || self.cell(Role::of_text(place), place))?;
        }
        if let Some(place) = self.group {
            check_text(&fields[place], || self.cell(Role::Group, place))?;
        }
        let Some((role, place)) = self.target else {
            return Ok(None);
        };
        let written = fields[place].trim();
        let cell = || self.cell(role, place);
        let target = match number(role, written) {
            Some(target) => target,
            None if written.is_empty() => return Err(ExampleProblem::Empty { cell: cell() }),
            None => {
                return Err(ExampleProblem::NotNumber {
                    cell: cell(),
                    value: written.to_owned(),
                });
            }
        };
        check_target(role, target, written, cell)?;
        Ok(Some(target))
    }

    fn cell(&self, role: Role, place: usize) -> Cell {
        Cell {
            role,
            column: Some(self.columns[place].clone()),
        }
    }
}

/// A number; for a label also `true` and `false`, in any case.
fn number(role: Role, written: &str) -> Option<f32> {
    if role == Role::Label {
        for (word, label) in [("true", 1.0), ("false", 0.0)] {
            if written.eq_ignore_ascii_case(word) {
                return Some(label);
            }
        }
    }
    written.parse().ok()
}

#[cfg(test)]
mod tests;
