//! The formats that stream from front to back, so gzip and pipes work.

use crate::Row;
use crate::columns::Choice;
use crate::comma_separated::CommaSeparatedRows;
use crate::error::ReadError;
use crate::input::Input;
use crate::json_lines::JsonLinesRows;
use crate::tab_separated::TabSeparatedRows;
use crate::text::TextRows;

/// Bytes and the parser of their rows.
pub(crate) struct StreamedRows {
    input: Input,
    rows: Rows,
}

/// A format that streams from front to back.
#[derive(Clone, Copy, Debug)]
pub(crate) enum StreamedFormat {
    Text,
    Csv,
    Tsv,
    Jsonl,
}

enum Rows {
    Text(TextRows),
    CommaSeparated(Box<CommaSeparatedRows>),
    TabSeparated(TabSeparatedRows),
    JsonLines(JsonLinesRows),
}

impl StreamedRows {
    /// Reads the header, if the format has one.
    pub(crate) fn open(
        mut input: Input,
        format: StreamedFormat,
        choice: &Choice,
        id: Option<&str>,
    ) -> Result<Self, ReadError> {
        let rows = match format {
            StreamedFormat::Text if id.is_some() || matches!(choice, Choice::Named(_)) => {
                return Err(input.text_has_no_columns());
            }
            StreamedFormat::Text => Rows::Text(TextRows::default()),
            StreamedFormat::Csv => {
                Rows::CommaSeparated(Box::new(CommaSeparatedRows::open(&mut input, choice, id)?))
            }
            StreamedFormat::Tsv => {
                Rows::TabSeparated(TabSeparatedRows::open(&mut input, choice, id)?)
            }
            StreamedFormat::Jsonl => Rows::JsonLines(JsonLinesRows::new(id)),
        };
        Ok(Self { input, rows })
    }

    /// Determines the columns of a format without header from its next row. [`Self::next`] still
    /// returns that row unless it is bad.
    pub(crate) fn settle(&mut self, choice: &Choice) -> Result<(), ReadError> {
        match &mut self.rows {
            Rows::JsonLines(rows) => rows.settle(&mut self.input, choice),
            Rows::Text(_) | Rows::CommaSeparated(_) | Rows::TabSeparated(_) => Ok(()),
        }
    }

    pub(crate) fn columns(&self) -> Vec<String> {
        match &self.rows {
            Rows::Text(_) => Vec::new(),
            Rows::CommaSeparated(rows) => rows.columns(),
            Rows::TabSeparated(rows) => rows.columns(),
            Rows::JsonLines(rows) => rows.columns(),
        }
    }

    pub(crate) fn next(&mut self) -> Result<Option<Row>, ReadError> {
        match &mut self.rows {
            Rows::Text(rows) => rows.next(&mut self.input),
            Rows::CommaSeparated(rows) => rows.next(&mut self.input),
            Rows::TabSeparated(rows) => rows.next(&mut self.input),
            Rows::JsonLines(rows) => rows.next(&mut self.input),
        }
    }

    pub(crate) fn bytes_read(&self) -> u64 {
        self.input.bytes_read()
    }

    pub(crate) fn total_bytes(&self) -> Option<u64> {
        self.input.total_bytes()
    }
}
