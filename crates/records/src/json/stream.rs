//! Splits a JSON array, or JSON values one after another, into values.

use super::RawRow;
use crate::error::{ReadError, RowErrorKind};
use crate::input::{Input, Line, as_u64};

/// The place between two values.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    in_array: bool,
    /// After a broken value: the column at which objects begin, to find the next one.
    lost: Option<u64>,
    /// Bytes put back after broken values.
    read_again: u64,
}

/// The end of a value.
enum End {
    /// After its last byte.
    Whole,
    /// Before the next value: this one has lost its end.
    Unfinished(RowErrorKind),
    /// Somewhere in it.
    Broken(RowErrorKind),
}

impl Stream {
    pub(super) fn next(&mut self, input: &mut Input) -> Result<Option<RawRow>, ReadError> {
        if let Some(column) = self.lost.take()
            && !find_object(input, column)?
        {
            return Ok(None);
        }
        let first = loop {
            let Some(byte) = input.fill()?.first().copied() else {
                let cut = std::mem::take(&mut self.in_array);
                return Ok(cut.then(|| RawRow {
                    line: input.next_line_number(),
                    offset: input.offset(),
                    original: None,
                    json: Err(RowErrorKind::JsonStructure(
                        "the array is cut short; it has no `]`",
                    )),
                }));
            };
            match byte {
                // The last is Ctrl-Z, the end of some files of DOS.
                b' ' | b'\t' | b'\n' | b'\r' | b',' | 0x1a => {}
                b'[' if !self.in_array => self.in_array = true,
                b']' if self.in_array => self.in_array = false,
                byte => break byte,
            }
            input.take(1, &mut Vec::new())?;
        };
        let (line, offset, column) = (input.next_line_number(), input.offset(), input.column());
        let mut json = Vec::new();
        let end = match first {
            b'{' | b'[' => take_container(input, &mut json)?,
            _ => take_scalar(input, &mut json)?,
        };
        let json = match end {
            End::Whole => Ok(json),
            End::Unfinished(problem) => Err(problem),
            End::Broken(problem) => {
                self.recover(input, &json, column);
                Err(problem)
            }
        };
        Ok(Some(RawRow {
            line,
            offset,
            original: None,
            json,
        }))
    }

    /// Goes on after a broken value at the next line that begins like this one.
    fn recover(&mut self, input: &mut Input, broken: &[u8], column: u64) {
        self.lost = Some(column);
        if let Some(end) = memchr::memchr(b'\n', broken)
            && self.read_again <= input.read_again_limit()
        {
            self.read_again += as_u64(broken.len());
            input.put_back(&broken[end + 1..]);
        }
    }
}

/// Goes to the next `{` that is the first character of its line, at `column`; `false` if none comes.
fn find_object(input: &mut Input, column: u64) -> Result<bool, ReadError> {
    let mut line = Vec::new();
    loop {
        line.clear();
        let from = input.column();
        match input.append_line(&mut line)? {
            Line::End => return Ok(false),
            Line::TooLong => input.skip_rest(&line)?,
            Line::Whole => {}
        }
        let blank = line.len() - line.trim_ascii_start().len();
        if line.get(blank) == Some(&b'{') && from == 0 && as_u64(blank) == column {
            input.put_back(&line);
            return Ok(true);
        }
    }
}

/// Takes an object or an array, whose brackets match.
fn take_container(input: &mut Input, json: &mut Vec<u8>) -> Result<End, ReadError> {
    let mut open = Vec::new();
    let (mut in_string, mut escaped) = (false, false);
    // The last byte outside of strings that is not white space.
    let mut before = b':';
    loop {
        let limit = input.row_limit;
        let bytes = input.fill()?;
        if bytes.is_empty() {
            return Ok(End::Broken(RowErrorKind::JsonStructure(
                "the value is cut short",
            )));
        }
        let mut end = None;
        let mut length = bytes.len();
        for (index, &byte) in bytes.iter().enumerate() {
            let after = index + 1;
            if in_string {
                match byte {
                    _ if escaped => escaped = false,
                    b'\\' => escaped = true,
                    b'"' => in_string = false,
                    b'\n' => {
                        length = after;
                        end = Some(End::Broken(RowErrorKind::JsonStructure(
                            "a string has a line break",
                        )));
                        break;
                    }
                    _ => {}
                }
                continue;
            }
            let problem = match byte {
                b'"' => {
                    in_string = true;
                    None
                }
                // The value before has lost its end, and this is the next one.
                b'{' if open.last() == Some(&b'{') && before != b':' => {
                    length = index;
                    Some(End::Unfinished(RowErrorKind::JsonStructure(
                        "an object has no `}`",
                    )))
                }
                b'{' | b'[' => {
                    open.push(byte);
                    None
                }
                b'}' | b']' => {
                    let opening = if byte == b'}' { b'{' } else { b'[' };
                    length = after;
                    match (open.pop() == Some(opening), open.is_empty()) {
                        (true, false) => None,
                        (true, true) => Some(End::Whole),
                        (false, _) => Some(End::Broken(RowErrorKind::JsonStructure(
                            "brackets do not match",
                        ))),
                    }
                }
                _ => None,
            };
            if problem.is_some() {
                end = problem;
                break;
            }
            length = bytes.len();
            if !byte.is_ascii_whitespace() {
                before = byte;
            }
        }
        input.take(length, json)?;
        if let Some(end) = end {
            return Ok(end);
        }
        if json.len() > limit {
            return Ok(End::Broken(input.too_long()));
        }
    }
}

/// Takes a value that is neither an object nor an array: never a row.
fn take_scalar(input: &mut Input, json: &mut Vec<u8>) -> Result<End, ReadError> {
    loop {
        let limit = input.row_limit;
        let bytes = input.fill()?;
        let is_end = |byte: &u8| matches!(byte, b',' | b'\n' | b'\r' | b']' | b'}' | b'{' | b'[');
        // At least one byte, so that a stray bracket does not stop the reading.
        let end = bytes
            .iter()
            .skip(usize::from(json.is_empty()))
            .position(is_end);
        let length = end.map_or(bytes.len(), |end| end + usize::from(json.is_empty()));
        let ended = end.is_some() || bytes.is_empty();
        input.take(length, json)?;
        if ended {
            return Ok(End::Whole);
        }
        if json.len() > limit {
            return Ok(End::Broken(input.too_long()));
        }
    }
}
