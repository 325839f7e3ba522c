//! The iterator over the rows of files of any format.

use std::io::Read;

use crate::Row;
use crate::columns::{Choice, Selection, checked_id};
use crate::content::{HEAD_BYTES, recognise};
use crate::delimited::{DelimitedRows, Dialect, sniff};
use crate::error::{ColumnErrorKind, Numbering, ReadError, RowErrorKind};
use crate::format::Format;
use crate::html;
use crate::input::Input;
use crate::json::JsonRows;
use crate::notes::Note;
use crate::options::{Delimiter, Quoting, ReaderOptions};
use crate::parquet_file::ParquetRows;
use crate::row_source::{RowSource, Values};
use crate::source::Source;
use crate::text::TextRows;

/// One row in this many makes a note on HTML.
const HTML_SHARE: u64 = 10;

/// Reads the rows of one file or of several, one at a time.
///
/// As an iterator it yields each row, or the error of a bad row, and continues with the next row. It
/// ends after any other error ([`ReadError::is_row`] tells them apart).
pub struct RowReader {
    sources: Vec<Source>,
    options: ReaderOptions,
    selection: Selection,
    /// The file that is being read.
    file: usize,
    rows: Box<dyn RowSource>,
    columns: Vec<String>,
    numbering: Numbering,
    /// Sizes of the files before it, and of all files.
    bytes_before: u64,
    total_bytes: Option<u64>,
    counts: Counts,
    first_skipped: Option<ReadError>,
    notes: Vec<Note>,
    ended: bool,
}

/// Numbers of rows so far.
#[derive(Default)]
struct Counts {
    /// All data rows.
    rows: u64,
    /// Rows that could be read.
    good: u64,
    bad: u64,
    /// Good rows without any text.
    empty: u64,
    /// Good rows without a text, by column.
    missing: Vec<u64>,
    /// Good rows with HTML.
    html: u64,
    /// Which columns of JSON any row had.
    seen: Vec<bool>,
}

/// A file that was opened, and notes about it.
struct Opened {
    rows: Box<dyn RowSource>,
    numbering: Numbering,
    notes: Vec<Note>,
}

impl RowReader {
    /// Opens a file, or standard input, and determines the columns to read.
    ///
    /// # Errors
    ///
    /// - The source cannot be opened or read, or its format is unknown.
    /// - Columns are selected of a plain-text file.
    /// - The header, or every row of JSON, lacks a selected column.
    /// - Parquet does not come from a plain file, or a selected column cannot become text.
    pub fn open(source: &Source, options: &ReaderOptions) -> Result<Self, ReadError> {
        Self::open_all(std::slice::from_ref(source), options)
    }

    /// As [`Self::open`], for several sources with the same columns, which are read in order. Without
    /// named columns those of the first one are read of all. Opens every file once, so that one without
    /// the columns is found before the first row.
    ///
    /// # Errors
    ///
    /// As [`Self::open`]; also without any source.
    pub fn open_all(sources: &[Source], options: &ReaderOptions) -> Result<Self, ReadError> {
        Self::of_sources(sources, options, Choice::Default)
    }

    /// As [`Self::open_all`], but without named columns it reads every column except the id;
    /// [`Self::columns`] lists them. In JSON these are the keys with strings in the first rows, in
    /// Parquet the columns of texts.
    ///
    /// # Errors
    ///
    /// As [`Self::open_all`].
    pub fn open_every_column(
        sources: &[Source],
        options: &ReaderOptions,
    ) -> Result<Self, ReadError> {
        Self::of_sources(sources, options, Choice::EveryText)
    }

    /// As [`Self::open_every_column`] for one source, also with numbers and booleans.
    ///
    /// JSON: every key with a string, number or boolean, in the order of the first rows. Parquet: every
    /// column of texts, numbers or booleans. CSV and TSV: every column. Plain text has no columns: its
    /// rows have one field.
    ///
    /// # Errors
    ///
    /// As [`Self::open`].
    pub fn open_every_scalar(source: &Source, options: &ReaderOptions) -> Result<Self, ReadError> {
        Self::of_sources(std::slice::from_ref(source), options, Choice::EveryScalar)
    }

    /// Reads `bytes` as if they were the file `name`, which determines the format and appears in
    /// errors.
    ///
    /// # Errors
    ///
    /// As [`Self::open`]; always for Parquet, which does not stream from front to back.
    pub fn from_reader(
        name: &Source,
        bytes: impl Read + Send + 'static,
        options: &ReaderOptions,
    ) -> Result<Self, ReadError> {
        let selection = Selection::new(options, Choice::Default);
        let input = Input::new(name.clone(), bytes, None, options.encoding)?;
        let opened = of_input(input, options, &selection, false, true)?;
        Ok(Self::new(vec![name.clone()], options, selection, opened))
    }

    fn of_sources(
        sources: &[Source],
        options: &ReaderOptions,
        unnamed: Choice,
    ) -> Result<Self, ReadError> {
        let mut selection = Selection::new(options, unnamed);
        let [first, others @ ..] = sources else {
            return Err(ReadError::Pattern {
                pattern: "-".to_owned(),
                reason: "no file to read".to_owned(),
            });
        };
        let opened = open_file(first, options, &selection, others.is_empty())?;
        let selected = opened.rows.selected();
        if let Some(columns) = selected.names.get(..selected.texts)
            && !columns.is_empty()
        {
            selection.choice = Choice::Named(columns.to_vec());
        }
        for source in others.iter().filter(|source| source.is_regular_file()) {
            open_file(source, options, &selection, false)?;
        }
        Ok(Self::new(sources.to_vec(), options, selection, opened))
    }

    fn new(
        sources: Vec<Source>,
        options: &ReaderOptions,
        selection: Selection,
        opened: Opened,
    ) -> Self {
        let selected = opened.rows.selected();
        let columns: Vec<String> = selected
            .names
            .iter()
            .take(selected.texts)
            .cloned()
            .collect();
        let size = |source: &Source| match source {
            Source::File(path) => {
                let metadata = std::fs::metadata(path).ok()?;
                metadata.is_file().then_some(metadata.len())
            }
            Source::Stdin => None,
        };
        let others = sources.iter().skip(1).map(size);
        let total_bytes = std::iter::once(opened.rows.total_bytes())
            .chain(others)
            .sum();
        Self {
            sources,
            options: options.clone(),
            selection,
            file: 0,
            counts: Counts {
                missing: vec![0; columns.len()],
                ..Counts::default()
            },
            rows: opened.rows,
            columns,
            numbering: opened.numbering,
            bytes_before: 0,
            total_bytes,
            first_skipped: None,
            notes: opened.notes,
            ended: false,
        }
    }

    /// The columns that become [`Row::fields`], in that order. Empty for plain text, whose rows have
    /// one field, and for JSON without a row to determine them.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The sources, in the order in which they are read; [`Row::file`] is a position in it.
    #[must_use]
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// Whether [`Row::line`] counts lines or rows, in the file that is being read.
    #[must_use]
    pub fn numbering(&self) -> Numbering {
        self.numbering
    }

    /// Whether the same rows can be read again: no source is standard input or a pipe.
    #[must_use]
    pub fn can_be_read_again(&self) -> bool {
        self.sources.iter().all(Source::is_regular_file)
    }

    /// Number of bad rows skipped so far.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.counts.bad
    }

    /// The error of the first skipped row.
    #[must_use]
    pub fn first_skipped(&self) -> Option<&ReadError> {
        self.first_skipped.as_ref()
    }

    /// Notes about the files so far; complete after the last row.
    #[must_use]
    pub fn notes(&self) -> Vec<Note> {
        let Counts {
            good,
            bad,
            empty,
            html,
            ref missing,
            ..
        } = self.counts;
        let mut notes = self.notes.clone();
        notes.extend(self.rows.notes());
        let columns = self.columns.iter().cloned().zip(missing.iter().copied());
        let columns: Vec<_> = columns.filter(|(_, missing)| *missing > 0).collect();
        if !columns.is_empty() {
            notes.push(Note::Missing {
                columns,
                rows: good,
            });
        }
        if empty > 0 && self.options.skip_empty_rows {
            notes.push(Note::Empty { skipped: empty });
        }
        if let Some(first) = &self.first_skipped {
            notes.push(Note::Skipped {
                skipped: bad,
                first: first.to_string(),
            });
        }
        if html > 0 && html >= good / HTML_SHARE {
            notes.push(Note::Html {
                found: html,
                rows: good,
            });
        }
        notes
    }

    /// Bytes of the files read so far, including read-ahead; of a compressed file, compressed bytes; of
    /// Parquet, the size of the file times the share of its rows read so far.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.bytes_before + self.rows.bytes_read()
    }

    /// Size of the files in bytes, the end of [`Self::bytes_read`]; `None` for standard input and pipes.
    #[must_use]
    pub fn total_bytes(&self) -> Option<u64> {
        self.total_bytes
    }

    /// The next row, or `None` for one that is skipped because it has no text.
    fn row(&mut self, values: Values) -> Result<Option<Row>, RowErrorKind> {
        let Values { line, mut values } = values;
        let selected = self.rows.selected();
        let name = |place: usize| selected.names.get(place).cloned().unwrap_or_default();
        let is_missing = |value: Option<&Option<String>>| {
            value
                .and_then(Option::as_ref)
                .is_none_or(|text| text.trim().is_empty())
        };
        let id = match selected.id {
            Some(place) => {
                let id = values.get_mut(place).and_then(Option::take);
                Some(checked_id(&name(place), id.unwrap_or_default())?)
            }
            None => None,
        };
        let lacks = |place: &usize| is_missing(values.get(*place));
        if let Some(place) = selected.required.iter().find(|place| lacks(place)) {
            return Err(RowErrorKind::MissingField {
                column: name(*place),
            });
        }
        values.truncate(selected.texts);
        if self.options.missing_is_bad
            && let Some(place) = values.iter().position(Option::is_none)
        {
            return Err(RowErrorKind::MissingField {
                column: name(place),
            });
        }
        let counts = &mut self.counts;
        counts.good += 1;
        let mut fields: Vec<String> = values.into_iter().map(Option::unwrap_or_default).collect();
        if self.options.clean_html {
            fields = fields.into_iter().map(html::clean).collect();
        } else {
            counts.html += u64::from(fields.iter().any(|field| html::has_html(field)));
        }
        for (field, missing) in fields.iter().zip(&mut counts.missing) {
            *missing += u64::from(field.trim().is_empty());
        }
        if fields.iter().all(|field| field.trim().is_empty()) {
            counts.empty += 1;
            if self.options.skip_empty_rows {
                return Ok(None);
            }
        }
        Ok(Some(Row {
            file: self.file,
            number: counts.rows,
            line,
            id,
            fields,
        }))
    }

    /// Opens the next file; `false` if there is none.
    fn open_next(&mut self) -> Result<bool, ReadError> {
        if let Some((seen, _)) = self.rows.unseen() {
            self.counts.seen.resize(seen.len(), false);
            for (all, seen) in self.counts.seen.iter_mut().zip(seen) {
                *all |= seen;
            }
        }
        let Some(source) = self.sources.get(self.file + 1) else {
            self.check_seen()?;
            return Ok(false);
        };
        let opened = open_file(source, &self.options, &self.selection, false)?;
        self.file += 1;
        self.bytes_before += self.rows.total_bytes().unwrap_or(0);
        self.notes.extend(self.rows.notes());
        self.rows = opened.rows;
        self.numbering = opened.numbering;
        self.notes.extend(opened.notes);
        Ok(true)
    }

    /// An error if JSON has good rows, but no row has one of the columns.
    fn check_seen(&self) -> Result<(), ReadError> {
        let Some((_, present)) = self.rows.unseen() else {
            return Ok(());
        };
        let unseen = self.counts.seen.iter().position(|seen| !seen);
        let name = unseen.and_then(|place| self.rows.selected().names.get(place));
        match (name, self.sources.last()) {
            (Some(column), Some(file)) if self.counts.good > 0 => Err(ReadError::Columns {
                file: file.clone(),
                source: ColumnErrorKind::Unknown {
                    column: column.clone(),
                    present,
                },
            }),
            _ => Ok(()),
        }
    }

    /// The next row, `None` for a skipped one.
    fn step(&mut self) -> Result<Option<Row>, ReadError> {
        let values = match self.rows.next() {
            Ok(Some(values)) => values,
            Ok(None) => {
                self.ended = !self.open_next()?;
                return Ok(None);
            }
            Err(error) => {
                self.counts.rows += u64::from(error.is_row());
                return Err(error);
            }
        };
        self.counts.rows += 1;
        let line = values.line;
        self.row(values).map_err(|source| ReadError::Row {
            file: self.sources[self.file].clone(),
            numbering: self.numbering,
            line,
            source,
        })
    }
}

fn open_file(
    source: &Source,
    options: &ReaderOptions,
    selection: &Selection,
    only: bool,
) -> Result<Opened, ReadError> {
    let input = Input::open(source, options.encoding)?;
    of_input(input, options, selection, true, only)
}

fn of_input(
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

impl Iterator for RowReader {
    type Item = Result<Row, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.ended {
            match self.step() {
                Ok(Some(row)) => return Some(Ok(row)),
                Ok(None) => {}
                Err(error) if error.is_row() && self.options.skip_bad_rows => {
                    self.counts.bad += 1;
                    self.first_skipped.get_or_insert(error);
                }
                Err(error) => {
                    self.ended = !error.is_row();
                    return Some(Err(error));
                }
            }
        }
        None
    }
}

impl std::iter::FusedIterator for RowReader {}
