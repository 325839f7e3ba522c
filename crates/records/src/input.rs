//! The bytes of a file: decompressed, without byte order mark, counted, in lines of bounded size.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;

use crate::error::{ColumnErrorKind, Numbering, ReadError, RowErrorKind};
use crate::source::Source;

/// Maximum size of a row, in bytes. No text is that long, but a binary file without line breaks is,
/// and must not fill the memory.
pub const MAX_ROW_BYTES: usize = 16 << 20;

const BUFFER_BYTES: usize = 64 << 10;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// First bytes of a gzip stream; no UTF-8 starts with them.
const GZIP_MAGIC: &[u8] = b"\x1f\x8b";

/// The bytes of a file of rows.
pub(crate) struct Input {
    file: Source,
    reader: Box<dyn BufRead + Send>,
    gzipped: bool,
    /// Bytes taken from the file, before decompression.
    bytes_read: Arc<AtomicU64>,
    total_bytes: Option<u64>,
    /// Line breaks consumed.
    lines: u64,
    /// Maximum size of a row; smaller than [`MAX_ROW_BYTES`] only in tests.
    pub(crate) row_limit: usize,
}

impl Input {
    pub(crate) fn open(file: &Source) -> Result<Self, ReadError> {
        let failed = |source| ReadError::Io {
            file: file.clone(),
            source,
        };
        match file {
            Source::Stdin => Self::new(file.clone(), io::stdin(), None),
            Source::File(path) => {
                let opened = File::open(path).map_err(failed)?;
                let metadata = opened.metadata().map_err(failed)?;
                Self::new(
                    file.clone(),
                    opened,
                    metadata.is_file().then_some(metadata.len()),
                )
            }
        }
    }

    /// Reads `bytes` under the name of `file`. Decompresses them if that name ends in `.gz` or they
    /// start like gzip.
    pub(crate) fn new(
        file: Source,
        bytes: impl Read + Send + 'static,
        total_bytes: Option<u64>,
    ) -> Result<Self, ReadError> {
        let bytes_read = Arc::new(AtomicU64::new(0));
        let counted = Counted {
            inner: bytes,
            count: Arc::clone(&bytes_read),
        };
        let mut raw = BufReader::with_capacity(BUFFER_BYTES, counted);
        let head = match peek(&mut raw, GZIP_MAGIC.len()) {
            Ok(head) => head,
            Err(source) => return Err(ReadError::Io { file, source }),
        };
        let gzipped = head == GZIP_MAGIC || names_gzip(&file);
        let raw = Cursor::new(head).chain(raw);
        let mut reader: Box<dyn BufRead + Send> = if gzipped {
            Box::new(BufReader::with_capacity(
                BUFFER_BYTES,
                MultiGzDecoder::new(raw),
            ))
        } else {
            Box::new(raw)
        };
        let head = peek(&mut reader, BYTE_ORDER_MARK.len());
        let mut input = Self {
            file,
            reader,
            gzipped,
            bytes_read,
            total_bytes,
            lines: 0,
            row_limit: MAX_ROW_BYTES,
        };
        let head = head.map_err(|source| input.read_error(source))?;
        if head != BYTE_ORDER_MARK {
            input.reader = Box::new(Cursor::new(head).chain(input.reader));
        }
        Ok(input)
    }

    pub(crate) fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }

    pub(crate) fn total_bytes(&self) -> Option<u64> {
        self.total_bytes
    }

    /// Number of the next line, from 1.
    pub(crate) fn next_line_number(&self) -> u64 {
        self.lines + 1
    }

    /// Puts the next line into `line`, without its line break (`\n` or `\r\n`), and returns its
    /// number; `None` at the end.
    pub(crate) fn read_line(&mut self, line: &mut Vec<u8>) -> Result<Option<u64>, ReadError> {
        line.clear();
        let number = self.next_line_number();
        // One byte more than a row may have tells a row that is too long from one that just fits.
        let most = u64::try_from(self.row_limit)
            .unwrap_or(u64::MAX)
            .saturating_add(1);
        let read = (&mut self.reader).take(most).read_until(b'\n', line);
        if read.map_err(|source| self.read_error(source))? == 0 {
            return Ok(None);
        }
        if line.last() == Some(&b'\n') {
            self.lines += 1;
            line.pop();
            if line.last() == Some(&b'\r') {
                line.pop();
            }
        } else if line.len() > self.row_limit {
            return Err(self.row_too_long(number));
        }
        Ok(Some(number))
    }

    /// The buffered bytes; empty at the end of the file.
    pub(crate) fn fill(&mut self) -> Result<&[u8], ReadError> {
        let Self {
            file,
            reader,
            gzipped,
            lines,
            ..
        } = self;
        reader
            .fill_buf()
            .map_err(|source| read_error(file, *gzipped, *lines, source))
    }

    /// Consumes the first `count` of the buffered bytes, with `line_breaks` among them.
    pub(crate) fn consume(&mut self, count: usize, line_breaks: u64) {
        self.reader.consume(count);
        self.lines += line_breaks;
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

    pub(crate) fn row_too_long(&self, line: u64) -> ReadError {
        ReadError::RowTooLong {
            file: self.file.clone(),
            line,
            limit: self.row_limit,
        }
    }

    pub(crate) fn unclosed_quote(&self, line: u64) -> ReadError {
        ReadError::UnclosedQuote {
            file: self.file.clone(),
            line,
        }
    }

    pub(crate) fn text_has_no_columns(&self) -> ReadError {
        ReadError::TextHasNoColumns {
            file: self.file.clone(),
        }
    }

    fn read_error(&self, source: io::Error) -> ReadError {
        read_error(&self.file, self.gzipped, self.lines, source)
    }
}

fn read_error(file: &Source, gzipped: bool, line: u64, source: io::Error) -> ReadError {
    let file = file.clone();
    // The kinds that flate2 returns for bad data; other kinds come from the file.
    let decoding = matches!(
        source.kind(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData
    );
    if gzipped && decoding {
        ReadError::Gzip { file, line, source }
    } else {
        ReadError::Io { file, source }
    }
}

/// Whether the name ends in `.gz`.
pub(crate) fn names_gzip(file: &Source) -> bool {
    match file {
        Source::Stdin => false,
        Source::File(path) => path
            .extension()
            .is_some_and(|ending| ending.eq_ignore_ascii_case("gz")),
    }
}

/// Takes up to `count` bytes, fewer only at the end of the file.
fn peek(reader: &mut impl Read, count: usize) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(count);
    let most = u64::try_from(count).unwrap_or(u64::MAX);
    reader.take(most).read_to_end(&mut head)?;
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
        self.count
            .fetch_add(u64::try_from(read).unwrap_or(u64::MAX), Ordering::Relaxed);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(bytes: &'static [u8]) -> Input {
        Input::new(Source::Stdin, bytes, None).unwrap()
    }

    fn lines(mut input: Input) -> Vec<(u64, Vec<u8>)> {
        let mut line = Vec::new();
        let mut lines = Vec::new();
        while let Some(number) = input.read_line(&mut line).unwrap() {
            lines.push((number, line.clone()));
        }
        lines
    }

    #[test]
    fn line_breaks_are_dropped_and_other_carriage_returns_kept() {
        let expected = [&b"a"[..], b"b", b"", b"c\rd\r", b"e\r"].map(<[u8]>::to_vec);
        let numbered: Vec<_> = (1..).zip(expected).collect();
        assert_eq!(lines(input(b"a\nb\r\n\nc\rd\r\r\ne\r")), numbered);
    }

    #[test]
    fn a_row_may_have_the_limit_and_no_byte_more() {
        let mut fits = input(b"1234\n12345\n");
        fits.row_limit = 5;
        assert_eq!(lines(fits).len(), 2);

        let mut too_long = input(b"1234\n123456\n");
        too_long.row_limit = 5;
        let mut line = Vec::new();
        too_long.read_line(&mut line).unwrap();
        let error = too_long.read_line(&mut line).unwrap_err();
        assert_eq!(
            error.to_string(),
            "standard input, line 2: the row has more than 5 bytes; is the file of another format?"
        );
    }

    #[test]
    fn one_byte_order_mark_is_dropped() {
        assert_eq!(lines(input(b"\xef\xbb\xbfa")), [(1, b"a".to_vec())]);
        assert_eq!(lines(input(b"\xef\xbb")), [(1, b"\xef\xbb".to_vec())]);
        assert_eq!(lines(input(b"")), []);
    }
}
