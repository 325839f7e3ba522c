//! Lines of text, and the byte lines below the other formats.

use std::io::{BufRead, Read};

use super::{BadRow, Record, RowFailure};

/// The longest line that is read; a longer one is a bad row, not the end of the memory.
pub(super) const MAX_LINE_BYTES: usize = 64 << 20;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Splits a reader into lines.
pub(super) struct Lines {
    reader: Box<dyn BufRead>,
    /// The number of the last line, from 1.
    number: u64,
}

/// What a line was.
pub(super) enum Line {
    /// Its bytes, without the line break.
    Bytes(Vec<u8>),
    /// More than [`MAX_LINE_BYTES`].
    TooLong,
}

impl Lines {
    pub(super) fn new(reader: Box<dyn BufRead>) -> Self {
        Self { reader, number: 0 }
    }

    /// The number of the line that [`next_line`](Self::next_line) returned last.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The next line; `\n` and `\r\n` end one.
    pub(super) fn next_line(&mut self) -> Option<std::io::Result<Line>> {
        let mut bytes = Vec::new();
        let limit = MAX_LINE_BYTES as u64 + 2;
        match self.reader.by_ref().take(limit).read_until(b'\n', &mut bytes) {
            Err(error) => return Some(Err(error)),
            Ok(0) => return None,
            Ok(_) => self.number += 1,
        }
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
            if bytes.last() == Some(&b'\r') {
                bytes.pop();
            }
        } else if bytes.len() as u64 == limit
            && let Err(error) = self.skip_line()
        {
            return Some(Err(error));
        }
        if bytes.len() > MAX_LINE_BYTES {
            return Some(Ok(Line::TooLong));
        }
        if self.number == 1 && bytes.starts_with(BYTE_ORDER_MARK) {
            bytes.drain(..BYTE_ORDER_MARK.len());
        }
        Some(Ok(Line::Bytes(bytes)))
    }

    fn skip_line(&mut self) -> std::io::Result<()> {
        loop {
            let buffer = self.reader.fill_buf()?;
            let (used, ended) = match buffer.iter().position(|&byte| byte == b'\n') {
                Some(position) => (position + 1, true),
                None => (buffer.len(), buffer.is_empty()),
            };
            self.reader.consume(used);
            if ended {
                return Ok(());
            }
        }
    }

    /// The next line as text.
    pub(super) fn next_text(&mut self) -> Option<Result<String, RowFailure>> {
        let line = self.next_line()?;
        let bad = |reason| RowFailure::Row { line: self.number, reason };
        Some(match line {
            Err(error) => Err(RowFailure::File(error)),
            Ok(Line::TooLong) => Err(bad(BadRow::TooLong)),
            Ok(Line::Bytes(bytes)) => {
                String::from_utf8(bytes).map_err(|error| bad(BadRow::NotUtf8(error.utf8_error().valid_up_to() + 1)))
            }
        })
    }

    /// The next line as a record.
    pub(super) fn next_record(&mut self) -> Option<Result<Record, RowFailure>> {
        let text = self.next_text()?;
        Some(text.map(|text| Record { line: self.number, id: None, fields: vec![text] }))
    }
}
