//! Batches in a fixed order, tokenized ahead of time.
//!
//! burn's multi-threaded loader splits the rows between its workers, so batches depend on their
//! number. In this loader a [`Sampler`] chooses the rows of each batch and workers only tokenize: the
//! same seed gives the same batches in the same order with any number of workers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{self, JoinHandle};

use burn::data::dataloader::{DataLoader, DataLoaderIterator, Progress};
use burn::data::dataset::Dataset;
use burn::tensor::backend::Backend;

use crate::batch::{TokenBatcher, TrainingBatch};
use crate::data::{EpochRows, Example, Sampler, SamplerOptions, TextTable};
use crate::random::derive_seed;

/// Batches that a worker may tokenize ahead.
const AHEAD: usize = 2;

/// Position where the next iteration starts; shared by a loader and the training loop.
#[derive(Debug, Default)]
pub(crate) struct ResumePoint {
    epoch: AtomicUsize,
    batch: AtomicUsize,
}

impl ResumePoint {
    /// Makes the next iteration start at batch `batch` of epoch `epoch`, both from 0.
    pub(crate) fn set(&self, epoch: usize, batch: usize) {
        self.epoch.store(epoch, Ordering::Relaxed);
        self.batch.store(batch, Ordering::Relaxed);
    }
}

/// A burn data loader over some rows of a table.
#[derive(Clone)]
pub(crate) struct BatchLoader {
    table: Arc<TextTable>,
    rows: Arc<EpochRows>,
    /// `None` without rows.
    sampler: Option<Arc<Sampler>>,
    batcher: TokenBatcher,
    seed: u64,
    resume_point: Arc<ResumePoint>,
    workers: usize,
}

impl BatchLoader {
    /// A loader of batches of `rows` of `table`, with one worker. Without rows it has no batches.
    pub(crate) fn new(
        table: Arc<TextTable>,
        rows: impl Into<EpochRows>,
        options: SamplerOptions,
        batcher: TokenBatcher,
        seed: u64,
    ) -> Self {
        let rows = rows.into();
        let sampler = (!rows.rows().is_empty())
            .then(|| Arc::new(Sampler::new(&table, rows.clone(), options)));
        Self {
            table,
            rows: Arc::new(rows),
            sampler,
            batcher,
            seed,
            resume_point: Arc::default(),
            workers: 1,
        }
    }

    /// Uses `workers` tokenizer threads, at least one.
    #[must_use]
    pub(crate) fn with_workers(mut self, workers: usize) -> Self {
        self.workers = workers.max(1);
        self
    }

    /// Position where the next iteration starts.
    #[must_use]
    pub(crate) fn resume_point(&self) -> Arc<ResumePoint> {
        Arc::clone(&self.resume_point)
    }

    /// The rows of every batch of an epoch, as positions in the table.
    #[must_use]
    pub(crate) fn batches(&self, epoch: usize) -> Vec<Vec<usize>> {
        match &self.sampler {
            Some(sampler) => sampler.batches(self.seed, epoch),
            None => Vec::new(),
        }
    }

    /// Number of batches per epoch if it is constant, see [`Sampler::batches_of_every_epoch`].
    #[must_use]
    pub(crate) fn batches_of_every_epoch(&self) -> Option<usize> {
        match &self.sampler {
            Some(sampler) => sampler.batches_of_every_epoch(),
            None => Some(0),
        }
    }

    /// The rows of an epoch, besides those that wait since the one before, as positions in the table.
    #[must_use]
    pub(crate) fn rows_of_epoch(&self, epoch: usize) -> Vec<usize> {
        self.rows.of_epoch_number(self.seed, epoch)
    }

    /// Number of rows that wait for the epoch after this one, see [`Sampler::waiting`].
    #[must_use]
    pub(crate) fn waiting(&self, epoch: usize) -> usize {
        let sampler = self.sampler.as_ref();
        sampler.map_or(0, |sampler| sampler.waiting(self.seed, epoch))
    }

    fn load(&self, epoch: usize, index: usize, positions: Vec<usize>) -> TrainingBatch {
        let seed = derive_seed(derive_seed(self.seed, epoch as u64), index as u64);
        if let Some(mut batch) = self.batcher.tokenize_tagged(&self.table, &positions) {
            batch.positions = positions;
            batch.seed = seed;
            return batch;
        }
        let rows: Vec<Example> = positions
            .iter()
            .filter_map(|&position| self.table.get(position))
            .collect();
        let mut batch = self.batcher.tokenize(&rows, seed);
        match self.table.targets_or_vectors(&positions) {
            Ok(targets) if batch.failure.is_none() && !targets.is_empty() => {
                batch.targets = Some(targets);
            }
            Ok(_) => {}
            Err(error) => batch = TrainingBatch::failed(error),
        }
        batch.positions = positions;
        batch.seed = seed;
        batch
    }

    fn iterate(&self) -> Batches {
        let epoch = self.resume_point.epoch.load(Ordering::Relaxed);
        let skipped = self.resume_point.batch.load(Ordering::Relaxed);
        let batches = self.batches(epoch);
        let rows_total = batches.iter().map(Vec::len).sum();
        let rows_done = batches.iter().take(skipped).map(Vec::len).sum();
        let mut shares: Vec<Vec<(usize, Vec<usize>)>> = vec![Vec::new(); self.workers];
        for (index, positions) in batches.into_iter().enumerate().skip(skipped) {
            shares[(index - skipped) % self.workers].push((index, positions));
        }
        let workers = shares
            .into_iter()
            .map(|share| {
                let (sender, receiver) = sync_channel(AHEAD);
                let loader = self.clone();
                let thread = thread::spawn(move || {
                    for (index, positions) in share {
                        // The receiver is gone once the iteration is dropped.
                        if sender.send(loader.load(epoch, index, positions)).is_err() {
                            break;
                        }
                    }
                });
                Worker {
                    receiver,
                    thread: Some(thread),
                }
            })
            .collect();
        Batches {
            workers,
            next: 0,
            rows_done,
            rows_total,
        }
    }
}

impl<B: Backend> DataLoader<B, TrainingBatch> for BatchLoader {
    fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<TrainingBatch> + 'a> {
        Box::new(self.iterate())
    }

    fn num_items(&self) -> usize {
        self.rows.of_epoch()
    }

    /// The same loader: the training step creates the tensors.
    fn to_device(&self, _device: &B::Device) -> Arc<dyn DataLoader<B, TrainingBatch>> {
        Arc::new(self.clone())
    }

    /// The same loader: burn cuts one only for loops of its own that run on several devices.
    fn slice(&self, _start: usize, _end: usize) -> Arc<dyn DataLoader<B, TrainingBatch>> {
        Arc::new(self.clone())
    }
}

/// One iteration, which takes batches from the workers in turn.
struct Batches {
    workers: Vec<Worker>,
    next: usize,
    rows_done: usize,
    rows_total: usize,
}

/// A tokenizer thread.
struct Worker {
    receiver: Receiver<TrainingBatch>,
    /// `None` once joined.
    thread: Option<JoinHandle<()>>,
}

impl Iterator for Batches {
    type Item = TrainingBatch;

    fn next(&mut self) -> Option<TrainingBatch> {
        let next = self.next % self.workers.len().max(1);
        let worker = self.workers.get_mut(next)?;
        self.next += 1;
        let Ok(batch) = worker.receiver.recv() else {
            // The worker has finished or panicked; a panic must not drop rows silently.
            if let Some(Err(panic)) = worker.thread.take().map(JoinHandle::join) {
                std::panic::resume_unwind(panic);
            }
            return None;
        };
        self.rows_done += batch.positions.len();
        Some(batch)
    }
}

impl DataLoaderIterator<TrainingBatch> for Batches {
    fn progress(&self) -> Progress {
        Progress::new(self.rows_done, self.rows_total)
    }
}

#[cfg(test)]
mod tests;
