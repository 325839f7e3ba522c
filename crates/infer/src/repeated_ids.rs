//! Ids that several rows have.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use program::Console;
use program::text::quoted;
use records::Row;

/// Looks for ids that several rows have. It keeps a hash per id, not the ids.
#[derive(Debug, Default)]
pub(crate) struct RepeatedIds {
    hasher: RandomState,
    /// The first line of each id.
    lines: HashMap<u64, u64>,
    repeated: u64,
    first: Option<(String, [u64; 2])>,
}

impl RepeatedIds {
    /// Adds the next row.
    pub(crate) fn add(&mut self, row: &Row) {
        let Some(id) = row.id.as_deref() else { return };
        let line = *self
            .lines
            .entry(self.hasher.hash_one(id))
            .or_insert(row.line);
        if line != row.line {
            self.repeated += 1;
            self.first
                .get_or_insert_with(|| (id.to_owned(), [line, row.line]));
        }
    }

    /// Notes how many rows have an id that an earlier row has, and names the first.
    pub(crate) fn note(&self, console: Console) {
        if let Some((id, [line, again])) = &self.first {
            let rows = if self.repeated == 1 {
                "row has"
            } else {
                "rows have"
            };
            console.note(format_args!(
                "note: {} {rows} an id that an earlier row has: `{}` is the id of lines {line} and {again}",
                self.repeated,
                quoted(id)
            ));
        }
    }
}
