//! Batches of rows, and their order.

mod epoch_rows;
mod length;
mod no_duplicates;

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use clap::ValueEnum;
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::Serialize;

pub(crate) use self::epoch_rows::EpochRows;
use self::length::sort_in_pools;
use self::no_duplicates::SharedTexts;
use super::random::{generator, shuffle};
use super::table::TextTable;

/// How rows form batches; on the command line and in files `shuffle`, `no-duplicates` and so on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SamplerKind {
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
    /// batch waits for a later one. Texts that differ only in case or white space are equal. Rows whose
    /// text is in every batch wait for the next epoch, and come first there; then all batches hold about
    /// the same number of rows, which is less than a full batch. A text may be repeated within one row.
    NoDuplicates,
    /// Both: rows of similar length together, without a text twice in a batch
    LengthNoDuplicates,
}

impl SamplerKind {
    fn is_by_length(self) -> bool {
        matches!(self, Self::Length | Self::LengthNoDuplicates)
    }

    fn is_without_duplicates(self) -> bool {
        matches!(self, Self::NoDuplicates | Self::LengthNoDuplicates)
    }
}

/// Options of a [`Sampler`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SamplerOptions {
    /// How rows form batches.
    pub kind: SamplerKind,
    /// Rows per full batch.
    pub batch_size: NonZeroUsize,
    /// Drops every batch that is not full. Without duplicates its rows come first in the next epoch.
    pub drop_last: bool,
}

/// Makes the batches of every epoch over some rows of a table.
///
/// An epoch has `rows / batch size` batches, rounded up, or fewer if `drop_last` drops some. A row is in
/// at most one batch of an epoch, and in exactly one unless `drop_last` drops it or, without duplicates,
/// it waits for the next epoch. Incomplete batches come last, unless rows wait.
///
/// The same rows, options, seed and epoch give the same batches on every machine. An epoch shuffles the
/// rows, sorts them within pools (by length), and makes a bounded number of look-ups per row (without
/// duplicates). If rows wait, the batches of an epoch depend on those before, which are then made, too;
/// the sampler remembers the last epoch. It does not hold the table. It takes 8 bytes per row, 4 more by
/// length, 8 more without duplicates, and 8 per text that other rows share and per waiting row.
#[derive(Clone, Debug)]
pub(crate) struct Sampler {
    options: SamplerOptions,
    rows: EpochRows,
    /// Bytes of the texts of each of `rows`; empty unless batches are by length.
    lengths: Vec<u32>,
    /// Shared texts by position in `rows`; `None` if batches may repeat texts, or no text is shared.
    shared: Option<SharedTexts>,
    /// The start of the last epoch that was made.
    last: Arc<Mutex<EpochStart>>,
}

/// What the batches of an epoch depend on.
#[derive(Clone, Debug, Default)]
struct EpochStart {
    seed: u64,
    epoch: usize,
    /// Positions in the rows of the sampler that wait since the epoch before, first come first.
    waiting: Vec<usize>,
}

impl Sampler {
    /// A sampler of `rows`, row numbers of `table`.
    ///
    /// # Panics
    ///
    /// If a number is not below that of the rows of the table.
    pub(crate) fn new(
        table: &TextTable,
        rows: impl Into<EpochRows>,
        options: SamplerOptions,
    ) -> Self {
        let rows = rows.into();
        let mut lengths = Vec::new();
        if options.kind.is_by_length() {
            let bytes = |&row: &usize| table.row(row).texts().map(str::len).sum::<usize>();
            let bytes = rows.rows().iter().map(bytes);
            lengths.extend(bytes.map(|bytes| u32::try_from(bytes).unwrap_or(u32::MAX)));
        }
        let shared = options
            .kind
            .is_without_duplicates()
            .then(|| SharedTexts::find(table, rows.rows()))
            .filter(|shared| !shared.is_empty());
        Self {
            options,
            rows,
            lengths,
            shared,
            last: Arc::default(),
        }
    }

    /// Number of batches per epoch if it is constant; `None` if `drop_last` drops batches that repeated
    /// texts leave incomplete, so that only [`batches`](Self::batches) tells.
    #[must_use]
    pub(crate) fn batches_of_every_epoch(&self) -> Option<usize> {
        let batch_size = self.options.batch_size.get();
        match (self.options.drop_last, &self.shared) {
            (false, _) => Some(self.rows.of_epoch().div_ceil(batch_size)),
            (true, None) => Some(self.rows.of_epoch() / batch_size),
            (true, Some(_)) => None,
        }
    }

    /// The batches of an epoch (from 0), as row numbers of the table.
    #[must_use]
    pub(crate) fn batches(&self, seed: u64, epoch: usize) -> Vec<Vec<usize>> {
        let (mut batches, _) = self.epoch(seed, epoch);
        for place in batches.iter_mut().flatten() {
            *place = self.rows.rows()[*place];
        }
        batches
    }

    /// Number of rows that wait for the epoch after this one, because their texts are in every batch
    /// of this one, or in batches that `drop_last` drops.
    #[must_use]
    pub(crate) fn waiting(&self, seed: u64, epoch: usize) -> usize {
        self.epoch(seed, epoch).1.len()
    }

    /// The batches of an epoch, and the rows that wait for the next, as positions in `self.rows`.
    fn epoch(&self, seed: u64, epoch: usize) -> (Vec<Vec<usize>>, Vec<usize>) {
        let Some(shared) = &self.shared else {
            return (self.shuffled(seed, epoch), Vec::new());
        };
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let mut start = match *last {
            EpochStart {
                seed: of,
                epoch: at,
                ..
            } if of == seed && at <= epoch => last.clone(),
            _ => EpochStart {
                seed,
                ..EpochStart::default()
            },
        };
        drop(last);
        loop {
            let (batches, waiting) = self.without_duplicates(shared, &start);
            if start.epoch == epoch {
                *self.last.lock().unwrap_or_else(PoisonError::into_inner) = start;
                return (batches, waiting);
            }
            start = EpochStart {
                epoch: start.epoch + 1,
                waiting,
                ..start
            };
        }
    }

    /// Batches that may repeat texts.
    fn shuffled(&self, seed: u64, epoch: usize) -> Vec<Vec<usize>> {
        let SamplerOptions {
            kind,
            batch_size,
            drop_last,
        } = self.options;
        let mut random = generator(seed, epoch as u64);
        let in_order = kind == SamplerKind::Sequential;
        let mut order = self.rows.places(seed, epoch, in_order);
        if !in_order {
            shuffle(&mut order, &mut random);
        }
        if kind.is_by_length() {
            sort_in_pools(&mut order, &self.lengths, batch_size.get());
        }
        let batches = order.chunks(batch_size.get()).map(<[usize]>::to_vec);
        self.arrange(batches.collect(), batch_size.get(), &mut random, drop_last)
    }

    /// Batches without repeated texts, and the rows that wait.
    fn without_duplicates(
        &self,
        shared: &SharedTexts,
        start: &EpochStart,
    ) -> (Vec<Vec<usize>>, Vec<usize>) {
        let SamplerOptions {
            kind,
            batch_size,
            drop_last,
        } = self.options;
        let batch_size = batch_size.get();
        let mut random = generator(start.seed, start.epoch as u64);
        let mut waits = vec![false; self.rows.rows().len()];
        start.waiting.iter().for_each(|&place| waits[place] = true);
        let mut others = self.rows.places(start.seed, start.epoch, false);
        shuffle(&mut others, &mut random);
        others.retain(|&place| !waits[place]);
        let mut line = [start.waiting.as_slice(), &others].concat();
        if kind.is_by_length() {
            sort_in_pools(&mut others, &self.lengths, batch_size);
        }
        // Waiting rows first, also by length: else the shortest of a frequent text would come every time.
        let order = [start.waiting.as_slice(), &others].concat();
        // With weights, rows may wait besides the rows of the epoch.
        let count = self.rows.of_epoch().div_ceil(batch_size);
        let mut fitted = shared.first_fit(&order, count, |_| batch_size);
        let mut full = batch_size;
        if fitted.waiting > 0 && !drop_last {
            // Full batches first would leave the last ones a row each, which has no in-batch negative.
            let placed = order.len() - fitted.waiting;
            let (rows, more) = (placed / count, placed % count);
            fitted = shared.first_fit(&order, count, |batch| rows + usize::from(batch < more));
            full = rows;
        }
        let batches = self.arrange(fitted.batches, full, &mut random, drop_last);
        waits.fill(true);
        let placed = batches.iter().flatten();
        placed.for_each(|&place| waits[place] = false);
        line.retain(|&place| waits[place]);
        (batches, line)
    }

    /// Puts batches of less than `full` rows last, or drops them. By length, the others are shuffled.
    fn arrange(
        &self,
        batches: Vec<Vec<usize>>,
        full: usize,
        random: &mut Xoshiro256PlusPlus,
        drop_last: bool,
    ) -> Vec<Vec<usize>> {
        let (mut all, partial): (Vec<_>, Vec<_>) =
            batches.into_iter().partition(|batch| batch.len() >= full);
        if self.options.kind.is_by_length() {
            shuffle(&mut all, random);
        }
        if !drop_last {
            all.extend(partial);
        }
        all
    }
}

#[cfg(test)]
mod tests;
