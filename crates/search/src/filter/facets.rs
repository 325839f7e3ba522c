//! Counts of a column's values, and the order of rows by a column.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use roaring::RoaringBitmap;

use super::column::{Column, NO_DATE, Values};
use super::value::{Value, fold_case};
use crate::query::FacetCount;

/// By which rows of several segments are ordered: text by [`fold_case`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SortKey {
    /// Of a number, a boolean or a date: in the order of the values.
    Number(u64),
    /// Of a text or a key.
    Text(String),
}

impl From<&Value> for SortKey {
    fn from(value: &Value) -> Self {
        match value {
            Value::Text(text) => Self::Text(fold_case(text)),
            Value::Number(number) => Self::Number(order_of_number(*number)),
            Value::Boolean(boolean) => Self::Number(u64::from(*boolean)),
            Value::Date(seconds) => Self::Number(order_of_date(*seconds)),
        }
    }
}

/// Numbers in the order of finite floating-point numbers; -0 equals 0.
fn order_of_number(number: f64) -> u64 {
    const SIGN: u64 = 1 << 63;
    let bits = (number + 0.0).to_bits();
    if bits & SIGN == 0 { bits | SIGN } else { !bits }
}

fn order_of_date(seconds: i64) -> u64 {
    seconds.cast_unsigned() ^ (1 << 63)
}

impl Column {
    /// By which a row is ordered among the rows of all segments; `None` if it has no value.
    #[must_use]
    pub fn sort_key(&self, row: u32) -> Option<SortKey> {
        self.value(row).as_ref().map(SortKey::from)
    }

    /// The first `k` of the rows in the order of the column: the lowest value first or, `descending`, the highest.
    /// Rows of equal value keep their order, and rows without a value come last either way.
    #[must_use]
    pub fn first_rows(&self, rows: &RoaringBitmap, descending: bool, k: usize) -> Vec<u32> {
        let key = |row: u32| {
            let order = self.order(row);
            // Absent values last, whatever the direction.
            let direction = |order: u64| if descending { !order } else { order };
            (order.is_none(), order.map(direction), row)
        };
        let mut keys: Vec<_> = rows.iter().map(key).collect();
        if k < keys.len() {
            keys.select_nth_unstable(k);
            keys.truncate(k);
        }
        keys.sort_unstable();
        keys.into_iter().map(|(_, _, row)| row).collect()
    }

    /// The place of a row's value among those of this segment.
    fn order(&self, row: u32) -> Option<u64> {
        let row = row as usize;
        match &self.values {
            Values::Texts { dictionary, codes } => {
                dictionary.group(*codes.get(row)?).map(u64::from)
            }
            Values::Numbers(numbers) => {
                let number = *numbers.get(row)?;
                (!number.is_nan()).then(|| order_of_number(number))
            }
            Values::Booleans(booleans) => {
                let boolean = *booleans.get(row)?;
                (boolean <= 1).then(|| u64::from(boolean))
            }
            Values::Dates(dates) => {
                let seconds = *dates.get(row)?;
                (seconds != NO_DATE).then(|| order_of_date(seconds))
            }
        }
    }

    /// Rows of every value among `rows`.
    fn counts(&self, rows: &RoaringBitmap) -> Vec<(Value, usize)> {
        let Values::Texts { dictionary, codes } = &self.values else {
            let mut counts: HashMap<SortKey, (Value, usize)> = HashMap::new();
            for value in rows.iter().filter_map(|row| self.value(row)) {
                counts.entry(SortKey::from(&value)).or_insert((value, 0)).1 += 1;
            }
            return counts.into_values().collect();
        };
        let mut counts = vec![0; dictionary.len()];
        for row in rows {
            let code = codes.get(row as usize).map(|&code| code as usize);
            if let Some(count) = code.and_then(|code| counts.get_mut(code)) {
                *count += 1;
            }
        }
        let counted = (0u32..).zip(counts).filter(|(_, count)| *count > 0);
        counted
            .filter_map(|(code, count)| {
                Some((Value::Text(dictionary.text(code)?.to_owned()), count))
            })
            .collect()
    }
}

/// Counts the values of a column over several segments.
#[derive(Clone, Debug, Default)]
pub struct FacetCounter {
    /// By sort key, the spellings with their rows.
    counts: BTreeMap<SortKey, Vec<(Value, usize)>>,
}

impl FacetCounter {
    /// Of no rows.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts some rows of a segment.
    pub fn add(&mut self, column: &Column, rows: &RoaringBitmap) {
        for (value, count) in column.counts(rows) {
            let spellings = self.counts.entry(SortKey::from(&value)).or_default();
            match spellings
                .iter_mut()
                .find(|(spelling, _)| *spelling == value)
            {
                Some((_, rows)) => *rows += count,
                None => spellings.push((value, count)),
            }
        }
    }

    /// The values with the number of their rows, most frequent first, and of equal counts the lower value. Texts that
    /// differ only in case are one value, in its most frequent spelling.
    #[must_use]
    pub fn finish(self) -> Vec<FacetCount> {
        let mut counts: Vec<FacetCount> = self
            .counts
            .into_values()
            .filter_map(|mut spellings| {
                let rows = spellings.iter().map(|(_, count)| count).sum();
                spellings.sort_by_cached_key(|(spelling, count)| {
                    (Reverse(*count), spelling.to_string())
                });
                let (value, _) = spellings.into_iter().next()?;
                Some(FacetCount { value, rows })
            })
            .collect();
        // Stable: the values are in order already.
        counts.sort_by_key(|count| Reverse(count.rows));
        counts
    }
}
