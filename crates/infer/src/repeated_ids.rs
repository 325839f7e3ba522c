//! Ids that several rows have.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};

use program::Console;
use program::text::{count, quoted};
use records::Row;

/// Looks for ids that several rows have. It keeps a hash per id, not the ids.
#[derive(Debug, Default)]
pub(crate) struct RepeatedIds {
    hasher: RandomState,
    /// Number and line of the first row with each id.
    places: HashMap<u64, [u64; 2]>,
    repeated: u64,
    first: Option<(String, Places)>,
}

/// Two rows: the numbers among all rows, and the lines in their files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Places {
    numbers: [u64; 2],
    lines: [u64; 2],
}

impl Places {
    /// The places of two rows.
    pub(crate) fn of(first: &Row, second: &Row) -> Self {
        Self {
            numbers: [first.number, second.number],
            lines: [first.line, second.line],
        }
    }
}

impl fmt::Display for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ([first, second], [line, again]) = (self.numbers, self.lines);
        write!(f, "rows {first} and {second} (lines {line} and {again})")
    }
}

impl RepeatedIds {
    /// Adds the next row.
    pub(crate) fn add(&mut self, row: &Row) {
        let Some(id) = row.id.as_deref() else { return };
        let hash = self.hasher.hash_one(id);
        let [number, line] = *self.places.entry(hash).or_insert([row.number, row.line]);
        if number != row.number {
            self.repeated += 1;
            let places = Places {
                numbers: [number, row.number],
                lines: [line, row.line],
            };
            self.first.get_or_insert_with(|| (id.to_owned(), places));
        }
    }

    /// Notes how many rows have an id that an earlier row has, and names the first.
    pub(crate) fn note(&self, console: Console) {
        if let Some((id, places)) = &self.first {
            console.note(format_args!(
                "note: {} with an id that an earlier row has: `{}` is that of {places}",
                count(self.repeated as usize, "row"),
                quoted(id)
            ));
        }
    }
}
