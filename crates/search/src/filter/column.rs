//! The values of a filter column in a segment.

use std::collections::HashMap;
use std::io::{self, Write};

use super::dictionary::{Dictionary, numbers_of};
use super::error::ColumnError;
use super::value::{ColumnKind, Value};

/// The code of a row without a text.
pub(super) const NO_TEXT: u32 = u32::MAX;

/// The byte of a row without a boolean.
const NO_BOOLEAN: u8 = 2;

/// The seconds of a row without a date.
pub(super) const NO_DATE: i64 = i64::MIN;

/// The values of one filter column, by row.
#[derive(Clone, Debug)]
pub struct Column {
    kind: ColumnKind,
    pub(super) values: Values,
}

#[derive(Clone, Debug)]
pub(super) enum Values {
    Texts {
        dictionary: Dictionary,
        /// By row; [`NO_TEXT`] for none.
        codes: Vec<u32>,
    },
    /// By row; NaN for none.
    Numbers(Vec<f64>),
    /// By row; 0, 1 or [`NO_BOOLEAN`].
    Booleans(Vec<u8>),
    /// By row; [`NO_DATE`] for none.
    Dates(Vec<i64>),
}

impl Column {
    /// What the values are.
    #[must_use]
    pub fn kind(&self) -> ColumnKind {
        self.kind
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.values {
            Values::Texts { codes, .. } => codes.len(),
            Values::Numbers(numbers) => numbers.len(),
            Values::Booleans(booleans) => booleans.len(),
            Values::Dates(dates) => dates.len(),
        }
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of a row; `None` if it has none, or if there is no such row.
    #[must_use]
    pub fn value(&self, row: u32) -> Option<Value> {
        let row = row as usize;
        match &self.values {
            Values::Texts { dictionary, codes } => {
                let text = dictionary.text(*codes.get(row)?)?;
                Some(Value::Text(text.to_owned()))
            }
            Values::Numbers(numbers) => {
                let number = *numbers.get(row)?;
                (!number.is_nan()).then_some(Value::Number(number))
            }
            Values::Booleans(booleans) => match *booleans.get(row)? {
                NO_BOOLEAN => None,
                boolean => Some(Value::Boolean(boolean == 1)),
            },
            Values::Dates(dates) => {
                let seconds = *dates.get(row)?;
                (seconds != NO_DATE).then_some(Value::Date(seconds))
            }
        }
    }

    /// Writes the column: its kind and the number of rows (32 bits each), then by kind
    ///
    /// - a text or a key: a 32-bit code per row (the highest number: no value), the number of different texts, for each
    ///   its end and its group (32 bits each), and the texts in UTF-8, one behind the other;
    /// - a number: 64 bits per row (NaN: no value);
    /// - a boolean: a byte per row (2: no value);
    /// - a date: 64 bits per row (the lowest number: no value).
    ///
    /// All numbers are little endian.
    ///
    /// # Errors
    ///
    /// Those of `to`.
    pub fn write(&self, to: &mut impl Write) -> io::Result<()> {
        to.write_all(&code_of(self.kind).to_le_bytes())?;
        // `ColumnBuilder` takes no more rows than fit.
        to.write_all(&(self.len() as u32).to_le_bytes())?;
        match &self.values {
            Values::Texts { dictionary, codes } => {
                for code in codes {
                    to.write_all(&code.to_le_bytes())?;
                }
                dictionary.write(to)
            }
            Values::Numbers(numbers) => numbers
                .iter()
                .try_for_each(|number| to.write_all(&number.to_le_bytes())),
            Values::Booleans(booleans) => to.write_all(booleans),
            Values::Dates(dates) => dates
                .iter()
                .try_for_each(|seconds| to.write_all(&seconds.to_le_bytes())),
        }
    }

    /// Reads what [`write`](Self::write) wrote, for a column of that kind and that many rows.
    ///
    /// # Errors
    ///
    /// [`ColumnError`] if the bytes are not such a column.
    pub fn read(bytes: &[u8], kind: ColumnKind, rows: usize) -> Result<Self, ColumnError> {
        const HEADER: ColumnError = ColumnError::Damaged {
            part: "first bytes",
        };
        let (found_kind, rest) = bytes.split_first_chunk().ok_or(HEADER)?;
        let (found_rows, data) = rest.split_first_chunk().ok_or(HEADER)?;
        let found_kind = kind_of(u32::from_le_bytes(*found_kind)).ok_or(HEADER)?;
        let found_rows = u32::from_le_bytes(*found_rows) as usize;
        if found_kind != kind || found_rows != rows {
            return Err(ColumnError::Other {
                rows: found_rows,
                found: found_kind.name(),
                expected_rows: rows,
                expected: kind.name(),
            });
        }
        let values = match kind {
            ColumnKind::Text | ColumnKind::Key => read_texts(data, rows),
            ColumnKind::Number => read_numbers(data, rows),
            ColumnKind::Boolean => read_booleans(data, rows),
            ColumnKind::Date => read_dates(data, rows),
        };
        let values = values?;
        Ok(Self { kind, values })
    }
}

fn code_of(kind: ColumnKind) -> u32 {
    match kind {
        ColumnKind::Text => 0,
        ColumnKind::Number => 1,
        ColumnKind::Boolean => 2,
        ColumnKind::Date => 3,
        ColumnKind::Key => 4,
    }
}

fn kind_of(code: u32) -> Option<ColumnKind> {
    ColumnKind::ALL
        .into_iter()
        .find(|kind| code_of(*kind) == code)
}

fn read_texts(data: &[u8], rows: usize) -> Result<Values, ColumnError> {
    const DAMAGED: ColumnError = ColumnError::Damaged { part: "codes" };
    let size = rows.checked_mul(4).ok_or(DAMAGED)?;
    let (codes, dictionary) = data.split_at_checked(size).ok_or(DAMAGED)?;
    let dictionary = Dictionary::read(dictionary)?;
    let codes = numbers_of(codes);
    let known = |&code: &u32| code == NO_TEXT || (code as usize) < dictionary.len();
    if !codes.iter().all(known) {
        return Err(DAMAGED);
    }
    Ok(Values::Texts { dictionary, codes })
}

fn read_numbers(data: &[u8], rows: usize) -> Result<Values, ColumnError> {
    let numbers: Vec<f64> = words_of(data, rows)?.map(f64::from_le_bytes).collect();
    if numbers.iter().any(|number| number.is_infinite()) {
        return Err(ColumnError::Damaged { part: "numbers" });
    }
    Ok(Values::Numbers(numbers))
}

fn read_booleans(data: &[u8], rows: usize) -> Result<Values, ColumnError> {
    if data.len() != rows || data.iter().any(|&boolean| boolean > NO_BOOLEAN) {
        return Err(ColumnError::Damaged { part: "booleans" });
    }
    Ok(Values::Booleans(data.to_vec()))
}

fn read_dates(data: &[u8], rows: usize) -> Result<Values, ColumnError> {
    Ok(Values::Dates(
        words_of(data, rows)?.map(i64::from_le_bytes).collect(),
    ))
}

/// Exactly as many groups of 8 bytes as there are rows.
fn words_of(data: &[u8], rows: usize) -> Result<impl Iterator<Item = [u8; 8]> + '_, ColumnError> {
    let (words, rest) = data.as_chunks();
    if !rest.is_empty() || words.len() != rows {
        return Err(ColumnError::Damaged { part: "values" });
    }
    Ok(words.iter().copied())
}

/// Collects the values of a column, row by row.
#[derive(Clone, Debug)]
pub struct ColumnBuilder {
    kind: ColumnKind,
    /// With a code each, in the order of their first rows.
    texts: HashMap<String, u32>,
    text_bytes: usize,
    values: Values,
}

impl ColumnBuilder {
    /// Of no rows.
    #[must_use]
    pub fn new(kind: ColumnKind) -> Self {
        let values = match kind {
            ColumnKind::Text | ColumnKind::Key => Values::Texts {
                dictionary: Dictionary::default(),
                codes: Vec::new(),
            },
            ColumnKind::Number => Values::Numbers(Vec::new()),
            ColumnKind::Boolean => Values::Booleans(Vec::new()),
            ColumnKind::Date => Values::Dates(Vec::new()),
        };
        Self {
            kind,
            texts: HashMap::new(),
            text_bytes: 0,
            values,
        }
    }

    /// Number of rows so far.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.values {
            Values::Texts { codes, .. } => codes.len(),
            Values::Numbers(numbers) => numbers.len(),
            Values::Booleans(booleans) => booleans.len(),
            Values::Dates(dates) => dates.len(),
        }
    }

    /// Whether there are no rows yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a row.
    ///
    /// # Errors
    ///
    /// [`ColumnError::Value`] if the value does not [fit](Value::fits); [`ColumnError::TooLarge`] if the column is full.
    /// The row is not added then.
    pub fn push(&mut self, value: Option<Value>) -> Result<(), ColumnError> {
        let row = self.len();
        if row >= NO_TEXT as usize {
            return Err(ColumnError::TooLarge { row });
        }
        match (&mut self.values, value) {
            (Values::Texts { codes, .. }, Some(Value::Text(text))) => {
                // Below the number of rows, which fits.
                let next = self.texts.len() as u32;
                let code = match self.texts.get(&text) {
                    Some(&code) => code,
                    None => {
                        let bytes = self.text_bytes + text.len();
                        if u32::try_from(bytes).is_err() {
                            return Err(ColumnError::TooLarge { row });
                        }
                        self.text_bytes = bytes;
                        self.texts.insert(text, next);
                        next
                    }
                };
                codes.push(code);
            }
            (Values::Texts { codes, .. }, None) => codes.push(NO_TEXT),
            (Values::Numbers(numbers), Some(Value::Number(number))) if number.is_finite() => {
                numbers.push(number);
            }
            (Values::Numbers(numbers), None) => numbers.push(f64::NAN),
            (Values::Booleans(booleans), Some(Value::Boolean(boolean))) => {
                booleans.push(u8::from(boolean));
            }
            (Values::Booleans(booleans), None) => booleans.push(NO_BOOLEAN),
            (Values::Dates(dates), Some(Value::Date(seconds))) if seconds != NO_DATE => {
                dates.push(seconds);
            }
            (Values::Dates(dates), None) => dates.push(NO_DATE),
            (_, Some(_)) => {
                return Err(ColumnError::Value {
                    row,
                    kind: self.kind,
                });
            }
        }
        Ok(())
    }

    /// The column of all rows.
    #[must_use]
    pub fn finish(self) -> Column {
        let values = match self.values {
            Values::Texts { mut codes, .. } => {
                // `push` took no more texts than fit.
                let (dictionary, final_codes) = Dictionary::of(self.texts).unwrap_or_default();
                for code in codes.iter_mut().filter(|code| **code != NO_TEXT) {
                    *code = final_codes.get(*code as usize).copied().unwrap_or(NO_TEXT);
                }
                Values::Texts { dictionary, codes }
            }
            values => values,
        };
        Column {
            kind: self.kind,
            values,
        }
    }
}
