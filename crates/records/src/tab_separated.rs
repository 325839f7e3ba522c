//! TSV: a header line, then fields between tabs, without quoting.

use crate::Row;
use crate::columns::{Choice, Table};
use crate::error::{ColumnErrorKind, ReadError, RowErrorKind};
use crate::input::Input;

pub(crate) struct TabSeparatedRows {
    table: Table,
    line: Vec<u8>,
}

impl TabSeparatedRows {
    pub(crate) fn open(
        input: &mut Input,
        choice: &Choice,
        id: Option<&str>,
    ) -> Result<Self, ReadError> {
        let mut line = Vec::new();
        if input.read_line(&mut line)?.is_none() {
            return Err(input.column_error(ColumnErrorKind::NoHeader));
        }
        let header = str::from_utf8(&line)
            .map_err(|_| input.column_error(ColumnErrorKind::HeaderNotUtf8))?;
        let header: Vec<String> = header.split('\t').map(str::to_owned).collect();
        let table =
            Table::new(&header, choice, id).map_err(|problem| input.column_error(problem))?;
        Ok(Self { table, line })
    }

    pub(crate) fn columns(&self) -> Vec<String> {
        self.table.names()
    }

    pub(crate) fn next(&mut self, input: &mut Input) -> Result<Option<Row>, ReadError> {
        while let Some(number) = input.read_line(&mut self.line)? {
            // In a file of a single column a blank line is an empty text.
            if self.line.is_empty() && self.table.width() > 1 {
                continue;
            }
            return self
                .record(number)
                .map(Some)
                .map_err(|problem| input.row_error(number, problem));
        }
        Ok(None)
    }

    fn record(&self, number: u64) -> Result<Row, RowErrorKind> {
        let row = str::from_utf8(&self.line).map_err(|_| RowErrorKind::NotUtf8)?;
        // Counted first, so that a row of only tabs takes no memory.
        self.table.check_width(row.split('\t').count())?;
        self.table
            .record(number, &row.split('\t').collect::<Vec<_>>())
    }
}
