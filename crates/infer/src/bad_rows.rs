//! The bad rows that the check of a file finds.

use records::ReadError;

/// How many bad rows are named.
const NAMED_ROWS: usize = 20;

/// The bad rows of a file.
#[derive(Debug, Default)]
pub struct BadRows {
    pub(crate) count: u64,
    first: Vec<ReadError>,
}

impl BadRows {
    /// Adds the next one.
    pub(crate) fn add(&mut self, error: ReadError) {
        self.count += 1;
        if self.first.len() < NAMED_ROWS {
            self.first.push(error);
        }
    }
}

/// The errors of the first rows, one per line, and the number of all.
impl std::fmt::Display for BadRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let (1, [only]) = (self.count, self.first.as_slice()) {
            return only.fmt(f);
        }
        write!(f, "{} bad rows", self.count)?;
        for error in &self.first {
            write!(f, "\n  {error}")?;
        }
        if self.count > NAMED_ROWS as u64 {
            write!(f, "\n  and {} more", self.count - NAMED_ROWS as u64)?;
        }
        Ok(())
    }
}
