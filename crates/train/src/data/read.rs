//! From files to a table.

use std::path::Path;

use records::{Format, Numbering, ReaderOptions, Record, RecordError, RecordReader, Source};

use super::checks::{check_target, check_text};
use super::columns::{ColumnMap, Role};
use super::error::{Cell, DataError, ExampleProblem};
use super::inference::{infer, infer_by_name};
use super::table::TextTable;

/// How files of rows are read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// Which columns play which role; `None` goes by their names, else by their shape.
    pub columns: Option<ColumnMap>,
    /// Go by the names of the columns in a file that lacks one of `columns`, too.
    pub infer_where_missing: bool,
    /// The column whose equal values keep rows on the same side of a split.
    pub group_column: Option<String>,
    /// The format of the files; `None` goes by their names.
    pub format: Option<Format>,
    /// Skip and count bad rows instead of stopping at the first.
    pub skip_bad_rows: bool,
}

impl TextTable {
    /// Reads the rows of CSV, TSV, JSON Lines and Parquet files, gzipped or not, one file behind
    /// the other. They may differ in format and in their columns' names, not in the kind of
    /// their rows. Columns that play no role are not held.
    ///
    /// A row is bad if it cannot be read, if a text or the group is empty or nothing but white
    /// space, if the score is no finite number, or if the label is none of `0`, `1`, `false` and
    /// `true`.
    ///
    /// # Errors
    ///
    /// When a file cannot be read, its columns do not fit the options or do not tell their roles,
    /// a row is bad and bad rows are not skipped, a file holds rows of another kind than those
    /// before it, or there are no rows at all.
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

/// The columns of a file with the roles that their names, else their order, tell.
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

/// Whether a file has all those columns; of what can be read only once it is taken for granted.
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
        ..ReaderOptions::default()
    };
    let reader = RecordReader::open_every_scalar(file, &reader_options)?;
    let mut columns = columns.into_iter();
    Ok(reader.total_bytes().is_none() || columns.all(|name| reader.columns().contains(name)))
}

/// What a look into a file found.
enum Found {
    Columns(ColumnMap),
    /// No row that could be read; `skipped` bad ones.
    NoRows {
        skipped: u64,
    },
}

/// Finds the roles of the columns of a file by their names, else by its first row. The file is
/// opened for that alone, so that later only the columns with a role are taken out of its rows.
fn find_columns(file: &Source, options: &ReadOptions) -> Result<Found, DataError> {
    let reader_options = ReaderOptions {
        format: options.format,
        skip_bad_rows: options.skip_bad_rows,
        ..ReaderOptions::default()
    };
    let mut reader = RecordReader::open_every_scalar(file, &reader_options)?;
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

/// The first row that can be read: a row that is bad for a column that plays no role is not bad.
/// If there is none but bad ones, the error of the first.
fn first_row(reader: &mut RecordReader) -> Result<Option<Record>, RecordError> {
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
    let layout = Layout::new(
        columns,
        options.group_column.as_deref(),
        numbering(file, options),
    );
    let reader_options = ReaderOptions {
        format: options.format,
        columns: layout.columns.clone(),
        ..ReaderOptions::default()
    };
    table.begin_file(file.clone());
    for record in RecordReader::open(file, &reader_options)? {
        match add(table, file, &layout, record) {
            Err(error) if options.skip_bad_rows && error.is_row() => table.skip(error),
            result => result?,
        }
    }
    Ok(())
}

/// What the numbers of a file's records count.
fn numbering(file: &Source, options: &ReadOptions) -> Numbering {
    let format = match (options.format, file) {
        (Some(format), _) => format,
        (None, Source::File(path)) => Format::from_path(path),
        (None, Source::Stdin) => Format::Text,
    };
    match format {
        Format::Parquet => Numbering::Rows,
        Format::Text | Format::Csv | Format::Tsv | Format::Jsonl => Numbering::Lines,
    }
}

fn add(
    table: &mut TextTable,
    file: &Source,
    layout: &Layout,
    record: Result<Record, RecordError>,
) -> Result<(), DataError> {
    let Record { line, fields, .. } = record?;
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

/// Where the roles stand among the fields of a record: the texts first, then the target and the
/// group.
struct Layout {
    columns: Vec<String>,
    texts: usize,
    target: Option<(Role, usize)>,
    group: Option<usize>,
    numbering: Numbering,
}

impl Layout {
    fn new(map: &ColumnMap, group_column: Option<&str>, numbering: Numbering) -> Self {
        let mut columns = map.texts().to_vec();
        let texts = columns.len();
        let target = map.kind().target().zip(map.target()).map(|(role, name)| {
            columns.push(name.to_owned());
            (role, columns.len() - 1)
        });
        // The group may well be the anchor: no column is asked for twice.
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
            numbering,
        }
    }

    /// Checks the fields of a record, of which there are as many as columns, and gives its target.
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

/// A number; of a label also `true` and `false`, in any case.
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
