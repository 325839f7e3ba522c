//! The dialect of a table: its delimiter, and whether the quotes of TSV are those of quoted fields.

use crate::encoding::Encoding;
use crate::error::ReadError;
use crate::input::{Input, Line, without_line_break};

use super::record::{Dialect, Quotes, header_name, records_of};

/// Delimiters of tables; of two that fit equally, the first is the delimiter, because texts and
/// prices have commas.
const DELIMITERS: [u8; 4] = [b'\t', b';', b'|', b','];

/// How much of a stream shows its quotes.
const QUOTING_BYTES: usize = 8 << 20;

/// The delimiter that `head`, the beginning of a table, has in its header, the comma for a single
/// column; and whether there were several to choose from. The delimiter is the one with the `named`
/// columns, then the one whose rows are as wide as the header.
pub(crate) fn delimiter<'a>(head: &[u8], named: impl Iterator<Item = &'a str>) -> (u8, bool) {
    let mut lines = head.split(|byte| matches!(byte, b'\n' | b'\r'));
    let header = lines.find(|line| !line.is_empty()).unwrap_or_default();
    let named: Vec<&str> = named.collect();
    let score = |delimiter: &u8| {
        let dialect = Dialect {
            delimiter: *delimiter,
            quotes: true,
        };
        let records = match records_of(head, dialect) {
            records if records.is_empty() => records_of(&[header, b"\n"].concat(), dialect),
            records => records,
        };
        let (header, rows) = records.split_first()?;
        let names: Vec<_> = header
            .iter()
            .map(|name| header_name(name, dialect))
            .collect();
        let has_named = named
            .iter()
            .all(|named| names.iter().any(|name| name == named.trim()));
        let fitting = rows
            .iter()
            .filter(|row| has_width(row, header.len()))
            .count();
        let share = 1000 * fitting / rows.len().max(1);
        // A header with another delimiter, over rows that have none, is one name with a stray character.
        // Rows that are only too wide are bad rows, which their errors explain.
        let split = rows.iter().any(|row| row.len() > 1);
        let fits = *delimiter == b',' || rows.is_empty() || split;
        (header.len() > 1 && fits).then_some((has_named, share, header.len()))
    };
    let in_header = |byte: &&u8| header.contains(byte);
    let several = DELIMITERS.iter().filter(in_header).count() > 1;
    let candidates = DELIMITERS.iter().filter(in_header);
    let best = candidates
        .filter_map(|delimiter| Some((score(delimiter)?, *delimiter)))
        // Of equals the last is the greatest.
        .rev()
        .max_by_key(|(score, _)| *score);
    best.map_or((b',', false), |(_, delimiter)| (delimiter, several))
}

/// Whether a row is as wide as the header, except for a delimiter at its end.
fn has_width(row: &[Vec<u8>], width: usize) -> bool {
    row.len() == width || (row.len() == width + 1 && row.last().is_some_and(Vec::is_empty))
}

/// The delimiter of a content that is plainly a table: at least two columns and a row, and every row as
/// wide as the header.
pub(crate) fn plain_table(head: &[u8], whole: bool) -> Option<u8> {
    let (delimiter, _) = delimiter(head, std::iter::empty());
    let mut text = head.to_vec();
    if whole && !text.ends_with(b"\n") {
        text.push(b'\n');
    }
    let dialect = Dialect {
        delimiter,
        quotes: true,
    };
    let records = records_of(&text, dialect);
    let (header, rows) = records.split_first()?;
    let is_table = !rows.is_empty()
        && header.len() > 1
        && rows.iter().all(|row| has_width(row, header.len()))
        && header.iter().all(|name| !name.trim_ascii().is_empty());
    is_table.then_some(delimiter)
}

/// A first line `sep=;`, which Excel reads as the delimiter: its delimiter and its length.
pub(crate) fn separator_line(head: &[u8]) -> Option<(u8, usize)> {
    let end = head.iter().position(|byte| *byte == b'\n')? + 1;
    match without_line_break(head.get(..end)?) {
        [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', delimiter] => Some((*delimiter, end)),
        _ => None,
    }
}

/// Whether the quotes of TSV are those of quoted fields, as pandas and Excel write them: every field
/// with a quote begins with one and ends with one, and every quote within is doubled. A quoted field
/// may hold line breaks if its file is then a better table than one that is split at all line breaks.
#[derive(Debug)]
struct TabQuotes {
    /// Quotes by lines.
    quoted_lines: bool,
    broken_lines: bool,
    odd_lines: u64,
    /// Quotes by records.
    record: Quotes,
    broken_records: bool,
    odd_records: u64,
    width: Option<usize>,
}

impl TabQuotes {
    fn new() -> Self {
        Self {
            quoted_lines: false,
            broken_lines: false,
            odd_lines: 0,
            record: Quotes::new(b'\t'),
            broken_records: false,
            odd_records: 0,
            width: None,
        }
    }

    /// Looks at the next line; `false` when no further line can change the answer.
    fn feed(&mut self, line: &[u8]) -> bool {
        let content = without_line_break(line);
        if content.is_empty() && !self.record.are_open() {
            return true;
        }
        let mut fields = 0;
        for field in content.split(|byte| *byte == b'\t') {
            fields += 1;
            if field.contains(&b'"') {
                self.quoted_lines = true;
                self.broken_lines |= !Quotes::of(field, b'\t').are_strict();
            }
        }
        let width = *self.width.get_or_insert(fields);
        self.odd_lines += u64::from(fields != width);

        self.record.feed(line);
        if !self.record.are_open() {
            self.broken_records |= !self.record.are_strict();
            self.odd_records += u64::from(self.record.fields != width);
            self.record = Quotes::new(b'\t');
        }
        !(self.broken_lines && self.broken_records)
    }

    fn are_those_of_fields(&self) -> bool {
        let by_records =
            !self.broken_records && !self.record.are_open() && self.odd_records < self.odd_lines;
        self.quoted_lines && (!self.broken_lines || by_records)
    }
}

/// Whether TSV has quoted fields. Reads a file from front to back, and of a stream the beginning.
pub(crate) fn tab_quotes(
    input: &mut Input,
    is_file: bool,
    encoding: Option<Encoding>,
) -> Result<bool, ReadError> {
    let mut quotes = TabQuotes::new();
    if is_file && input.file.is_regular_file() {
        let mut input = Input::open(&input.file, encoding)?;
        let mut line = Vec::new();
        loop {
            line.clear();
            match input.append_line(&mut line)? {
                Line::End => break,
                Line::Whole => {
                    if !quotes.feed(&line) {
                        break;
                    }
                }
                Line::TooLong => input.skip_rest(&line)?,
            }
        }
    } else {
        let mut head = input.look(QUOTING_BYTES)?;
        if head.len() == QUOTING_BYTES {
            // The last line may go on.
            let end = memchr::memrchr(b'\n', head).map_or(0, |end| end + 1);
            head = &head[..end];
        }
        for line in head.split_inclusive(|byte| *byte == b'\n') {
            if !quotes.feed(line) {
                break;
            }
        }
    }
    Ok(quotes.are_those_of_fields())
}
