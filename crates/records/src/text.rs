//! Files of lines: each is a text.

use super::Record;
use super::error::{RecordError, RowProblem};
use super::input::Input;

#[derive(Default)]
pub(super) struct TextRows {
    line: Vec<u8>,
}

impl TextRows {
    pub(super) fn next(&mut self, input: &mut Input) -> Result<Option<Record>, RecordError> {
        let Some(line) = input.read_line(&mut self.line)? else {
            return Ok(None);
        };
        match str::from_utf8(&self.line) {
            Ok(text) => Ok(Some(Record {
                line,
                id: None,
                fields: vec![text.to_owned()],
            })),
            Err(_) => Err(input.row_error(line, RowProblem::NotUtf8)),
        }
    }
}
