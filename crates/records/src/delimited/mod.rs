//! CSV and TSV: a header line, then fields between delimiters.

mod record;
pub(crate) mod sniff;

use crate::columns::{Kind, Selected, Selection, find};
use crate::error::{ColumnErrorKind, ReadError, RowErrorKind};
use crate::input::{Input, Line, as_u64};
use crate::notes::Note;
use crate::row_source::{RowSource, Values};

pub(crate) use self::record::Dialect;
use self::record::{Quotes, RecordParser, header_name};

pub(crate) struct DelimitedRows {
    input: Input,
    dialect: Dialect,
    parser: RecordParser,
    /// The bytes of the record.
    raw: Vec<u8>,
    /// The line and the offset at which the record starts.
    line: u64,
    start: u64,
    /// Number of columns of the header.
    width: usize,
    selected: Selected,
    /// Positions of the selected columns in the header.
    places: Vec<usize>,
    /// Offset of the end of the last record whose quotes were wrong. Up to it quotes must be sound.
    doubtful_until: u64,
    /// Bytes put back after such records.
    read_again: u64,
    /// Whether a record had a quote after a backslash, and text behind it.
    backslash_quote: bool,
}

/// The end of reading a record.
enum Outcome {
    End,
    /// A blank line in a table of a single column.
    Blank,
    Record,
    Bad(RowErrorKind),
}

impl DelimitedRows {
    /// Reads the header.
    pub(crate) fn open(
        input: Input,
        dialect: Dialect,
        selection: &Selection,
    ) -> Result<Self, ReadError> {
        let mut rows = Self {
            input,
            dialect,
            parser: RecordParser::new(dialect),
            raw: Vec::new(),
            line: 1,
            start: 0,
            width: usize::MAX,
            selected: Selected::default(),
            places: Vec::new(),
            doubtful_until: 0,
            read_again: 0,
            backslash_quote: false,
        };
        match rows.read_record()? {
            Outcome::Record => {}
            Outcome::End | Outcome::Blank => {
                return Err(rows.input.column_error(ColumnErrorKind::NoHeader));
            }
            Outcome::Bad(problem) => {
                let problem = ColumnErrorKind::BadHeader(problem.to_string());
                return Err(rows.input.column_error(problem));
            }
        }
        rows.choose(selection)
            .map_err(|problem| rows.input.column_error(problem))?;
        Ok(rows)
    }

    fn choose(&mut self, selection: &Selection) -> Result<(), ColumnErrorKind> {
        let utf8 = self
            .parser
            .fields()
            .all(|name| str::from_utf8(name).is_ok());
        let header: Vec<String> = self
            .parser
            .fields()
            .map(|name| header_name(name, self.dialect))
            .collect();
        let present: Vec<_> = header
            .iter()
            .map(|name| (name.clone(), Kind::Text))
            .collect();
        self.selected = selection.among(&present)?;
        let places = self.selected.names.iter().map(|name| find(&header, name));
        self.places = match places.collect() {
            // The name may be the one that cannot be read.
            Err(ColumnErrorKind::Unknown { .. }) if !utf8 => {
                let problem = self.input.not_utf8(&self.raw, 0);
                return Err(ColumnErrorKind::BadHeader(problem.to_string()));
            }
            places => places?,
        };
        self.width = header.len();
        Ok(())
    }

    /// Reads the next record that is not blank into the parser.
    fn read_record(&mut self) -> Result<Outcome, ReadError> {
        self.raw.clear();
        self.parser.begin();
        // The end of the first line.
        let mut first_line = 0;
        let complete = loop {
            let before = self.raw.len();
            if before == 0 {
                self.line = self.input.next_line_number();
                self.start = self.input.offset();
            }
            match self.input.append_line(&mut self.raw)? {
                Line::End if self.raw.is_empty() => return Ok(Outcome::End),
                // A line break ends a record in every state, except within quotes.
                Line::End => break self.parser.feed(b"\n").is_some(),
                Line::TooLong if before == 0 => {
                    self.input.skip_rest(&self.raw)?;
                    return Ok(Outcome::Bad(self.input.too_long()));
                }
                Line::TooLong => break false,
                Line::Whole if before == 0 && self.is_blank() => {
                    if self.width == 1 && !self.input.fill()?.is_empty() {
                        return Ok(Outcome::Blank);
                    }
                    self.raw.clear();
                    continue;
                }
                Line::Whole => {}
            }
            if before == 0 {
                first_line = self.raw.len();
            }
            if let Some(taken) = self.parser.feed(&self.raw[before..]) {
                self.keep(before + taken);
                break true;
            }
            // From now on quoted fields must end on their line.
            let is_line = self.raw.ends_with(b"\n");
            if is_line && self.read_again > self.input.read_again_limit() {
                break false;
            }
        };
        self.backslash_quote = self.backslash_quote || self.has_backslash_quote();
        let lines_follow = first_line < self.raw.len();
        let doubtful = lines_follow || self.start < self.doubtful_until;
        let sound = !doubtful
            || !self.dialect.quotes
            || Quotes::of(&self.raw, self.dialect.delimiter).are_sound();
        if complete && sound {
            return Ok(Outcome::Record);
        }
        // The quote may be a stray one: the lines after its own are read for themselves.
        self.doubtful_until = self.doubtful_until.max(self.input.offset());
        if lines_follow {
            self.read_again += as_u64(self.raw.len());
            self.input.put_back(&self.raw[first_line..]);
        }
        Ok(Outcome::Bad(RowErrorKind::UnclosedQuote))
    }

    /// Keeps the first bytes of the record, and puts back those after a lone carriage return, which
    /// ends a record too.
    fn keep(&mut self, length: usize) {
        let rest = self.raw.get(length..).unwrap_or_default();
        if !rest.is_empty() && rest != b"\n" {
            self.input.put_back(rest);
            self.raw.truncate(length);
        }
    }

    fn has_backslash_quote(&self) -> bool {
        self.dialect.quotes
            && memchr::memmem::find(&self.raw, b"\\\"").is_some()
            && Quotes::of(&self.raw, self.dialect.delimiter).have_backslash()
    }

    fn is_blank(&self) -> bool {
        let delimiter = self.dialect.delimiter;
        let blank = |byte: &u8| byte.is_ascii_whitespace() && *byte != delimiter;
        self.raw.iter().all(blank)
    }

    fn values(&self) -> Result<Vec<Option<String>>, RowErrorKind> {
        let found = self.parser.count();
        // Exports of ERP systems end every row with a delimiter, but not the header.
        let ends_empty = found == self.width + 1 && self.parser.field(self.width).is_empty();
        if found != self.width && !ends_empty {
            return Err(RowErrorKind::ColumnCount {
                found,
                expected: self.width,
            });
        }
        let value = |&place: &usize| match str::from_utf8(self.parser.field(place)) {
            Ok(text) => Ok(Some(text.to_owned())),
            Err(_) => Err(self.not_utf8(place)),
        };
        self.places.iter().map(value).collect()
    }

    /// Finds the bytes of a field that are not UTF-8 in the record: quotes do not change their number.
    fn not_utf8(&self, place: usize) -> RowErrorKind {
        let invalid = |bytes: &[u8]| -> usize {
            let chunks = bytes.utf8_chunks();
            chunks.filter(|chunk| !chunk.invalid().is_empty()).count()
        };
        let before: usize = self.parser.fields().take(place).map(invalid).sum();
        let mut offset = 0;
        let mut seen = 0;
        for chunk in self.raw.utf8_chunks() {
            seen += usize::from(!chunk.invalid().is_empty());
            if seen > before {
                break;
            }
            offset += chunk.valid().len() + chunk.invalid().len();
        }
        let rest = self.raw.get(offset..).unwrap_or_default();
        self.input.not_utf8(rest, self.start + as_u64(offset))
    }
}

impl RowSource for DelimitedRows {
    fn selected(&self) -> &Selected {
        &self.selected
    }

    fn next(&mut self) -> Result<Option<Values>, ReadError> {
        let outcome = match self.read_record()? {
            Outcome::End => return Ok(None),
            Outcome::Blank => Ok(vec![Some(String::new()); self.places.len()]),
            Outcome::Record => self.values(),
            Outcome::Bad(problem) => Err(problem),
        };
        let line = self.line;
        outcome
            .map(|values| Some(Values { line, values }))
            .map_err(|problem| self.input.row_error(line, problem))
    }

    fn notes(&self) -> Vec<Note> {
        let file = self.input.file.clone();
        let note = self
            .backslash_quote
            .then_some(Note::BackslashQuote { file });
        Vec::from_iter(note)
    }

    fn bytes_read(&self) -> u64 {
        self.input.bytes_read()
    }

    fn total_bytes(&self) -> Option<u64> {
        self.input.total_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::Choice;
    use crate::options::ReaderOptions;
    use crate::source::Source;

    /// A line that could begin a row again and again must not be read for ever.
    #[test]
    fn a_file_of_open_quotes_ends() {
        let mut content = "a,b\n".to_owned();
        content.push_str(&"\"a,\"b\",\"\n".repeat(1000));
        content.push_str("1,x\n");
        let input = Input::new(
            Source::Stdin,
            std::io::Cursor::new(content.into_bytes()),
            None,
            None,
        );
        let mut input = input.unwrap();
        input.row_limit = 20_000;
        let dialect = Dialect {
            delimiter: b',',
            quotes: true,
        };
        let selection = Selection::new(&ReaderOptions::default(), Choice::EveryText);
        let mut rows = DelimitedRows::open(input, dialect, &selection).unwrap();
        let mut bad = 0;
        let good = loop {
            match rows.next() {
                Ok(row) => break row.unwrap(),
                Err(error) => bad += u64::from(error.is_row()),
            }
        };
        assert_eq!((bad, good.line), (1000, 1002));
        assert!(rows.read_again < 200_000, "{} bytes", rows.read_again);
    }
}
