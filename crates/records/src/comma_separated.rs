//! CSV: RFC 4180, a header line, fields that may be quoted and hold line breaks.
//!
//! We use `csv-core`, the parser below the `csv` crate. It lets us bound the memory of a row, know the
//! line it starts on, and report a quote that is never closed, which would take the rest of the file.

use std::ops::Range;

use csv_core::{ReadRecordResult, Reader};

use crate::Row;
use crate::columns::{Choice, Table};
use crate::error::{ColumnErrorKind, ReadError, RowErrorKind};
use crate::input::Input;

pub(crate) struct CommaSeparatedRows {
    parser: RowParser,
    table: Table,
}

impl CommaSeparatedRows {
    pub(crate) fn open(
        input: &mut Input,
        choice: &Choice,
        id: Option<&str>,
    ) -> Result<Self, ReadError> {
        let mut parser = RowParser::new();
        if parser.next(input)?.is_none() {
            return Err(input.column_error(ColumnErrorKind::NoHeader));
        }
        let header = parser
            .fields()
            .map_err(|_| input.column_error(ColumnErrorKind::HeaderNotUtf8))?;
        let header: Vec<String> = header.into_iter().map(str::to_owned).collect();
        let table =
            Table::new(&header, choice, id).map_err(|problem| input.column_error(problem))?;
        Ok(Self { parser, table })
    }

    pub(crate) fn columns(&self) -> Vec<String> {
        self.table.names()
    }

    pub(crate) fn next(&mut self, input: &mut Input) -> Result<Option<Row>, ReadError> {
        let Some(line) = self.parser.next(input)? else {
            return Ok(None);
        };
        self.record(line)
            .map(Some)
            .map_err(|problem| input.row_error(line, problem))
    }

    fn record(&self, line: u64) -> Result<Row, RowErrorKind> {
        // Counted first, so that a row of only commas takes little memory.
        self.table.check_width(self.parser.count)?;
        self.table.record(line, &self.parser.fields()?)
    }
}

/// Feeds a [`csv_core::Reader`] and keeps the fields of one row.
struct RowParser {
    core: Reader,
    /// The concatenated fields of the row; only the first `written` bytes are valid.
    bytes: Vec<u8>,
    written: usize,
    /// End of each field in `bytes`; only the first `count` are valid.
    ends: Vec<usize>,
    count: usize,
}

impl RowParser {
    fn new() -> Self {
        Self {
            core: Reader::new(),
            bytes: Vec::new(),
            written: 0,
            ends: Vec::new(),
            count: 0,
        }
    }

    /// Reads the next row and returns the line it starts on; `None` at the end.
    fn next(&mut self, input: &mut Input) -> Result<Option<u64>, ReadError> {
        if !skip_blank_lines(input)? {
            return Ok(None);
        }
        let start = input.next_line_number();
        (self.written, self.count) = (0, 0);
        let mut consumed = 0;
        loop {
            let bytes = input.fill()?;
            if bytes.is_empty() {
                // A line break ends a row in every state, except within quotes.
                return if self.feed(b"\n").ended {
                    Ok(Some(start))
                } else {
                    Err(input.unclosed_quote(start))
                };
            }
            let fed = self.feed(bytes);
            input.consume(fed.consumed, fed.line_breaks);
            if fed.ended {
                return Ok(Some(start));
            }
            consumed += fed.consumed;
            if consumed > input.row_limit {
                return Err(input.row_too_long(start));
            }
        }
    }

    /// Parses until the row ends or `bytes` do.
    fn feed(&mut self, bytes: &[u8]) -> Fed {
        let mut consumed = 0;
        loop {
            let rest = bytes.get(consumed..).unwrap_or_default();
            let output = self.bytes.get_mut(self.written..).unwrap_or_default();
            let ends = self.ends.get_mut(self.count..).unwrap_or_default();
            let (result, taken, written, ended) = self.core.read_record(rest, output, ends);
            consumed += taken;
            self.written += written;
            self.count += ended;
            match result {
                ReadRecordResult::OutputFull => {
                    self.bytes.resize(grown(self.bytes.len(), 1 << 10), 0)
                }
                ReadRecordResult::OutputEndsFull => {
                    self.ends.resize(grown(self.ends.len(), 1 << 4), 0)
                }
                ReadRecordResult::InputEmpty | ReadRecordResult::Record | ReadRecordResult::End => {
                    let taken = bytes.get(..consumed).unwrap_or_default();
                    let ended = matches!(result, ReadRecordResult::Record);
                    return Fed {
                        consumed,
                        line_breaks: count_line_breaks(taken),
                        ended,
                    };
                }
            }
        }
    }

    /// The fields of the last row.
    fn fields(&self) -> Result<Vec<&str>, RowErrorKind> {
        let ends = self.ends.get(..self.count).unwrap_or_default();
        let starts = std::iter::once(0).chain(ends.iter().copied());
        starts
            .zip(ends)
            .map(|(start, &end)| self.field(start..end))
            .collect()
    }

    fn field(&self, range: Range<usize>) -> Result<&str, RowErrorKind> {
        str::from_utf8(self.bytes.get(range).unwrap_or_default()).map_err(|_| RowErrorKind::NotUtf8)
    }
}

/// Result of parsing some bytes.
struct Fed {
    consumed: usize,
    line_breaks: u64,
    ended: bool,
}

/// Twice the length, so that a buffer is copied only when a row doubles.
fn grown(length: usize, least: usize) -> usize {
    length.saturating_mul(2).max(least)
}

/// Skips line breaks before a row; `false` at the end of the file.
fn skip_blank_lines(input: &mut Input) -> Result<bool, ReadError> {
    loop {
        let bytes = input.fill()?;
        if bytes.is_empty() {
            return Ok(false);
        }
        let blank = bytes
            .iter()
            .take_while(|byte| matches!(byte, b'\n' | b'\r'))
            .count();
        if blank == 0 {
            return Ok(true);
        }
        let line_breaks = count_line_breaks(bytes.get(..blank).unwrap_or_default());
        input.consume(blank, line_breaks);
    }
}

fn count_line_breaks(bytes: &[u8]) -> u64 {
    bytes.iter().map(|&byte| u64::from(byte == b'\n')).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Source;

    /// Rows as the lines they start on and their fields, read in pieces of `piece` bytes.
    fn rows(bytes: &str, piece: usize) -> Vec<(u64, Vec<String>)> {
        struct Pieces(std::io::Cursor<Vec<u8>>, usize);
        impl std::io::Read for Pieces {
            fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
                let most = buffer.len().min(self.1);
                self.0.read(&mut buffer[..most])
            }
        }
        let bytes = Pieces(std::io::Cursor::new(bytes.as_bytes().to_vec()), piece);
        let mut input = Input::new(Source::Stdin, bytes, None).unwrap();
        let mut parser = RowParser::new();
        let mut rows = Vec::new();
        while let Some(line) = parser.next(&mut input).unwrap() {
            rows.push((
                line,
                parser
                    .fields()
                    .unwrap()
                    .into_iter()
                    .map(str::to_owned)
                    .collect(),
            ));
        }
        rows
    }

    #[test]
    fn rows_are_known_by_the_line_they_start_on() {
        let file = "a,b\r\n\r\n\"1\r\n2\",\"say \"\"hi\"\"\"\n\n\nlast,";
        let expected = [
            (1, ["a", "b"]),
            (3, ["1\r\n2", "say \"hi\""]),
            (7, ["last", ""]),
        ];
        let expected = expected.map(|(line, fields)| (line, fields.map(str::to_owned).to_vec()));
        for piece in [1, 2, 3, 1000] {
            assert_eq!(rows(file, piece), expected, "in pieces of {piece} bytes");
        }
    }

    #[test]
    fn long_fields_and_many_fields_grow_the_buffers() {
        let long = "x".repeat(100_000);
        let wide = vec!["y"; 5000].join(",");
        let read = rows(&format!("{long}\n{wide}\n"), 1000);
        assert!(read[0].1 == [long]);
        assert!(read[1].1 == vec!["y"; 5000]);
    }

    #[test]
    fn an_open_quote_and_an_endless_row_end_the_reading() {
        let error = |bytes: &'static str, limit| {
            let mut input = Input::new(Source::Stdin, bytes.as_bytes(), None).unwrap();
            input.row_limit = limit;
            let mut parser = RowParser::new();
            assert!(parser.next(&mut input).unwrap().is_some(), "the header");
            parser.next(&mut input).unwrap_err().to_string()
        };
        let open =
            "standard input, line 2: a quoted field is not closed before the end of the file";
        assert_eq!(error("a\n\"b\nc\n", 100), open);
        assert_eq!(error("a\n\"b\nc\"\"", 100), open);
        let long =
            "standard input, line 2: the row has more than 5 bytes; is the file of another format?";
        assert_eq!(error("a\n\"b\nccccc", 5), long);
    }
}
