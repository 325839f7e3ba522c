//! The rows that fulfil a filter.

use std::cmp::Ordering;
use std::ops::Range;

use roaring::RoaringBitmap;

use super::column::{Column, NO_DATE, NO_TEXT, Values};
use super::condition::{Comparison, Filter};
use super::error::FilterError;
use super::value::Value;

impl Filter {
    /// The rows below `rows` that fulfil the filter, of the named columns of a segment.
    ///
    /// # Errors
    ///
    /// [`FilterError::NoColumn`] or [`FilterError::Kind`] if the filter was read for other columns.
    pub fn rows(
        &self,
        columns: &[(&str, &Column)],
        rows: u32,
    ) -> Result<RoaringBitmap, FilterError> {
        match self {
            Self::Compare {
                column: name,
                comparison,
                value,
            } => {
                let column = find(columns, name)?;
                check_kind(name, column, value)?;
                Ok(column.compared(*comparison, value))
            }
            Self::In {
                column: name,
                values,
            } => {
                let column = find(columns, name)?;
                for value in values {
                    check_kind(name, column, value)?;
                }
                Ok(column.one_of(values))
            }
            Self::IsMissing { column } => Ok(find(columns, column)?.missing()),
            Self::And(parts) => {
                let mut kept = all(rows);
                for part in parts {
                    kept &= part.rows(columns, rows)?;
                }
                Ok(kept)
            }
            Self::Or(parts) => {
                let mut kept = RoaringBitmap::new();
                for part in parts {
                    kept |= part.rows(columns, rows)?;
                }
                Ok(kept)
            }
            Self::Not(inner) => Ok(all(rows) - inner.rows(columns, rows)?),
        }
    }
}

fn all(rows: u32) -> RoaringBitmap {
    let mut all = RoaringBitmap::new();
    all.insert_range(0..rows);
    all
}

fn find<'a>(columns: &[(&str, &'a Column)], name: &str) -> Result<&'a Column, FilterError> {
    let found = columns.iter().find(|(column, _)| *column == name);
    found
        .map(|(_, column)| *column)
        .ok_or_else(|| FilterError::NoColumn {
            column: name.to_owned(),
            columns: columns.iter().map(|(name, _)| (*name).to_owned()).collect(),
        })
}

fn check_kind(name: &str, column: &Column, value: &Value) -> Result<(), FilterError> {
    if value.fits(column.kind()) {
        return Ok(());
    }
    Err(FilterError::Kind {
        column: name.to_owned(),
        kind: column.kind(),
    })
}

impl Column {
    /// The rows whose text equals a text but for case and white space around it: none unless the column holds texts.
    #[must_use]
    pub fn rows_with_text(&self, text: &str) -> RoaringBitmap {
        match &self.values {
            Values::Texts { dictionary, codes } => rows_in(codes, dictionary.equal(text)),
            _ => RoaringBitmap::new(),
        }
    }

    fn compared(&self, comparison: Comparison, value: &Value) -> RoaringBitmap {
        match (&self.values, value) {
            (Values::Texts { dictionary, codes }, Value::Text(text)) => {
                let Range { start, end } = dictionary.equal(text);
                let last = dictionary.len() as u32;
                match comparison {
                    Comparison::Equal => rows_in(codes, start..end),
                    Comparison::NotEqual => rows_in(codes, 0..start) | rows_in(codes, end..last),
                    Comparison::Less => rows_in(codes, 0..start),
                    Comparison::LessOrEqual => rows_in(codes, 0..end),
                    Comparison::Greater => rows_in(codes, end..last),
                    Comparison::GreaterOrEqual => rows_in(codes, start..last),
                }
            }
            // NaN, which stands for no value, has no order.
            (Values::Numbers(numbers), Value::Number(than)) => rows_where(numbers, |number| {
                number
                    .partial_cmp(than)
                    .is_some_and(|order| keeps(comparison, order))
            }),
            (Values::Booleans(booleans), Value::Boolean(than)) => {
                let than = u8::from(*than);
                rows_where(booleans, |&boolean| {
                    boolean <= 1 && keeps(comparison, boolean.cmp(&than))
                })
            }
            (Values::Dates(dates), Value::Date(than)) => rows_where(dates, |&seconds| {
                seconds != NO_DATE && keeps(comparison, seconds.cmp(than))
            }),
            _ => RoaringBitmap::new(),
        }
    }

    fn one_of(&self, values: &[Value]) -> RoaringBitmap {
        match &self.values {
            Values::Texts { dictionary, codes } => {
                let mut wanted = vec![false; dictionary.len()];
                for value in values {
                    if let Value::Text(text) = value {
                        let range = dictionary.equal(text);
                        wanted[range.start as usize..range.end as usize].fill(true);
                    }
                }
                rows_where(codes, |&code| {
                    wanted.get(code as usize).is_some_and(|&wanted| wanted)
                })
            }
            Values::Numbers(numbers) => {
                let mut wanted: Vec<f64> = values
                    .iter()
                    .filter_map(|value| match value {
                        Value::Number(number) => Some(*number + 0.0),
                        _ => None,
                    })
                    .collect();
                wanted.sort_unstable_by(f64::total_cmp);
                // Adding 0 turns -0 into 0, which is its equal.
                rows_where(numbers, |number| {
                    wanted
                        .binary_search_by(|other| other.total_cmp(&(*number + 0.0)))
                        .is_ok()
                })
            }
            Values::Booleans(_) | Values::Dates(_) => values
                .iter()
                .map(|value| self.compared(Comparison::Equal, value))
                .fold(RoaringBitmap::new(), |all, rows| all | rows),
        }
    }

    fn missing(&self) -> RoaringBitmap {
        match &self.values {
            Values::Texts { codes, .. } => rows_where(codes, |&code| code == NO_TEXT),
            Values::Numbers(numbers) => rows_where(numbers, |number| number.is_nan()),
            Values::Booleans(booleans) => rows_where(booleans, |&boolean| boolean > 1),
            Values::Dates(dates) => rows_where(dates, |&seconds| seconds == NO_DATE),
        }
    }
}

fn keeps(comparison: Comparison, order: Ordering) -> bool {
    match comparison {
        Comparison::Equal => order.is_eq(),
        Comparison::NotEqual => order.is_ne(),
        Comparison::Less => order.is_lt(),
        Comparison::LessOrEqual => order.is_le(),
        Comparison::Greater => order.is_gt(),
        Comparison::GreaterOrEqual => order.is_ge(),
    }
}

fn rows_in(codes: &[u32], range: Range<u32>) -> RoaringBitmap {
    if range.is_empty() {
        return RoaringBitmap::new();
    }
    rows_where(codes, |code| range.contains(code))
}

fn rows_where<T>(values: &[T], keep: impl Fn(&T) -> bool) -> RoaringBitmap {
    (0u32..)
        .zip(values)
        .filter(|(_, value)| keep(value))
        .map(|(row, _)| row)
        .collect()
}
