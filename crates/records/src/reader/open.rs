//! Opening one file of any format.

use crate::columns::Selection;
use crate::content::{HEAD_BYTES, recognise};
use crate::delimited::{DelimitedRows, Dialect, sniff};
use crate::error::{Numbering, ReadError};
use crate::format::Format;
use crate::input::Input;
use crate::json::JsonRows;
use crate::notes::Note;
use crate::options::{Delimiter, Quoting, ReaderOptions};
use crate::parquet_file::ParquetRows;
use crate::row_source::RowSource;
use crate::source::Source;
use crate::text::TextRows;

/// A file that was opened, and notes about it.
pub(super) struct Opened {
    pub(super) rows: Box<dyn RowSource>,
    pub(super) numbering: Numbering,
    pub(super) notes: Vec<Note>,
}

/// Opens a file, or standard input; `only` says whether it is the only one.
pub(super) fn open_file(
    source: &Source,
    options: &ReaderOptions,
    selection: &Selection,
    only: bool,
) -> Result<Opened, ReadError> {
    let input = Input::open(source, options.encoding)?;
    of_input(input, options, selection, true, only)
}

/// Opens what is read from an input.
pub(super) fn of_input(
    mut input: Input,
    options: &ReaderOptions,
    selection: &Selection,
    is_file: bool,
    only: bool,
) -> Result<Opened, ReadError> {
    let recognised = recognise(&mut input, options)?;
    let format = recognised.format;
    let file = input.file.clone();
    let mut notes = Vec::new();
    if recognised.by_content {
        notes.push(Note::Format {
            file: file.clone(),
            format,
        });
    }
    if let Some(format) = recognised.looks_like {
        notes.push(Note::LooksLike {
            file: file.clone(),
            format,
        });
    }
    let rows: Box<dyn RowSource> = match format {
        Format::Text if selection.names_columns() => {
            return Err(ReadError::TextHasNoColumns { file });
        }
        Format::Text => Box::new(TextRows::new(input)),
        Format::Csv | Format::Tsv => {
            let dialect = dialect(&mut input, format, options, selection, is_file, &mut notes)?;
            Box::new(DelimitedRows::open(input, dialect, selection)?)
        }
        Format::Jsonl => Box::new(JsonRows::open(input, true, selection, only)?),
        Format::Json => Box::new(JsonRows::open(input, false, selection, only)?),
        Format::Parquet if !is_file || input.is_compressed() => {
            return Err(ReadError::ParquetNotPlainFile { file });
        }
        Format::Parquet => Box::new(ParquetRows::open(&file, selection)?),
    };
    let numbering = match format {
        Format::Parquet => Numbering::Rows,
        _ => Numbering::Lines,
    };
    Ok(Opened {
        rows,
        numbering,
        notes,
    })
}

/// Finds out the delimiter of CSV and the quotes of TSV.
fn dialect(
    input: &mut Input,
    format: Format,
    options: &ReaderOptions,
    selection: &Selection,
    is_file: bool,
    notes: &mut Vec<Note>,
) -> Result<Dialect, ReadError> {
    let file = input.file.clone();
    let quotes = options.quoting == Quoting::Auto;
    if format == Format::Tsv {
        let quotes = quotes && sniff::tab_quotes(input, is_file, options.encoding)?;
        if quotes {
            notes.push(Note::QuotedTsv { file });
        }
        return Ok(Dialect {
            delimiter: b'\t',
            quotes,
        });
    }
    let head = input.look(HEAD_BYTES)?;
    let separator = sniff::separator_line(head);
    if let Some((_, length)) = separator {
        input.take(length, &mut Vec::new())?;
    }
    let delimiter = match (options.delimiter, separator) {
        (Some(Delimiter(delimiter)), _) | (None, Some((delimiter, _))) => delimiter,
        (None, None) => {
            let head = input.look(HEAD_BYTES)?;
            let (delimiter, several) = sniff::delimiter(head, selection.named());
            if several || delimiter != b',' {
                notes.push(Note::Delimiter {
                    file,
                    delimiter: Delimiter(delimiter),
                });
            }
            delimiter
        }
    };
    Ok(Dialect { delimiter, quotes })
}
