//! CSV and TSV: a header line, then rows of as many columns.
//!
//! A row is cut out of the file here, line by line, and its fields by the `csv` crate: a bad row then is one row, however its
//! quotes are broken, and has its line number.

use std::path::Path;

use csv::{ByteRecord, ReaderBuilder};

use super::lines::{Line, Lines, MAX_LINE_BYTES};
use super::{BadRow, Format, ReaderOptions, Record, RecordError, RowFailure};

/// The rows of a table.
pub(super) struct TableRows {
    lines: Lines,
    format: Format,
    columns: usize,
    fields: Vec<usize>,
    id: Option<(usize, String)>,
}

impl TableRows {
    /// Reads the header and finds the columns in it.
    pub(super) fn open(
        path: &Path,
        mut lines: Lines,
        format: Format,
        options: &ReaderOptions,
    ) -> Result<Self, RecordError> {
        let header = read_header(path, &mut lines, format)?;
        let position = |column: &String| {
            header.iter().position(|name| name == column).ok_or_else(|| RecordError::NoColumn {
                path: path.to_owned(),
                column: column.clone(),
                available: header.clone(),
            })
        };
        let id = match &options.id_column {
            Some(column) => Some((position(column)?, column.clone())),
            None => None,
        };
        let fields = if options.columns.is_empty() {
            let others: Vec<usize> =
                (0..header.len()).filter(|column| id.as_ref().is_none_or(|(id, _)| id != column)).collect();
            match (others.as_slice(), header.iter().position(|name| name == "text")) {
                ([only], _) => vec![*only],
                (_, Some(text)) => vec![text],
                _ => return Err(RecordError::Undecided { path: path.to_owned(), available: header }),
            }
        } else {
            options.columns.iter().map(position).collect::<Result<_, _>>()?
        };
        Ok(Self { lines, format, columns: header.len(), fields, id })
    }

    pub(super) fn next_record(&mut self) -> Option<Result<Record, RowFailure>> {
        let (line, row) = next_row(&mut self.lines, self.format)?;
        let bad = |reason| RowFailure::Row { line, reason };
        Some(match row {
            Err(RowProblem::File(error)) => Err(RowFailure::File(error)),
            Err(RowProblem::Bad(reason)) => Err(bad(reason)),
            Ok(row) => self.record(line, &row).map_err(bad),
        })
    }

    fn record(&self, line: u64, row: &[String]) -> Result<Record, BadRow> {
        if row.len() != self.columns {
            return Err(BadRow::ColumnCount { expected: self.columns, found: row.len() });
        }
        let id = match &self.id {
            Some((column, name)) => Some(checked_id(name, &row[*column])?),
            None => None,
        };
        Ok(Record { line, id, fields: self.fields.iter().map(|&column| row[column].clone()).collect() })
    }
}

/// An id must be there and fit a line of its own.
pub(super) fn checked_id(column: &str, id: &str) -> Result<String, BadRow> {
    if id.is_empty() {
        return Err(BadRow::EmptyId(column.to_owned()));
    }
    if id.contains(['\n', '\r']) {
        return Err(BadRow::IdWithLineBreak(column.to_owned()));
    }
    Ok(id.to_owned())
}

/// The names of the columns.
pub(super) fn read_header(path: &Path, lines: &mut Lines, format: Format) -> Result<Vec<String>, RecordError> {
    match next_row(lines, format) {
        None => Ok(Vec::new()),
        Some((_, Ok(header))) => Ok(header),
        Some((_, Err(RowProblem::File(source)))) => Err(RecordError::Io { path: path.to_owned(), source }),
        Some((_, Err(RowProblem::Bad(reason)))) => Err(RecordError::Header { path: path.to_owned(), reason }),
    }
}

enum RowProblem {
    Bad(BadRow),
    File(std::io::Error),
}

/// The next row and the line on which it starts. Blank lines between CSV rows are passed over, as RFC 4180 readers do.
fn next_row(lines: &mut Lines, format: Format) -> Option<(u64, Result<Vec<String>, RowProblem>)> {
    loop {
        let first = lines.next_line()?;
        let start = lines.number();
        let mut row = match first {
            Err(error) => return Some((start, Err(RowProblem::File(error)))),
            Ok(Line::TooLong) => return Some((start, Err(RowProblem::Bad(BadRow::TooLong)))),
            Ok(Line::Bytes(bytes)) => bytes,
        };
        if row.is_empty() {
            continue;
        }
        if format == Format::Tsv {
            return Some((start, split_tabs(row)));
        }
        // A line break inside quotes belongs to the row.
        while has_open_quote(&row) {
            match lines.next_line() {
                None => return Some((start, Err(RowProblem::Bad(BadRow::OpenQuote)))),
                Some(Err(error)) => return Some((start, Err(RowProblem::File(error)))),
                Some(Ok(Line::TooLong)) => return Some((start, Err(RowProblem::Bad(BadRow::TooLong)))),
                Some(Ok(Line::Bytes(more))) => {
                    row.push(b'\n');
                    row.extend(more);
                }
            }
            if row.len() > MAX_LINE_BYTES {
                return Some((start, Err(RowProblem::Bad(BadRow::TooLong))));
            }
        }
        return Some((start, split_csv(&row)));
    }
}

fn split_tabs(row: Vec<u8>) -> Result<Vec<String>, RowProblem> {
    let row = text(row)?;
    Ok(row.split('\t').map(str::to_owned).collect())
}

fn split_csv(row: &[u8]) -> Result<Vec<String>, RowProblem> {
    let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(row);
    let mut fields = ByteRecord::new();
    reader.read_byte_record(&mut fields).map_err(|error| match error.into_kind() {
        csv::ErrorKind::Io(error) => RowProblem::File(error),
        // Reading bytes of any number of columns from memory has no other way to fail.
        other => RowProblem::File(std::io::Error::other(format!("{other:?}"))),
    })?;
    // A field's place in the line is gone once its quotes are; the row as a whole tells where the bytes are bad.
    if let Err(error) = std::str::from_utf8(row) {
        return Err(RowProblem::Bad(BadRow::NotUtf8(error.valid_up_to() + 1)));
    }
    fields.iter().map(|field| text(field.to_vec())).collect()
}

fn text(bytes: Vec<u8>) -> Result<String, RowProblem> {
    String::from_utf8(bytes)
        .map_err(|error| RowProblem::Bad(BadRow::NotUtf8(error.utf8_error().valid_up_to() + 1)))
}

/// Whether the row ends inside a quoted field. A quote opens a field only at its start; in it, two quotes are one
/// character (RFC 4180, section 2).
fn has_open_quote(row: &[u8]) -> bool {
    let mut quoted = false;
    let mut field_start = true;
    let mut bytes = row.iter().peekable();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'"' if quoted => {
                if bytes.peek() == Some(&&b'"') {
                    bytes.next();
                } else {
                    quoted = false;
                }
            }
            b'"' if field_start => quoted = true,
            _ => {}
        }
        field_start = !quoted && byte == b',';
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_open_and_close() {
        for (row, open) in [
            ("a,b", false),
            ("\"a", true),
            ("a\"b,c", false),
            ("a,\"b\"\"", true),
            ("a,\"b\"\"\"", false),
            ("\"\",x", false),
            ("\"a\nb\",\"", true),
        ] {
            assert_eq!(has_open_quote(row.as_bytes()), open, "{row:?}");
        }
    }
}
