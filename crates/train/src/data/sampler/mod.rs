//! Which rows form a batch, and in which order the batches come.

mod length;
mod no_duplicates;

use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use self::length::sort_in_pools;
use self::no_duplicates::SharedTexts;
use super::error::DataError;
use super::random::{generator, shuffle};
use super::table::TextTable;

/// How rows are put into batches. Named on the command line and in files as `shuffle`,
/// `no-duplicates` and so on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum SamplerKind {
    /// In the order of the rows, the same in every epoch.
    Sequential,
    /// In random order.
    Shuffle,
    /// In random order, but texts of like length together, so that little is padded.
    ///
    /// The shuffled rows are cut into pools of 50 batches, sorted by their bytes within a pool and
    /// cut into batches, which come in random order again.
    Length,
    /// In random order, and no text twice in a batch, whatever its column: for losses that take
    /// the other rows of a batch as negatives, where a text's double would be a wrong negative.
    ///
    /// As in sentence-transformers' `NoDuplicatesBatchSampler`, a row whose text is already in the
    /// batch waits for a later one. A text that comes in more rows than there are batches makes
    /// additional, smaller batches: at worst, if all rows share it, each row is its own batch.
    /// Within one row a text may come twice.
    NoDuplicates,
    /// Both: texts of like length together, and no text twice in a batch.
    LengthNoDuplicates,
}

impl SamplerKind {
    /// All names, for a message.
    pub(super) fn names() -> String {
        let names: Vec<String> = Self::value_variants()
            .iter()
            .map(ToString::to_string)
            .collect();
        names.join(", ")
    }

    fn is_by_length(self) -> bool {
        matches!(self, Self::Length | Self::LengthNoDuplicates)
    }

    fn is_without_duplicates(self) -> bool {
        matches!(self, Self::NoDuplicates | Self::LengthNoDuplicates)
    }
}

impl fmt::Display for SamplerKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Sequential => "sequential",
            Self::Shuffle => "shuffle",
            Self::Length => "length",
            Self::NoDuplicates => "no-duplicates",
            Self::LengthNoDuplicates => "length-no-duplicates",
        })
    }
}

impl FromStr for SamplerKind {
    type Err = DataError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        <Self as ValueEnum>::from_str(name, true).map_err(|_| DataError::UnknownSampler {
            name: name.to_owned(),
        })
    }
}

/// How a [`Sampler`] makes batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SamplerOptions {
    /// The way it orders and joins rows.
    pub kind: SamplerKind,
    /// Rows in a full batch.
    pub batch_size: NonZeroUsize,
    /// Leaves out the last batch of an epoch if it is not full.
    pub drop_last: bool,
}

/// Makes the batches of every epoch over some rows of a table.
///
/// Every row comes exactly once an epoch, but those that `drop_last` leaves out: always fewer than
/// a batch. Batches that are not full come last.
///
/// The same rows, options, seed and epoch give the same batches on every machine. An epoch takes
/// time for a shuffle, by length for a sort within the pools, without duplicates for a bounded
/// number of look-ups a row. A sampler does not hold the table, only 8 bytes a row, by length 4
/// more, without duplicates 8 more and 8 for each text that other rows have too.
#[derive(Clone, Debug)]
pub struct Sampler {
    options: SamplerOptions,
    rows: Vec<usize>,
    /// Bytes of the texts of each of `rows`; empty unless the batches go by length.
    lengths: Vec<u32>,
    /// By place in `rows`; `None` if texts may come twice.
    shared: Option<SharedTexts>,
}

impl Sampler {
    /// A sampler of `rows`, numbers of rows of `table`.
    ///
    /// # Errors
    ///
    /// [`DataError::NoSuchRow`].
    pub fn new(
        table: &TextTable,
        rows: impl IntoIterator<Item = usize>,
        options: SamplerOptions,
    ) -> Result<Self, DataError> {
        let rows: Vec<usize> = rows.into_iter().collect();
        let len = table.len();
        if let Some(&row) = rows.iter().find(|&&row| row >= len) {
            return Err(DataError::NoSuchRow { row, len });
        }
        let mut lengths = Vec::new();
        if options.kind.is_by_length() {
            let bytes = |&row: &usize| table.row(row).texts().map(str::len).sum::<usize>();
            let bytes = rows.iter().map(bytes);
            lengths.extend(bytes.map(|bytes| u32::try_from(bytes).unwrap_or(u32::MAX)));
        }
        let shared = options
            .kind
            .is_without_duplicates()
            .then(|| SharedTexts::find(table, &rows));
        Ok(Self {
            options,
            rows,
            lengths,
            shared,
        })
    }

    /// The rows that it puts into batches.
    #[must_use]
    pub fn rows(&self) -> &[usize] {
        &self.rows
    }

    /// How it makes batches.
    #[must_use]
    pub fn options(&self) -> SamplerOptions {
        self.options
    }

    /// The number of batches where it is the same in every epoch; `None` where texts that come
    /// more than once decide it, so that [`batches`](Self::batches) must be asked.
    #[must_use]
    pub fn batches_of_every_epoch(&self) -> Option<usize> {
        if self
            .shared
            .as_ref()
            .is_some_and(|shared| !shared.is_empty())
        {
            return None;
        }
        let batch_size = self.options.batch_size.get();
        let full = self.rows.len() / batch_size;
        let left_over = !self.rows.len().is_multiple_of(batch_size);
        Some(full + usize::from(left_over && !self.options.drop_last))
    }

    /// The batches of an epoch, the first being 0: row numbers of the table.
    ///
    /// Without duplicates their number may differ by a few from epoch to epoch.
    #[must_use]
    pub fn batches(&self, seed: u64, epoch: usize) -> Vec<Vec<usize>> {
        let SamplerOptions {
            kind,
            batch_size,
            drop_last,
        } = self.options;
        let batch_size = batch_size.get();
        let mut random = generator(seed, epoch as u64);
        // From here on rows are meant by their places in `self.rows`.
        let mut order: Vec<usize> = (0..self.rows.len()).collect();
        if kind != SamplerKind::Sequential {
            shuffle(&mut order, &mut random);
        }
        if kind.is_by_length() {
            sort_in_pools(&mut order, &self.lengths, batch_size);
        }
        let batches = match &self.shared {
            Some(shared) => shared.first_fit(&order, batch_size).batches,
            None => order.chunks(batch_size).map(<[usize]>::to_vec).collect(),
        };
        let (mut full, mut partial): (Vec<_>, Vec<_>) = batches
            .into_iter()
            .partition(|batch| batch.len() == batch_size);
        if kind.is_by_length() {
            shuffle(&mut full, &mut random);
        }
        if drop_last {
            partial.pop();
        }
        full.append(&mut partial);
        for place in full.iter_mut().flatten() {
            *place = self.rows[*place];
        }
        full
    }
}

#[cfg(test)]
mod tests;
