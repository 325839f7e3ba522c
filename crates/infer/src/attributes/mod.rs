//! Attributes of products: the file of `infer attributes`, and its values as filter columns of the rows of a corpus.

mod error;
mod line;
mod query;

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use program::Console;
use program::text::count;
use search::filter::{Column, ColumnBuilder, ColumnKind, FilterColumn, Value};

use crate::rows::Rows;
use line::{Line, RowId};

pub(crate) use error::{AttributesError, AttributesErrorKind};
pub(crate) use query::QueryAttributes;

/// The attributes of a file: a value for each label and each of its lines, in the columns that filters take.
#[derive(Debug)]
pub(crate) struct Attributes {
    path: PathBuf,
    /// Sorted: the same labels are the same columns, in whatever order lines have them.
    labels: Vec<String>,
    /// For each label, by line.
    columns: Vec<Column>,
    lines: Lines,
    /// Lines with several values of a label, of which one counts.
    several: usize,
}

/// Which row the lines are about.
#[derive(Debug)]
enum Lines {
    ById(HashMap<String, u32>),
    ByNumber(HashMap<u64, u32>),
    /// The first line is about the first row.
    InOrder(u32),
}

/// The attributes of the rows of a corpus as filter columns, by the positions of the rows.
#[derive(Debug)]
pub(crate) struct AttributeColumns {
    /// All are columns of texts.
    pub(crate) declared: Vec<FilterColumn>,
    pub(crate) values: Vec<Column>,
}

impl Attributes {
    /// Reads a file: JSON Lines with `attributes` (values by label) or `spans`, and an `id` or a `row` in every line or
    /// in none.
    ///
    /// # Errors
    ///
    /// [`AttributesError`], which names the file and the line.
    pub(crate) fn read(path: &Path) -> Result<Self, AttributesError> {
        let fail = |line: u64, kind: AttributesErrorKind| AttributesError {
            path: path.to_owned(),
            line,
            kind,
        };
        let file = File::open(path).map_err(|error| fail(0, error.into()))?;
        let mut reader = BufReader::new(file);
        let mut builder = Builder::default();
        let mut text = String::new();
        for number in 1u64.. {
            text.clear();
            let read = reader.read_line(&mut text);
            if read.map_err(|error| fail(number, error.into()))? == 0 {
                break;
            }
            // A byte order mark, as editors on Windows write it.
            let text = text.trim_start_matches('\u{feff}');
            if text.trim().is_empty() {
                continue;
            }
            let line = Line::parse(text);
            let added = line.and_then(|line| builder.add(line));
            added.map_err(|kind| fail(number, kind))?;
        }
        Ok(builder.finish(path))
    }

    /// The labels, sorted.
    pub(crate) fn labels(&self) -> &[String] {
        &self.labels
    }

    /// The labels as filter columns.
    pub(crate) fn declared(&self) -> Vec<FilterColumn> {
        let column = |name: &String| FilterColumn {
            name: name.clone(),
            kind: ColumnKind::Text,
        };
        self.labels.iter().map(column).collect()
    }

    /// The name of the file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Fails where the lines do not name rows by ids, as an index does.
    pub(crate) fn require_ids(&self) -> Result<(), AttributesError> {
        match &self.lines {
            Lines::ById(_) => Ok(()),
            Lines::InOrder(0) => Ok(()),
            Lines::ByNumber(_) | Lines::InOrder(_) => Err(AttributesError {
                path: self.path.clone(),
                line: 1,
                kind: AttributesErrorKind::NoId,
            }),
        }
    }

    /// The line of the row with an id, from 0.
    pub(crate) fn line_of(&self, id: &str) -> Option<u32> {
        match &self.lines {
            Lines::ById(lines) => lines.get(id).copied(),
            Lines::ByNumber(_) | Lines::InOrder(_) => None,
        }
    }

    /// The value of a label in a line.
    pub(crate) fn value(&self, label: &str, line: u32) -> Option<Value> {
        let place = self.labels.iter().position(|known| known == label)?;
        self.columns.get(place)?.value(line)
    }

    /// The values of all labels by the rows of a corpus.
    ///
    /// # Errors
    ///
    /// When no line is about a row of the corpus, or lines without ids are more or fewer than its rows.
    pub(crate) fn of_rows(
        &self,
        rows: &Rows,
        console: Console,
    ) -> Result<AttributeColumns, AttributesError> {
        let fail = |kind| AttributesError {
            path: self.path.clone(),
            line: 0,
            kind,
        };
        if let Lines::InOrder(lines) = self.lines
            && lines as usize != rows.len()
        {
            return Err(fail(AttributesErrorKind::Count {
                lines: lines as usize,
                rows: rows.len(),
            }));
        }
        let lines: Vec<Option<u32>> = (0..rows.len())
            .map(|position| match &self.lines {
                Lines::ById(lines) => {
                    let id = rows.row(position).and_then(|row| row.id.as_deref());
                    id.and_then(|id| lines.get(id.trim()).copied())
                }
                Lines::ByNumber(lines) => lines.get(&rows.number(position)).copied(),
                Lines::InOrder(_) => u32::try_from(position).ok(),
            })
            .collect();
        let found = lines.iter().flatten().count();
        if found == 0 && !rows.is_empty() {
            return Err(self.of_no_row());
        }
        self.note(rows.len() - found, console);
        let mut columns = AttributeColumns {
            declared: self.declared(),
            values: Vec::with_capacity(self.labels.len()),
        };
        for column in &self.columns {
            let mut values = ColumnBuilder::new(ColumnKind::Text);
            for line in &lines {
                let value = line.and_then(|line| column.value(line));
                let pushed = values.push(value);
                pushed.map_err(|error| fail(AttributesErrorKind::Column(error)))?;
            }
            columns.values.push(values.finish());
        }
        Ok(columns)
    }

    /// The error of attributes that are of other rows.
    pub(crate) fn of_no_row(&self) -> AttributesError {
        AttributesError {
            path: self.path.clone(),
            line: 0,
            kind: AttributesErrorKind::NoRow,
        }
    }

    /// Says what is missing, and what does not count.
    pub(crate) fn note(&self, rows_without: usize, console: Console) {
        let file = self.path.display();
        if rows_without > 0 {
            let rows = count(rows_without, "row");
            console.note(format_args!("note: {rows} without a line in {file}"));
        }
        if self.several > 0 {
            let lines = count(self.several, "line");
            console.note(format_args!(
                "note: {file}: {lines} with several values of a label, of which the best or the first counts"
            ));
        }
    }
}

/// Collects lines.
#[derive(Default)]
struct Builder {
    labels: Vec<String>,
    columns: Vec<ColumnBuilder>,
    lines: Option<Lines>,
    count: usize,
    several: usize,
}

impl Builder {
    fn add(&mut self, line: Line) -> Result<(), AttributesErrorKind> {
        // A column takes no more rows, which `push` says.
        let number = u32::try_from(self.count).unwrap_or(u32::MAX);
        let lines = self.lines.get_or_insert_with(|| match &line.row {
            RowId::Id(_) => Lines::ById(HashMap::new()),
            RowId::Number(_) => Lines::ByNumber(HashMap::new()),
            RowId::None => Lines::InOrder(0),
        });
        let repeated = match (lines, &line.row) {
            (Lines::ById(lines), RowId::Id(id)) => {
                // As of the rows of an index, the last one with an id counts.
                lines.insert(id.clone(), number);
                false
            }
            (Lines::ByNumber(lines), RowId::Number(row)) => lines.insert(*row, number).is_some(),
            (Lines::InOrder(lines), RowId::None) => {
                *lines = number.saturating_add(1);
                false
            }
            _ => return Err(AttributesErrorKind::Mixed),
        };
        if repeated {
            return Err(AttributesErrorKind::Repeated(line.row.to_string()));
        }
        self.several += usize::from(line.several);
        for (label, value) in line.values {
            let place = self.labels.iter().position(|known| *known == label);
            let place = place.unwrap_or_else(|| {
                self.labels.push(label);
                self.columns.push(ColumnBuilder::new(ColumnKind::Text));
                self.labels.len() - 1
            });
            let column = &mut self.columns[place];
            fill(column, self.count)?;
            column.push(Some(Value::Text(value)))?;
        }
        self.count += 1;
        Ok(())
    }

    fn finish(self, path: &Path) -> Attributes {
        let count = self.count;
        let columns = self.columns.into_iter().map(|mut column| {
            // It had room for a later row.
            let _ = fill(&mut column, count);
            column.finish()
        });
        let mut named: Vec<(String, Column)> = self.labels.into_iter().zip(columns).collect();
        named.sort_by(|one, other| one.0.cmp(&other.0));
        let (labels, columns) = named.into_iter().unzip();
        Attributes {
            path: path.to_owned(),
            labels,
            columns,
            lines: self.lines.unwrap_or(Lines::InOrder(0)),
            several: self.several,
        }
    }
}

/// Rows without a value, up to a number of rows.
fn fill(column: &mut ColumnBuilder, rows: usize) -> Result<(), AttributesErrorKind> {
    while column.len() < rows {
        column.push(None)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Attributes, AttributesError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Attributes::read(file.path())
    }

    #[test]
    fn values_by_id_and_label() {
        let attributes = read(
            "{\"id\":\"a\",\"attributes\":{\"brand\":\"Sony\"}}\n\n\
             {\"id\":7,\"attributes\":{\"colour\":[\"black\",\"red\"],\"brand\":null}}\n\
             {\"id\":\"c\",\"text\":\"né Acme\",\"spans\":[{\"start\":3,\"end\":7,\"label\":\"brand\"}]}\n",
        )
        .unwrap();
        assert_eq!(attributes.labels(), ["brand", "colour"]);
        let value = |id: &str, label: &str| {
            let line = attributes.line_of(id).unwrap();
            attributes.value(label, line).map(|value| value.to_string())
        };
        assert_eq!(value("a", "brand").as_deref(), Some("Sony"));
        assert_eq!(value("a", "colour"), None);
        assert_eq!(value("7", "colour").as_deref(), Some("black"));
        assert_eq!(value("7", "brand"), None);
        assert_eq!(value("c", "brand").as_deref(), Some("Acme"));
        assert_eq!(value("c", "colour"), None);
        assert_eq!(attributes.line_of("d"), None);
        assert_eq!(attributes.several, 1);
        assert!(attributes.require_ids().is_ok());
        assert_eq!(read("").unwrap().labels(), [""; 0]);
        // In whatever order they come.
        let other = read(
            "{\"id\":\"a\",\"attributes\":{\"size\":\"XL\"}}\n{\"id\":\"b\",\"attributes\":{\"brand\":\"Acme\"}}\n",
        );
        let other = other.unwrap();
        assert_eq!(other.labels(), ["brand", "size"]);
        assert_eq!(other.value("size", 0).unwrap().to_string(), "XL");
        assert_eq!(other.value("brand", 0), None);
        assert_eq!(other.value("brand", 1).unwrap().to_string(), "Acme");
    }

    #[test]
    fn wrong_lines_are_named() {
        for (text, place, reason) in [
            ("{}\n{\"id\":\"a\"}\n", "line 2", "an `id` or a `row`"),
            ("{\"row\":1}\n\n{\"row\":1}\n", "line 3", "row 1"),
            ("{\"id\":\"a\"\n", "line 1", "not a line of attributes"),
            ("[]\n", "line 1", "not a line of attributes"),
            ("{\"attributes\":{\"a\":{}}}\n", "line 1", "`a`"),
            ("{\"spans\":[{\"label\":\"a\"}]}\n", "line 1", "`a`"),
            (
                "{\"text\":\"né\",\"spans\":[{\"label\":\"a\",\"start\":1,\"end\":3}]}\n",
                "line 1",
                "`a`",
            ),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(
                error.contains(place) && error.contains(reason),
                "{text}: {error}"
            );
        }
        assert!(read("{\"row\":1}").unwrap().require_ids().is_err());
        assert!(Attributes::read(Path::new("/none")).is_err());
    }
}
