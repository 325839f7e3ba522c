//! Batches of rows, and their order.

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

/// How rows form batches; on the command line and in files `shuffle`, `no-duplicates` and so on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum SamplerKind {
    /// In the order of the rows, the same in every epoch
    Sequential,
    /// In random order
    Shuffle,
    /// In random order, with rows of similar length together to limit padding
    ///
    /// The shuffled rows are cut into pools of 50 batches. Each pool is sorted by the bytes of its rows
    /// and cut into batches, which are shuffled again.
    Length,
    /// In random order, without a text twice in a batch, in any column: for losses with in-batch
    /// negatives, for which a repeated text would be a wrong negative
    ///
    /// As in sentence-transformers' `NoDuplicatesBatchSampler`, a row whose text is already in the
    /// batch waits for a later one. A text of more rows than there are batches makes additional,
    /// smaller batches: if all rows share it, each row is its own batch. A text may be repeated within
    /// one row.
    NoDuplicates,
    /// Both: rows of similar length together, without a text twice in a batch
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

/// Options of a [`Sampler`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SamplerOptions {
    /// How rows form batches.
    pub kind: SamplerKind,
    /// Rows per full batch.
    pub batch_size: NonZeroUsize,
    /// Drops the last batch of an epoch if it is incomplete. Without duplicates an epoch may have
    /// further incomplete batches, which stay.
    pub drop_last: bool,
}

/// Makes the batches of every epoch over some rows of a table.
///
/// Every row is in exactly one batch of an epoch, except those that `drop_last` drops, which are fewer
/// than a batch. Incomplete batches come last.
///
/// The same rows, options, seed and epoch give the same batches on every machine. An epoch shuffles the
/// rows, sorts them within pools (by length), and makes a bounded number of look-ups per row (without
/// duplicates). A sampler does not hold the table. It takes 8 bytes per row, 4 more by length, 8 more
/// without duplicates, and 8 per text that other rows share.
#[derive(Clone, Debug)]
pub struct Sampler {
    options: SamplerOptions,
    rows: Vec<usize>,
    /// Bytes of the texts of each of `rows`; empty unless batches are by length.
    lengths: Vec<u32>,
    /// Shared texts by position in `rows`; `None` if batches may repeat texts.
    shared: Option<SharedTexts>,
}

impl Sampler {
    /// A sampler of `rows`, row numbers of `table`.
    ///
    /// # Errors
    ///
    /// [`DataError::NoSuchRow`] if a number is not below that of the rows.
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

    /// The rows of the sampler.
    #[must_use]
    pub fn rows(&self) -> &[usize] {
        &self.rows
    }

    /// The options of the sampler.
    #[must_use]
    pub fn options(&self) -> SamplerOptions {
        self.options
    }

    /// Number of batches per epoch if it is constant; `None` if it depends on the order of repeated
    /// texts, so that only [`batches`](Self::batches) tells.
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

    /// The batches of an epoch (from 0), as row numbers of the table.
    ///
    /// Without duplicates their number may differ slightly between epochs.
    #[must_use]
    pub fn batches(&self, seed: u64, epoch: usize) -> Vec<Vec<usize>> {
        let SamplerOptions {
            kind,
            batch_size,
            drop_last,
        } = self.options;
        let batch_size = batch_size.get();
        let mut random = generator(seed, epoch as u64);
        // From this point rows are positions in `self.rows`.
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
