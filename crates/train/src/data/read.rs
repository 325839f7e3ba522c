//! Reading files into a table.

use std::borrow::Cow;
use std::path::Path;

use records::{
    ColumnErrorKind, Format, Numbering, ReadError, ReaderOptions, Row, RowReader, Source,
};

use super::columns::{ColumnMap, Piece, pieces};
use super::error::{BadCell, Cell, DataError, Fault};
use super::inference::{infer, infer_by_name};
use super::kind::RowKind;
use super::role::Role;
use super::table::TextTable;

/// Options of [`TextTable::read`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// Roles of the columns; `None` infers them from the names, else from the first row.
    pub columns: Option<ColumnMap>,
    /// Infer the roles too in a file that lacks one of `columns`.
    pub infer_where_missing: bool,
    /// Read rows of this kind, without the columns that it does not need; `None` reads all roles.
    pub kind: Option<RowKind>,
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
        let files = sources(paths);
        let mut table: Option<Self> = None;
        let mut used_given = false;
        // Files without rows before the first with some.
        let mut empty: Vec<(&Source, u64)> = Vec::new();
        for file in &files {
            let given = match &options.columns {
                Some(columns) => given(file, columns, options)?,
                None => None,
            };
            let found = match given {
                Some(columns) => {
                    used_given = true;
                    Found::Columns(columns)
                }
                None => find_columns(file, options)?,
            };
            let columns = match (found, &mut table) {
                (Found::Columns(columns), _) => columns,
                (Found::NoRows { skipped }, Some(table)) => {
                    table.begin_file(file.clone());
                    table.count_skipped(skipped);
                    continue;
                }
                (Found::NoRows { skipped }, None) => {
                    empty.push((file, skipped));
                    continue;
                }
            };
            let kind = columns.kind();
            let table = table.get_or_insert_with(|| {
                let mut table = Self::new(kind);
                for (file, skipped) in empty.drain(..) {
                    table.begin_file(file.clone());
                    table.count_skipped(skipped);
                }
                table
            });
            table.check_kind(file, kind)?;
            read_file(table, file, &columns, options)?;
        }
        match table {
            Some(mut table) => {
                table.used_given = used_given;
                table.finish(&files)
            }
            None => Err(DataError::NoRows {
                skipped: empty.iter().map(|(_, skipped)| skipped).sum(),
                files,
                first_skipped: None,
            }),
        }
    }
}

pub(super) fn sources<P: AsRef<Path>>(paths: &[P]) -> Vec<Source> {
    let files = paths.iter().map(|path| Source::from(path.as_ref()));
    files.collect()
}

/// The given columns for a file; `None` if they are to be inferred.
fn given(
    file: &Source,
    columns: &ColumnMap,
    options: &ReadOptions,
) -> Result<Option<ColumnMap>, DataError> {
    let columns = match options.kind {
        None => Ok(columns.clone()),
        Some(kind) => columns.of_kind(kind),
    };
    match columns {
        Ok(columns) if options.infer_where_missing => {
            Ok(has(file, &columns, options)?.then_some(columns))
        }
        Err(_) if options.infer_where_missing => Ok(None),
        columns => columns.map(Some).map_err(DataError::columns(file)),
    }
}

/// First rows in which a column is looked for.
const FIRST_ROWS: usize = 1000;

/// Whether a file has all these columns; assumed for a pipe, which can be read only once.
pub(super) fn has(
    file: &Source,
    columns: &ColumnMap,
    options: &ReadOptions,
) -> Result<bool, DataError> {
    if !file.is_regular_file() {
        return Ok(true);
    }
    let named = ReaderOptions {
        columns: Layout::new(columns, None).columns,
        // The first row need not have all of them.
        missing_is_bad: false,
        ..reader_options(options)
    };
    match RowReader::open(file, &named) {
        Ok(reader) => {
            // A large file of JSON opens without a column that none of its first rows has.
            let mut missing: Vec<usize> = (0..named.columns.len()).collect();
            for row in reader.take(FIRST_ROWS).filter_map(Result::ok) {
                missing.retain(|&column| row.fields[column].is_empty());
                if missing.is_empty() {
                    return Ok(true);
                }
            }
            let every = ReaderOptions {
                columns: Vec::new(),
                ..named.clone()
            };
            let present = RowReader::open_every_scalar(file, &every)?;
            let is_present = |&column: &usize| present.columns().contains(&named.columns[column]);
            Ok(missing.iter().all(is_present))
        }
        Err(
            ReadError::TextHasNoColumns { .. }
            | ReadError::Columns {
                source: ColumnErrorKind::Unknown { .. } | ColumnErrorKind::BesideArray { .. },
                ..
            },
        ) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Options for a reader of all columns.
pub(super) fn reader_options(options: &ReadOptions) -> ReaderOptions {
    ReaderOptions {
        format: options.format,
        skip_bad_rows: options.skip_bad_rows,
        missing_is_bad: true,
        ..ReaderOptions::default()
    }
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
    let mut reader = open_to_infer(file, &reader_options(options))?;
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
        .and_then(|columns| match options.kind {
            None => Ok(columns),
            Some(kind) => columns.of_kind(kind),
        })
        .map(Found::Columns)
        .map_err(DataError::columns(file))
}

/// Opens a file to infer its columns.
pub(super) fn open_to_infer(
    file: &Source,
    options: &ReaderOptions,
) -> Result<RowReader, DataError> {
    let reader = RowReader::open_every_scalar(file, options)?;
    match reader.total_bytes() {
        Some(_) => Ok(reader),
        None => Err(DataError::ReadOnce { file: file.clone() }),
    }
}

/// The first readable row; the error of the first row if all are bad. Reads all columns, although a
/// column without a role cannot make a row bad later.
pub(super) fn first_row(reader: &mut RowReader) -> Result<Option<Row>, ReadError> {
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
        // A template has no gap where a column is missing, and a text of one column is bad if it is empty.
        missing_is_bad: layout.texts.iter().all(|parts| parts.len() == 1),
        ..ReaderOptions::default()
    };
    table.begin_file(file.clone());
    let reader = RowReader::open(file, &reader_options)?;
    layout.numbering = reader.numbering();
    let mut targets = Vec::new();
    for record in reader {
        match add(table, file, &layout, record, &mut targets) {
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
    targets: &mut Vec<f32>,
) -> Result<(), DataError> {
    let Row { line, fields, .. } = record?;
    targets.clear();
    layout
        .check(&fields, targets)
        .map_err(|source| DataError::Row {
            file: file.clone(),
            numbering: layout.numbering,
            line,
            source,
        })?;
    let texts: Vec<Cow<'_, str>> = layout.texts(&fields).collect();
    let group = layout.group.map(|place| fields[place].as_str());
    table.push(texts.iter().map(AsRef::as_ref), targets, group, line);
    Ok(())
}

/// Positions of the roles among the fields of a row.
pub(super) struct Layout {
    /// The columns to read, none of them twice.
    pub(super) columns: Vec<String>,
    /// The texts as they are written in the map.
    written: Vec<String>,
    texts: Vec<Vec<Part>>,
    targets: Option<(Role, Vec<usize>)>,
    group: Option<usize>,
    numbering: Numbering,
}

/// A part of a text.
enum Part {
    Literal(String),
    Field(usize),
}

impl Layout {
    pub(super) fn new(map: &ColumnMap, group_column: Option<&str>) -> Self {
        let mut columns: Vec<String> = Vec::new();
        let mut place = |name: &str| {
            let known = columns.iter().position(|column| column == name);
            known.unwrap_or_else(|| {
                columns.push(name.to_owned());
                columns.len() - 1
            })
        };
        let texts = map.texts().iter().map(|text| {
            let parts = pieces(text).into_iter().map(|piece| match piece {
                Piece::Literal(text) => Part::Literal(text.to_owned()),
                Piece::Column(name) => Part::Field(place(name)),
            });
            parts.collect()
        });
        let texts: Vec<Vec<Part>> = texts.collect();
        let places = map.targets().iter().map(|name| place(name)).collect();
        let targets = map.kind().target().map(|role| (role, places));
        let group = group_column.map(place);
        Self {
            columns,
            written: map.texts().to_vec(),
            texts,
            targets,
            group,
            numbering: Numbering::Lines,
        }
    }

    /// The texts of a row.
    pub(super) fn texts<'a>(&'a self, fields: &'a [String]) -> impl Iterator<Item = Cow<'a, str>> {
        self.texts.iter().map(|parts| match parts.as_slice() {
            [Part::Field(place)] => Cow::Borrowed(fields[*place].as_str()),
            parts => Cow::Owned(filled_in(parts, fields)),
        })
    }

    /// Checks the fields of a row, one per column, and adds its targets.
    fn check(&self, fields: &[String], targets: &mut Vec<f32>) -> Result<(), BadCell> {
        let bad = |role, column: &str| {
            let column = column.to_owned();
            move |fault| BadCell {
                cell: Cell { role, column },
                fault,
            }
        };
        for (place, text) in self.texts(fields).enumerate() {
            check_text(&text).map_err(bad(Role::of_text(place), &self.written[place]))?;
        }
        if let Some(place) = self.group {
            check_text(&fields[place]).map_err(bad(Role::Group, &self.columns[place]))?;
        }
        if let Some((role, places)) = &self.targets {
            for &place in places {
                let target = target(*role, fields[place].trim());
                targets.push(target.map_err(bad(*role, &self.columns[place]))?);
            }
        }
        Ok(())
    }
}

/// Refuses an empty text: its vector means nothing, and empty texts of a batch are duplicates.
fn check_text(text: &str) -> Result<(), Fault> {
    match text.trim().is_empty() {
        true => Err(Fault::Empty),
        false => Ok(()),
    }
}

/// The score, which is finite, or the label, which is 0 or 1.
fn target(role: Role, written: &str) -> Result<f32, Fault> {
    let value = || written.to_owned();
    match number(role, written) {
        None if written.is_empty() => Err(Fault::Empty),
        None => Err(Fault::NotNumber(value())),
        Some(target) if role == Role::Label && target != 0.0 && target != 1.0 => {
            Err(Fault::NotLabel(value()))
        }
        Some(target) if !target.is_finite() => Err(Fault::NotFinite(value())),
        Some(target) => Ok(target),
    }
}

/// A template with the values of a row, without gaps; empty if all values are.
fn filled_in(parts: &[Part], fields: &[String]) -> String {
    let mut text = String::new();
    let mut empty = true;
    for part in parts {
        match part {
            Part::Literal(literal) => text.push_str(literal),
            Part::Field(place) => {
                empty &= fields[*place].trim().is_empty();
                text.push_str(&fields[*place]);
            }
        }
    }
    if empty {
        return String::new();
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
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
