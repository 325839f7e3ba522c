//! JSON: one object per line, an array of objects, or one object after another.

mod object;
mod stream;
mod value;

use std::collections::VecDeque;

pub use self::object::JsonObject;
use self::stream::Stream;
pub(crate) use self::value::replace_numbers;
use self::value::{add_kinds, array_of_objects, has, values_of};
use crate::columns::{Choice, Kind, Selected, Selection, names_of};
use crate::error::{ColumnErrorKind, ReadError, RowErrorKind};
use crate::input::{Input, Line};
use crate::notes::Note;
use crate::row_source::{RowSource, Values};

/// How far the reader looks ahead for named columns that the first rows lack.
const NAMED_AHEAD_BYTES: usize = 8 << 20;

/// How far it looks for the columns there are.
const COLUMNS_AHEAD_BYTES: usize = 1 << 20;

pub(crate) struct JsonRows {
    input: Input,
    layout: Layout,
    selected: Selected,
    /// Which columns any row had.
    seen: Vec<bool>,
    /// The keys of the first rows.
    keys: Vec<(String, Kind)>,
    /// Rows that were looked at.
    ahead: VecDeque<RawRow>,
    keep_objects: bool,
    /// The last row.
    object: Option<JsonObject>,
    notes: Vec<Note>,
}

/// How rows are separated.
enum Layout {
    Lines,
    Stream(Stream),
}

/// The bytes of a row, or why it has none.
struct RawRow {
    line: u64,
    offset: u64,
    /// The bytes as the file has them, if they are kept.
    original: Option<Vec<u8>>,
    json: Result<Vec<u8>, RowErrorKind>,
}

impl JsonRows {
    /// Looks ahead to determine the columns. `only` says that no other file has rows.
    pub(crate) fn open(
        input: Input,
        lines: bool,
        selection: &Selection,
        only: bool,
    ) -> Result<Self, ReadError> {
        let layout = if lines {
            Layout::Lines
        } else {
            Layout::Stream(Stream::default())
        };
        let mut rows = Self {
            input,
            layout,
            selected: Selected::default(),
            seen: Vec::new(),
            keys: Vec::new(),
            ahead: VecDeque::new(),
            keep_objects: selection.keep_objects,
            object: None,
            notes: Vec::new(),
        };
        rows.look_ahead(selection, only)?;
        Ok(rows)
    }

    fn look_ahead(&mut self, selection: &Selection, only: bool) -> Result<(), ReadError> {
        let mut sought: Vec<&str> = selection.named().collect();
        let wants_keys = !matches!(selection.choice, Choice::Named(_));
        let mut bytes = 0;
        let mut good = 0;
        let ended = loop {
            let strict = selection.missing_is_bad && good > 0;
            let found = sought.is_empty() && (!wants_keys || bytes >= COLUMNS_AHEAD_BYTES);
            if strict || found || bytes >= NAMED_AHEAD_BYTES {
                break false;
            }
            let Some(raw) = self.next_raw()? else {
                break true;
            };
            if let Ok(json) = &raw.json {
                bytes += json.len();
                let json = String::from_utf8_lossy(json);
                if add_kinds(&json, &mut self.keys).is_ok() {
                    good += 1;
                    sought.retain(|column| !has(&json, column));
                }
            }
            self.ahead.push_back(raw);
        };
        if good > 0
            && (selection.missing_is_bad || (ended && only))
            && let Some(column) = sought.first()
        {
            let problem = ColumnErrorKind::Unknown {
                column: (*column).to_owned(),
                present: names_of(&self.keys),
            };
            return Err(self.column_error(problem));
        }
        // Without a row there are no columns, and none to choose.
        if good > 0 || !wants_keys {
            let selected = selection.among(&self.keys);
            self.selected = selected.map_err(|problem| self.column_error(problem))?;
        }
        self.seen = vec![false; self.selected.names.len()];
        self.check_inner_rows()
    }

    /// The error of a column. The rows that a single object lacks may be in an array within it.
    fn column_error(&self, problem: ColumnErrorKind) -> ReadError {
        self.input.column_error(match self.array_in_only_row(None) {
            Some(array) => ColumnErrorKind::BesideArray {
                problem: Box::new(problem),
                array,
            },
            None => problem,
        })
    }

    /// A column within an array of objects joins all of them to one text. In a file of a single object
    /// they may be the rows; if it has nothing else, they are.
    fn check_inner_rows(&mut self) -> Result<(), ReadError> {
        let texts = self.selected.names.iter().take(self.selected.texts);
        let mut arrays = texts.filter_map(|column| self.array_in_only_row(Some(column)));
        let Some(array) = arrays.next() else {
            return Ok(());
        };
        // Is it the only row?
        if let Some(raw) = self.next_raw()? {
            self.ahead.push_back(raw);
            return Ok(());
        }
        if self.keys.len() == 1 {
            let problem = ColumnErrorKind::OnlyAnArray { array };
            return Err(self.input.column_error(problem));
        }
        self.notes.push(Note::InnerRows {
            file: self.input.file.clone(),
            array,
        });
        Ok(())
    }

    /// The array of objects in the only row so far.
    fn array_in_only_row(&self, column: Option<&str>) -> Option<String> {
        let json = match self.ahead.front()?.json.as_ref() {
            Ok(json) if self.ahead.len() == 1 => json,
            _ => return None,
        };
        array_of_objects(json, column, 0)
    }

    fn next_raw(&mut self) -> Result<Option<RawRow>, ReadError> {
        let mut raw = match &mut self.layout {
            Layout::Lines => self.next_line()?,
            Layout::Stream(stream) => stream.next(&mut self.input)?,
        };
        if let Some(RawRow {
            json: Ok(json),
            original,
            ..
        }) = &mut raw
        {
            *original = self.keep_objects.then(|| json.clone());
            replace_numbers(json);
        }
        Ok(raw)
    }

    /// The next line that is not blank.
    fn next_line(&mut self) -> Result<Option<RawRow>, ReadError> {
        loop {
            let line = self.input.next_line_number();
            let offset = self.input.offset();
            let mut json = Vec::new();
            let json = match self.input.read_line(&mut json)? {
                Line::End => return Ok(None),
                Line::TooLong => Err(self.input.too_long()),
                Line::Whole if json.trim_ascii().is_empty() => continue,
                Line::Whole => Ok(json),
            };
            return Ok(Some(RawRow {
                line,
                offset,
                original: None,
                json,
            }));
        }
    }

    fn values(&mut self, raw: RawRow) -> Result<Vec<Option<String>>, RowErrorKind> {
        let json = raw.json?;
        let names = &self.selected.names;
        let values = values_of(&json, names, &mut self.seen).map_err(|problem| {
            // Only keys and chosen values must be UTF-8.
            let lossy = String::from_utf8_lossy(&json);
            let mut is_json = || values_of(lossy.as_bytes(), names, &mut self.seen).is_ok();
            if str::from_utf8(&json).is_err() && is_json() {
                self.input.not_utf8(&json, raw.offset)
            } else {
                problem
            }
        })?;
        self.object = match raw.original {
            Some(original) => {
                let text = str::from_utf8(&original);
                let text = text.map_err(|_| self.input.not_utf8(&original, raw.offset))?;
                Some(JsonObject::new(text, &json)?)
            }
            None => None,
        };
        Ok(values)
    }
}

impl RowSource for JsonRows {
    fn selected(&self) -> &Selected {
        &self.selected
    }

    fn next(&mut self) -> Result<Option<Values>, ReadError> {
        let raw = match self.ahead.pop_front() {
            Some(raw) => raw,
            None => match self.next_raw()? {
                Some(raw) => raw,
                None => return Ok(None),
            },
        };
        let line = raw.line;
        self.values(raw)
            .map(|values| Some(Values { line, values }))
            .map_err(|problem| self.input.row_error(line, problem))
    }

    fn take_object(&mut self) -> Option<JsonObject> {
        self.object.take()
    }

    fn unseen(&self) -> Option<(Vec<bool>, Vec<String>)> {
        Some((self.seen.clone(), names_of(&self.keys)))
    }

    fn notes(&self) -> Vec<Note> {
        self.notes.clone()
    }

    fn bytes_read(&self) -> u64 {
        self.input.bytes_read()
    }

    fn total_bytes(&self) -> Option<u64> {
        self.input.total_bytes()
    }
}
