//! The rows of a file, as results name and show them.

use std::path::PathBuf;

use program::Console;
use records::{Row, RowReader};

use crate::error::Error;
use crate::repeated_ids::{Places, RepeatedIds};
use crate::stream::note_skipped;

/// Rows in the order of their files.
pub struct Rows {
    path: PathBuf,
    columns: Vec<String>,
    rows: Vec<Row>,
}

impl Rows {
    /// The rows that `reader` read. Says what was skipped, and which ids occur twice. `path` is named in errors.
    #[must_use]
    pub fn new(path: PathBuf, reader: &RowReader, rows: Vec<Row>, console: Console) -> Self {
        note_skipped(reader, console);
        if rows.is_empty() {
            console.note(format_args!("note: the corpus has no rows"));
        }
        let mut repeated = RepeatedIds::default();
        for row in &rows {
            repeated.add(row);
        }
        repeated.note(console);
        Self {
            path,
            columns: reader.columns().to_vec(),
            rows,
        }
    }

    /// The number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The columns of the text, in the order of the fields of a row; none in plain text.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The row at a position of the index, from 0.
    #[must_use]
    pub fn row(&self, position: usize) -> Option<&Row> {
        self.rows.get(position)
    }

    /// The position of the row with that id. Where rows have no ids, an id is the number of a data row
    /// of the files, from 1; skipped rows count too.
    ///
    /// # Errors
    ///
    /// When no row has that id, or several have it.
    pub fn position(&self, id: &str) -> Result<usize, Error> {
        let rows = self.rows.iter().enumerate();
        let mut with_id = rows.filter(|(_, row)| row.id.as_deref() == Some(id));
        let by_number = || {
            let number: u64 = id.parse().ok()?;
            let position = self
                .rows
                .binary_search_by_key(&number, |row| row.number)
                .ok()?;
            self.rows.get(position)?.id.is_none().then_some(position)
        };
        match (with_id.next(), with_id.next()) {
            (Some((position, _)), None) => Ok(position),
            (Some((_, first)), Some((_, second))) => Err(Error::RepeatedId {
                path: self.path.clone(),
                id: id.to_owned(),
                places: Places::of(first, second),
            }),
            _ => by_number().ok_or_else(|| Error::UnknownId {
                path: self.path.clone(),
                id: id.to_owned(),
            }),
        }
    }

    /// The number of the row at a position, among the rows of the files, from 1; skipped rows count
    /// too.
    #[must_use]
    pub fn number(&self, position: usize) -> u64 {
        self.row(position).map_or(0, |row| row.number)
    }

    /// The id of the row at a position, or its number from 1.
    #[must_use]
    pub fn name(&self, position: usize) -> String {
        let id = self.row(position).and_then(|row| row.id.clone());
        id.unwrap_or_else(|| self.number(position).to_string())
    }

    /// The text of the row at a position.
    #[must_use]
    pub fn text(&self, position: usize) -> String {
        self.row(position).map(Row::text).unwrap_or_default()
    }
}
