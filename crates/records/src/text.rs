//! Plain text: one text per line.

use crate::Row;
use crate::error::{ReadError, RowErrorKind};
use crate::input::Input;

#[derive(Default)]
pub(crate) struct TextRows {
    line: Vec<u8>,
}

impl TextRows {
    pub(crate) fn next(&mut self, input: &mut Input) -> Result<Option<Row>, ReadError> {
        let Some(line) = input.read_line(&mut self.line)? else {
            return Ok(None);
        };
        match str::from_utf8(&self.line) {
            Ok(text) => Ok(Some(Row {
                line,
                id: None,
                fields: vec![text.to_owned()],
            })),
            Err(_) => Err(input.row_error(line, RowErrorKind::NotUtf8)),
        }
    }
}
