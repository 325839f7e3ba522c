//! One record of CSV: its fields, and whether its quotes are where RFC 4180 has them.
//!
//! We use `csv-core`, the parser of the `csv` crate. Given line by line it lets us bound the memory of
//! a row, know the line it starts on, and go on after a quote that is never closed.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

/// How fields are separated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dialect {
    pub(crate) delimiter: u8,
    /// Whether fields may be quoted.
    pub(crate) quotes: bool,
}

/// Splits a record into fields.
pub(crate) struct RecordParser {
    core: Reader,
    /// The concatenated fields of the record; only the first `written` bytes are valid.
    bytes: Vec<u8>,
    written: usize,
    /// End of each field in `bytes`; only the first `count` are valid.
    ends: Vec<usize>,
    count: usize,
}

impl RecordParser {
    pub(crate) fn new(dialect: Dialect) -> Self {
        Self {
            core: ReaderBuilder::new()
                .delimiter(dialect.delimiter)
                .quoting(dialect.quotes)
                .build(),
            bytes: Vec::new(),
            written: 0,
            ends: Vec::new(),
            count: 0,
        }
    }

    /// Forgets the last record.
    pub(crate) fn begin(&mut self) {
        self.core.reset();
        (self.written, self.count) = (0, 0);
    }

    /// Parses until the record ends, and returns how many bytes it took; `None` if it goes on after
    /// `bytes`.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut consumed = 0;
        loop {
            let rest = bytes.get(consumed..).unwrap_or_default();
            let output = self.bytes.get_mut(self.written..).unwrap_or_default();
            let ends = self.ends.get_mut(self.count..).unwrap_or_default();
            // An empty input would be the end of the file.
            if rest.is_empty() {
                return None;
            }
            let (result, taken, written, ended) = self.core.read_record(rest, output, ends);
            consumed += taken;
            self.written += written;
            self.count += ended;
            match result {
                ReadRecordResult::OutputFull => {
                    self.bytes.resize(grown(self.bytes.len(), 1 << 10), 0);
                }
                ReadRecordResult::OutputEndsFull => {
                    self.ends.resize(grown(self.ends.len(), 1 << 4), 0);
                }
                ReadRecordResult::InputEmpty => return None,
                ReadRecordResult::Record | ReadRecordResult::End => return Some(consumed),
            }
        }
    }

    /// Number of fields of the record.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// A field of the record, from 0.
    pub(crate) fn field(&self, index: usize) -> &[u8] {
        let end = |index: usize| self.ends.get(index).copied().unwrap_or_default();
        let start = index.checked_sub(1).map_or(0, end);
        self.bytes.get(start..end(index)).unwrap_or_default()
    }

    /// The fields of the record.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.count).map(|index| self.field(index))
    }
}

/// Twice the length, so that a buffer is copied only when a row doubles.
fn grown(length: usize, least: usize) -> usize {
    length.saturating_mul(2).max(least)
}

/// The records of `bytes`, as widths and fields, until the last whole one. `bytes` are the beginning of
/// a file.
pub(crate) fn records_of(bytes: &[u8], dialect: Dialect) -> Vec<Vec<Vec<u8>>> {
    let mut parser = RecordParser::new(dialect);
    let mut rest = bytes;
    let mut records = Vec::new();
    loop {
        let blank = rest
            .iter()
            .take_while(|byte| matches!(byte, b'\n' | b'\r'))
            .count();
        rest = rest.get(blank..).unwrap_or_default();
        parser.begin();
        let Some(taken) = parser.feed(rest) else {
            return records;
        };
        records.push(parser.fields().map(<[u8]>::to_vec).collect());
        rest = rest.get(taken..).unwrap_or_default();
    }
}

/// A column's name, without the spaces around it, nor the quotes that follow a space and so are not
/// those of a quoted field.
pub(crate) fn header_name(field: &[u8], dialect: Dialect) -> String {
    let field = String::from_utf8_lossy(field);
    let name = field.trim();
    let inner = name
        .strip_prefix('"')
        .and_then(|name| name.strip_suffix('"'))
        .filter(|_| dialect.quotes && field.starts_with(char::is_whitespace));
    inner.map_or(name, str::trim).to_owned()
}

/// Follows the quotes of a record, byte by byte.
#[derive(Clone, Debug)]
pub(crate) struct Quotes {
    delimiter: u8,
    state: State,
    /// Number of fields so far.
    pub(crate) fields: usize,
    /// Text follows the closing quote of a field.
    text_after_quote: bool,
    /// A field that is not quoted has a quote.
    quote_in_plain: bool,
    /// Such a field ends with one.
    quote_after_plain: bool,
    /// The last byte, and whether a backslash was before the last closing quote.
    last: u8,
    after_backslash: bool,
    /// Text follows such a quote.
    backslash_quote: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    FieldStart,
    Plain,
    /// After a quote in a field that is not quoted.
    PlainQuote,
    Quoted,
    /// After a quote in a quoted field: its end, or the first of two.
    Closing,
}

impl Quotes {
    pub(crate) fn new(delimiter: u8) -> Self {
        Self {
            delimiter,
            state: State::FieldStart,
            fields: 1,
            text_after_quote: false,
            quote_in_plain: false,
            quote_after_plain: false,
            last: 0,
            after_backslash: false,
            backslash_quote: false,
        }
    }

    /// The quotes of a whole record.
    pub(crate) fn of(record: &[u8], delimiter: u8) -> Self {
        let mut quotes = Self::new(delimiter);
        quotes.feed(record);
        quotes
    }

    /// Follows a part of a record; a line break within quotes belongs to the field.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            let ends = byte == self.delimiter || matches!(byte, b'\r' | b'\n');
            self.state = match (self.state, byte) {
                (State::Quoted, b'"') => {
                    self.after_backslash = self.last == b'\\';
                    State::Closing
                }
                (State::Quoted, _) | (State::Closing, b'"') => State::Quoted,
                (state, _) if ends => {
                    self.quote_after_plain |= state == State::PlainQuote;
                    if byte == self.delimiter {
                        self.fields += 1;
                        State::FieldStart
                    } else {
                        state
                    }
                }
                (State::FieldStart, b'"') => State::Quoted,
                (State::Plain | State::PlainQuote, b'"') => {
                    self.quote_in_plain = true;
                    State::PlainQuote
                }
                (State::Closing, _) => {
                    self.text_after_quote = true;
                    self.backslash_quote |= self.after_backslash;
                    State::Plain
                }
                (State::FieldStart | State::Plain | State::PlainQuote, _) => State::Plain,
            };
            self.last = byte;
        }
    }

    /// Whether a quoted field goes on.
    pub(crate) fn are_open(&self) -> bool {
        self.state == State::Quoted
    }

    /// Whether quoted fields begin with a quote and end with one before a delimiter or a line break,
    /// with every quote within doubled, and no other field has a quote.
    pub(crate) fn are_strict(&self) -> bool {
        !self.are_open() && !self.text_after_quote && !self.quote_in_plain
    }

    /// Whether a backslash is before a closing quote, and text behind it, as where programs such as
    /// MySQL write a quote within a field.
    pub(crate) fn have_backslash(&self) -> bool {
        self.backslash_quote
    }

    /// Whether no field looks like the part before or after a lost quote. A quote inside of a text,
    /// as in `24" monitor`, does no harm.
    pub(crate) fn are_sound(&self) -> bool {
        let stray_end = self.quote_after_plain || self.state == State::PlainQuote;
        !self.are_open() && !self.text_after_quote && !stray_end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CSV: Dialect = Dialect {
        delimiter: b',',
        quotes: true,
    };

    #[test]
    fn long_fields_and_many_fields_grow_the_buffers() {
        let long = "x".repeat(100_000);
        let wide = vec!["y"; 5000].join(",");
        let read = records_of(format!("{long}\n{wide}\nz").as_bytes(), CSV);
        assert_eq!(read.len(), 2, "the last record may go on");
        assert!(read[0] == [long.into_bytes()]);
        assert!(read[1] == vec![b"y"; 5000]);
    }

    #[test]
    fn quotes_around_whole_fields_are_strict_and_some_others_sound() {
        for (record, strict, sound) in [
            ("a,b\r\n", true, true),
            ("\"a\",\"b \"\"c\"\"\"\n", true, true),
            ("\"a,\nb\",\"\"", true, true),
            ("24\" monitor,c", false, true),
            ("a\",c", false, false),
            ("a,c\"\n", false, false),
            ("\"a\"b,c", false, false),
            ("\"a\" ,c", false, false),
            ("\"a,c", false, false),
            ("\"a\"\"", false, false),
        ] {
            let quotes = Quotes::of(record.as_bytes(), b',');
            assert_eq!(quotes.are_strict(), strict, "{record}");
            assert_eq!(quotes.are_sound(), sound, "{record}");
        }
    }
}
