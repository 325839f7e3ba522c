//! A part of the rows, for one of several runs that share the work.

use std::fmt;
use std::str::FromStr;

/// Every `of`-th row of all files, beginning with row `number`: `3/16` is the third of 16 parts, with the rows 3, 19, 35
/// and so on. Each row is in one part, and the parts of a file differ by one row at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// From 1.
    number: u64,
    /// The number of parts.
    of: u64,
}

impl Shard {
    /// Whether the part has the row with this number, from 1.
    pub(crate) fn has(self, row: u64) -> bool {
        row % self.of == self.number % self.of
    }
}

/// A text that is no shard.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a shard: give its number and that of all shards, such as 3/16")]
pub struct UnknownShard(pub String);

impl FromStr for Shard {
    type Err = UnknownShard;

    fn from_str(text: &str) -> Result<Self, UnknownShard> {
        let parts = text.split_once('/');
        let parts = parts.and_then(|(number, of)| Some((number.parse().ok()?, of.parse().ok()?)));
        match parts {
            Some((number, of)) if (1..=of).contains(&number) => Ok(Self { number, of }),
            _ => Err(UnknownShard(text.to_owned())),
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_in_one_shard() {
        for of in [1, 2, 3, 16] {
            let shards: Vec<Shard> = (1..=of)
                .map(|number| format!("{number}/{of}").parse().unwrap())
                .collect();
            for row in 1..100 {
                let having: Vec<usize> = (0..shards.len())
                    .filter(|&at| shards[at].has(row))
                    .collect();
                assert_eq!(
                    having,
                    [((row - 1) % of) as usize],
                    "row {row} of {of} shards"
                );
            }
        }
    }

    #[test]
    fn shards_are_read_and_written() {
        assert_eq!("3/16".parse::<Shard>().unwrap().to_string(), "3/16");
        for text in [
            "", "3", "0/4", "5/4", "1/0", "-1/4", "a/b", "1/2/3", "1 / 2",
        ] {
            let error = text.parse::<Shard>().unwrap_err().to_string();
            assert!(error.contains(&format!("`{text}`")), "{error}");
        }
    }
}
