//! Rows of a file as documents of an index.

use program::Console;
use program::text::count;
use records::{Row, RowReader, Source};
use search::filter::{FilterColumn, NumberChanges, Value};
use search::index::{Document, Settings};

use crate::attributes::{Attributes, AttributesError};
use crate::error::Error;

/// Turns rows into documents. The fields of a row are its text columns, then its filter columns, apart from those of
/// attributes.
pub(super) struct Documents<'a> {
    texts: usize,
    attributes: Option<&'a Attributes>,
    /// For each filter column, whether it is one of attributes.
    of_attributes: Vec<bool>,
    /// Rows with and without a line of attributes.
    lines: (usize, usize),
    filter_columns: Vec<FilterColumn>,
    sources: Vec<Source>,
    /// Rows with a bad value are left out and counted.
    skip_bad: bool,
    bad: usize,
    first_bad: Option<Error>,
    /// Rows without a text.
    blank: usize,
    /// How numbers were read, for each filter column.
    changes: Vec<NumberChanges>,
}

impl<'a> Documents<'a> {
    pub(super) fn new(
        settings: &Settings,
        reader: &RowReader,
        skip_bad: bool,
        attributes: Option<&'a Attributes>,
    ) -> Self {
        let columns = settings.filter_columns.iter();
        Self {
            texts: settings.text_columns.len(),
            attributes,
            of_attributes: columns
                .map(|column| settings.attribute_columns.contains(&column.name))
                .collect(),
            lines: (0, 0),
            filter_columns: settings.filter_columns.clone(),
            sources: reader.sources().to_vec(),
            skip_bad,
            bad: 0,
            first_bad: None,
            blank: 0,
            changes: vec![NumberChanges::default(); settings.filter_columns.len()],
        }
    }

    /// The document of a row; `None` for a row that is left out.
    ///
    /// # Errors
    ///
    /// When a value is not of its column's kind, or the row has no id.
    pub(super) fn next(&mut self, row: Row) -> Result<Option<Document>, Error> {
        match self.document(row) {
            Ok(document) => Ok(document),
            Err(error) if self.skip_bad => {
                self.bad += 1;
                self.first_bad.get_or_insert(error);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn document(&mut self, row: Row) -> Result<Option<Document>, Error> {
        let (file, line) = (row.file, row.line);
        let mut texts = row.fields;
        let fields = texts.split_off(self.texts.min(texts.len()));
        if texts.iter().all(|text| text.trim().is_empty()) {
            self.blank += 1;
            return Ok(None);
        }
        let id = row.id.unwrap_or_default().trim().to_owned();
        let attributes = self
            .attributes
            .and_then(|attributes| Some((attributes, attributes.line_of(&id)?)));
        match attributes {
            Some(_) => self.lines.0 += 1,
            None => self.lines.1 += 1,
        }
        let mut values = Vec::with_capacity(self.filter_columns.len());
        let mut fields = fields.iter();
        let columns = self.filter_columns.iter().zip(&mut self.changes);
        for ((column, changes), of_attributes) in columns.zip(&self.of_attributes) {
            if *of_attributes {
                let value =
                    attributes.and_then(|(attributes, line)| attributes.value(&column.name, line));
                values.push(value);
                continue;
            }
            let field = fields.next().map_or("", String::as_str);
            let parsed = Value::parse(column.kind, field).map_err(|source| Error::BadValue {
                file: self
                    .sources
                    .get(file)
                    .map_or_else(String::new, Source::to_string),
                line,
                column: column.name.clone(),
                source,
            })?;
            values.push(parsed.map(|parsed| {
                *changes |= parsed.changes;
                parsed.value
            }));
        }
        Ok(Some(Document { id, texts, values }))
    }

    /// Fails where there are attributes, but of no row. Complete after the last row.
    pub(super) fn check_attributes(&self) -> Result<(), AttributesError> {
        match (self.attributes, self.lines) {
            (Some(attributes), (0, 1..)) => Err(attributes.of_no_row()),
            _ => Ok(()),
        }
    }

    /// Says how numbers were read, and what was left out. Complete after the last row.
    pub(super) fn note(&self, console: Console) {
        for (column, changes) in self.filter_columns.iter().zip(&self.changes) {
            if !changes.is_empty() {
                console.note(format_args!(
                    "note: numbers of column `{}` were read with their {changes}",
                    column.name
                ));
            }
        }
        if let Some(attributes) = self.attributes {
            attributes.note(self.lines.1, console);
        }
        if self.blank > 0 {
            console.note(format_args!(
                "note: {} without a text left out",
                count(self.blank, "row")
            ));
        }
        if let Some(first) = &self.first_bad {
            console.note(format_args!(
                "note: {} skipped; the first: {first}",
                count(self.bad, "bad row")
            ));
        }
    }
}
