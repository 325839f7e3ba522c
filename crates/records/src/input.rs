//! The bytes of a file: decompressed, as UTF-8, counted, in lines of bounded size, and to put back.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::compression::{Compression, MAGIC_BYTES};
use crate::encoding::{Decoded, Encoding};
use crate::error::{ColumnErrorKind, Numbering, ReadError, RowErrorKind};
use crate::source::Source;

/// Maximum size of a row, in bytes. No text is that long, but a binary file without line breaks is,
/// and must not fill the memory.
pub const MAX_ROW_BYTES: usize = 16 << 20;

const BUFFER_BYTES: usize = 64 << 10;

/// Longest byte order mark.
const MARK_BYTES: usize = 4;

/// Ctrl-Z, which some programs of DOS write as the last line of a file.
pub(crate) const END_OF_DOS_FILE: &[u8] = &[0x1a];

/// The bytes of a file of rows.
pub(crate) struct Input {
    pub(crate) file: Source,
    reader: Box<dyn BufRead + Send>,
    compression: Option<Compression>,
    encoding: Encoding,
    /// Bytes before those of `reader`: looked at or put back. Those before `next` are taken.
    held: Vec<u8>,
    next: usize,
    /// Bytes taken from the file, before decompression.
    bytes_read: Arc<AtomicU64>,
    total_bytes: Option<u64>,
    /// UTF-8 bytes taken.
    offset: u64,
    /// Line breaks taken.
    lines: u64,
    /// Offset of the line that is being read.
    line_start: u64,
    line_break: u8,
    /// Maximum size of a row; smaller than [`MAX_ROW_BYTES`] only in tests.
    pub(crate) row_limit: usize,
}

/// A line that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// There is none: the file ended.
    End,
    /// A line, with its line break if it has one.
    Whole,
    /// The beginning of a line that does not fit a row.
    TooLong,
}

impl Input {
    pub(crate) fn open(file: &Source, encoding: Option<Encoding>) -> Result<Self, ReadError> {
        let failed = |source| ReadError::Io {
            file: file.clone(),
            source,
        };
        match file {
            Source::Stdin => Self::new(file.clone(), io::stdin(), None, encoding),
            Source::File(path) => {
                let opened = File::open(path).map_err(failed)?;
                let metadata = opened.metadata().map_err(failed)?;
                let size = metadata.is_file().then_some(metadata.len());
                Self::new(file.clone(), opened, size, encoding)
            }
        }
    }

    /// Reads `bytes` under the name of `file`, which has `encoding` unless it begins with a byte order
    /// mark.
    pub(crate) fn new(
        file: Source,
        bytes: impl Read + Send + 'static,
        total_bytes: Option<u64>,
        encoding: Option<Encoding>,
    ) -> Result<Self, ReadError> {
        let bytes_read = Arc::new(AtomicU64::new(0));
        let mut raw = BufReader::with_capacity(
            BUFFER_BYTES,
            Counted {
                inner: bytes,
                count: Arc::clone(&bytes_read),
            },
        );
        let failed = |source| ReadError::Io {
            file: file.clone(),
            source,
        };
        let head = peek(&mut raw, MAGIC_BYTES).map_err(failed)?;
        let compression = Compression::of(&head);
        let raw = Cursor::new(head).chain(raw);
        let reader: Box<dyn BufRead + Send> = match compression {
            Some(compression) => {
                let reader = compression.reader(raw).map_err(failed)?;
                Box::new(BufReader::with_capacity(BUFFER_BYTES, reader))
            }
            None => Box::new(raw),
        };
        let mut input = Self {
            file,
            reader,
            compression,
            encoding: Encoding::UTF_8,
            held: Vec::new(),
            next: 0,
            bytes_read,
            total_bytes,
            offset: 0,
            lines: 0,
            line_start: 0,
            line_break: b'\n',
            row_limit: MAX_ROW_BYTES,
        };
        input.decode(encoding)?;
        input.find_line_break()?;
        Ok(input)
    }

    /// Drops the byte order mark, and reads another encoding than UTF-8 as UTF-8.
    fn decode(&mut self, named: Option<Encoding>) -> Result<(), ReadError> {
        let mut head = peek(&mut self.reader, MARK_BYTES).map_err(|error| self.io_error(error))?;
        if let Some((encoding, length)) = Encoding::of_mark(&head) {
            self.encoding = encoding;
            head.drain(..length);
            // An offset is one of the file.
            self.offset = u64::try_from(length).unwrap_or(0);
            self.line_start = self.offset;
        } else if let Some(encoding) = named {
            self.encoding = encoding;
        }
        let reader = std::mem::replace(&mut self.reader, Box::new(io::empty()));
        let reader = Cursor::new(head).chain(reader);
        self.reader = if self.encoding == Encoding::UTF_8 {
            Box::new(reader)
        } else {
            Box::new(BufReader::with_capacity(
                BUFFER_BYTES,
                Decoded::new(reader, self.encoding),
            ))
        };
        Ok(())
    }

    /// A file with carriage returns and without line feeds has its lines between them, as on old Macs.
    fn find_line_break(&mut self) -> Result<(), ReadError> {
        let head = self.look(BUFFER_BYTES)?;
        if head.contains(&b'\r') && !head.contains(&b'\n') {
            self.line_break = b'\r';
        }
        Ok(())
    }

    pub(crate) fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }

    pub(crate) fn total_bytes(&self) -> Option<u64> {
        self.total_bytes
    }

    pub(crate) fn is_compressed(&self) -> bool {
        self.compression.is_some()
    }

    /// Number of the next line, from 1.
    pub(crate) fn next_line_number(&self) -> u64 {
        self.lines + 1
    }

    /// Number of bytes taken.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Number of bytes taken of the present line.
    pub(crate) fn column(&self) -> u64 {
        self.offset - self.line_start
    }

    /// The next `count` bytes, fewer only at the end of the file, without taking them.
    pub(crate) fn look(&mut self, count: usize) -> Result<&[u8], ReadError> {
        self.held.drain(..self.next);
        self.next = 0;
        let missing = count.saturating_sub(self.held.len());
        let more = peek(&mut self.reader, missing).map_err(|error| self.io_error(error))?;
        self.held.extend(more);
        Ok(self.held.get(..count).unwrap_or(&self.held))
    }

    /// The buffered bytes; empty at the end of the file.
    pub(crate) fn fill(&mut self) -> Result<&[u8], ReadError> {
        if self.next < self.held.len() {
            return Ok(&self.held[self.next..]);
        }
        let Self {
            file,
            reader,
            compression,
            lines,
            ..
        } = self;
        reader
            .fill_buf()
            .map_err(|source| io_error(file, *compression, *lines, source))
    }

    /// Takes the first `count` of the buffered bytes, of which `line_breaks` end a line, the last one
    /// `tail` bytes before the end.
    fn consume(&mut self, count: usize, line_breaks: u64, tail: usize) {
        if self.next < self.held.len() {
            self.next += count;
        } else {
            self.reader.consume(count);
        }
        self.offset += as_u64(count);
        self.lines += line_breaks;
        if line_breaks > 0 {
            self.line_start = self.offset - as_u64(tail);
        }
    }

    /// Takes the first `count` of the buffered bytes into `taken`.
    pub(crate) fn take(&mut self, count: usize, taken: &mut Vec<u8>) -> Result<(), ReadError> {
        let before = taken.len();
        let bytes = self.fill()?;
        taken.extend_from_slice(bytes.get(..count).unwrap_or(bytes));
        let bytes = &taken[before..];
        let line_breaks = bytes.iter().filter(|byte| **byte == self.line_break);
        let line_breaks = as_u64(line_breaks.count());
        let tail = bytes.iter().rev().position(|byte| *byte == self.line_break);
        self.consume(bytes.len(), line_breaks, tail.unwrap_or(0));
        Ok(())
    }

    /// Puts back the bytes that were taken last.
    pub(crate) fn put_back(&mut self, bytes: &[u8]) {
        let line_breaks = bytes.iter().filter(|byte| **byte == self.line_break);
        self.lines -= as_u64(line_breaks.count());
        self.offset -= as_u64(bytes.len());
        // True where a line begins, and else only used to compare lines that begin.
        self.line_start = self.line_start.min(self.offset);
        match self.next.checked_sub(bytes.len()) {
            Some(start) if self.held[start..].starts_with(bytes) => self.next = start,
            _ => {
                let rest = self.held.split_off(self.next);
                self.held.clear();
                self.held.extend_from_slice(bytes);
                self.held.extend(rest);
                self.next = 0;
            }
        }
    }

    /// Appends the next line to `line`, with its line break. Stops where `line` becomes longer than a
    /// row: [`Self::skip_rest`] goes on after its end.
    pub(crate) fn append_line(&mut self, line: &mut Vec<u8>) -> Result<Line, ReadError> {
        let before = line.len();
        loop {
            let line_break = self.line_break;
            let limit = self.row_limit;
            let bytes = self.fill()?;
            if bytes.is_empty() {
                if line.get(before..) == Some(END_OF_DOS_FILE) {
                    line.truncate(before);
                }
                return Ok(if line.len() == before {
                    Line::End
                } else {
                    Line::Whole
                });
            }
            let end = memchr::memchr(line_break, bytes);
            let count = end.map_or(bytes.len(), |end| end + 1);
            line.extend_from_slice(&bytes[..count]);
            self.consume(count, u64::from(end.is_some()), 0);
            if without_line_break(line).len() > limit {
                return Ok(Line::TooLong);
            }
            if end.is_some() {
                return Ok(Line::Whole);
            }
        }
    }

    /// Puts the next line into `line`, without its line break.
    pub(crate) fn read_line(&mut self, line: &mut Vec<u8>) -> Result<Line, ReadError> {
        line.clear();
        let read = self.append_line(line)?;
        if read == Line::TooLong {
            self.skip_rest(line)?;
        }
        line.truncate(without_line_break(line).len());
        Ok(read)
    }

    /// Skips the rest of a line, of which `taken` is the beginning.
    pub(crate) fn skip_rest(&mut self, taken: &[u8]) -> Result<(), ReadError> {
        if taken.last() == Some(&self.line_break) {
            return Ok(());
        }
        loop {
            let line_break = self.line_break;
            let bytes = self.fill()?;
            let length = bytes.len();
            match memchr::memchr(line_break, bytes) {
                Some(end) => {
                    self.consume(end + 1, 1, 0);
                    return Ok(());
                }
                None if length == 0 => return Ok(()),
                None => self.consume(length, 0, 0),
            }
        }
    }

    /// How many bytes may be put back after broken rows: a file of them must not be read for ever.
    pub(crate) fn read_again_limit(&self) -> u64 {
        as_u64(self.row_limit).saturating_add(self.offset.saturating_mul(8))
    }

    pub(crate) fn too_long(&self) -> RowErrorKind {
        RowErrorKind::TooLong {
            limit: self.row_limit,
        }
    }

    /// Bytes that are not UTF-8: `offset` is that of `bytes`.
    pub(crate) fn not_utf8(&self, bytes: &[u8], offset: u64) -> RowErrorKind {
        if self.encoding != Encoding::UTF_8 {
            return RowErrorKind::NotDecodable {
                encoding: self.encoding,
            };
        }
        let valid = str::from_utf8(bytes).map_or_else(|error| error.valid_up_to(), str::len);
        RowErrorKind::NotUtf8 {
            offset: Some(offset + as_u64(valid)),
        }
    }

    pub(crate) fn row_error(&self, line: u64, source: RowErrorKind) -> ReadError {
        ReadError::Row {
            file: self.file.clone(),
            numbering: Numbering::Lines,
            line,
            source,
        }
    }

    pub(crate) fn column_error(&self, source: ColumnErrorKind) -> ReadError {
        ReadError::Columns {
            file: self.file.clone(),
            source,
        }
    }

    fn io_error(&self, source: io::Error) -> ReadError {
        io_error(&self.file, self.compression, self.lines, source)
    }
}

fn io_error(
    file: &Source,
    compression: Option<Compression>,
    line: u64,
    source: io::Error,
) -> ReadError {
    let file = file.clone();
    // The kinds that decoders return for bad data; the system has error numbers.
    match compression {
        Some(compression) if source.raw_os_error().is_none() => ReadError::Compressed {
            file,
            compression,
            line,
            source,
        },
        _ => ReadError::Io { file, source },
    }
}

/// A line without `\n`, `\r\n` or `\r` at its end.
pub(crate) fn without_line_break(line: &[u8]) -> &[u8] {
    match line {
        [line @ .., b'\r', b'\n'] | [line @ .., b'\n' | b'\r'] => line,
        line => line,
    }
}

pub(crate) fn as_u64(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// Takes up to `count` bytes, fewer only at the end of the file.
fn peek(reader: &mut impl Read, count: usize) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    reader.take(as_u64(count)).read_to_end(&mut head)?;
    Ok(head)
}

struct Counted<R> {
    inner: R,
    count: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = loop {
            match self.inner.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        self.count.fetch_add(as_u64(read), Ordering::Relaxed);
        Ok(read)
    }
}
