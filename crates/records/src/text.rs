//! Plain text: one text per line.

use crate::columns::Selected;
use crate::error::ReadError;
use crate::input::{Input, Line};
use crate::row_source::{RowSource, Values};

pub(crate) struct TextRows {
    input: Input,
    line: Vec<u8>,
    selected: Selected,
}

impl TextRows {
    pub(crate) fn new(input: Input) -> Self {
        let selected = Selected {
            texts: 1,
            ..Selected::default()
        };
        Self {
            input,
            line: Vec::new(),
            selected,
        }
    }
}

impl RowSource for TextRows {
    fn selected(&self) -> &Selected {
        &self.selected
    }

    fn next(&mut self) -> Result<Option<Values>, ReadError> {
        let line = self.input.next_line_number();
        let start = self.input.offset();
        let problem = match self.input.read_line(&mut self.line)? {
            Line::End => return Ok(None),
            Line::TooLong => self.input.too_long(),
            Line::Whole => match str::from_utf8(&self.line) {
                Ok(text) => {
                    let values = vec![Some(text.to_owned())];
                    return Ok(Some(Values { line, values }));
                }
                Err(_) => self.input.not_utf8(&self.line, start),
            },
        };
        Err(self.input.row_error(line, problem))
    }

    fn bytes_read(&self) -> u64 {
        self.input.bytes_read()
    }

    fn total_bytes(&self) -> Option<u64> {
        self.input.total_bytes()
    }
}
