//! Batches, their order and their workers.

use std::num::NonZeroUsize;

use model::Checkpoint;
use model::backend::EncoderOps;

use super::*;
use crate::data::{RowKind, SamplerKind};
use crate::test_device::on_test_device;
use crate::testing::tiny_model;

fn loader(rows: usize, workers: usize) -> BatchLoader {
    // A table has at least one row.
    let pairs = (0..rows.max(1)).map(|row| Example {
        texts: vec![format!("bottle {row}"), format!("a bottle of steel {row}")],
        target: None,
    });
    let table = Arc::new(TextTable::from_rows(RowKind::Pairs, pairs).unwrap());
    let tokenizer = Checkpoint::open(&tiny_model())
        .unwrap()
        .tokenizer()
        .unwrap();
    let options = SamplerOptions {
        kind: SamplerKind::Shuffle,
        batch_size: NonZeroUsize::new(4).unwrap(),
        drop_last: false,
    };
    let all: Vec<usize> = (0..rows).collect();
    BatchLoader::new(
        table,
        all,
        options,
        TokenBatcher::new(Arc::new(tokenizer)),
        7,
    )
    .with_workers(workers)
}

type Seen = Vec<(Vec<usize>, Vec<Vec<u32>>, u64)>;

fn seen(loader: &BatchLoader) -> Seen {
    fn body<B: EncoderOps>(_: &B::Device, loader: &BatchLoader) -> Seen {
        DataLoader::<B, TrainingBatch>::iter(loader)
            .map(|batch| (batch.positions, batch.texts, batch.seed))
            .collect()
    }
    on_test_device!(body(loader: &BatchLoader) -> Seen)
}

#[test]
fn workers_change_neither_batches_nor_their_order() {
    let one = seen(&loader(22, 1));
    assert_eq!(one.len(), 6);
    for workers in [2, 3, 9] {
        assert_eq!(seen(&loader(22, workers)), one, "{workers} workers");
    }
    let mut rows: Vec<usize> = one.iter().flat_map(|batch| batch.0.clone()).collect();
    rows.sort_unstable();
    assert_eq!(rows, (0..22).collect::<Vec<_>>());
    let mut seeds: Vec<u64> = one.iter().map(|batch| batch.2).collect();
    seeds.dedup();
    assert_eq!(seeds.len(), 6);
}

#[test]
fn an_epoch_resumes_where_it_stopped_and_the_next_differs() {
    let loader = loader(22, 2);
    let first = seen(&loader);
    loader.resume_point().set(0, 4);
    assert_eq!(seen(&loader), first[4..]);
    loader.resume_point().set(1, 0);
    assert_ne!(seen(&loader), first);
    loader.resume_point().set(0, 0);
    assert_eq!(seen(&loader), first);
}

#[test]
fn progress_counts_rows_also_those_before_it_began() {
    fn body<B: EncoderOps>(_: &B::Device) {
        let loader = loader(10, 2);
        loader.resume_point().set(0, 1);
        let mut batches = DataLoader::<B, TrainingBatch>::iter(&loader);
        let done = |progress: Progress| (progress.items_processed, progress.items_total);
        assert_eq!(done(batches.progress()), (4, 10));
        batches.next();
        assert_eq!(done(batches.progress()), (8, 10));
        // Given up half-way: its workers end by themselves.
        drop(batches);
    }
    on_test_device!(body);
}

#[test]
fn a_worker_that_dies_does_not_end_the_epoch() {
    let (sender, receiver) = sync_channel(1);
    let thread = thread::spawn(move || {
        sender.send(TrainingBatch::default()).unwrap();
        std::panic::resume_unwind(Box::new("out of memory"));
    });
    let mut batches = Batches {
        workers: vec![Worker {
            receiver,
            thread: Some(thread),
        }],
        next: 0,
        rows_done: 0,
        rows_total: 8,
    };
    assert!(batches.next().is_some());
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| batches.next()));
    assert_eq!(
        outcome.unwrap_err().downcast_ref::<&str>(),
        Some(&"out of memory")
    );
}

#[test]
fn epochs_of_equal_length_are_known_without_their_batches() {
    assert_eq!(loader(22, 1).batches_of_every_epoch(), Some(6));
    assert_eq!(loader(20, 1).batches_of_every_epoch(), Some(5));
}

#[test]
fn texts_stand_column_by_column() {
    fn body<B: EncoderOps>(_: &B::Device) {
        let loader = loader(3, 1);
        let batch = DataLoader::<B, TrainingBatch>::iter(&loader)
            .next()
            .unwrap();
        assert_eq!((batch.rows, batch.columns(), batch.texts.len()), (3, 2, 6));
        // Queries have three words, descriptions six, all with <s> and </s>.
        assert!(
            batch.texts[..3]
                .iter()
                .all(|text| text.len() < batch.texts[3].len())
        );
    }
    on_test_device!(body);
}

#[test]
fn no_rows_have_no_batches() {
    fn body<B: EncoderOps>(_: &B::Device) {
        let loader = loader(0, 1);
        assert_eq!(DataLoader::<B, TrainingBatch>::iter(&loader).count(), 0);
        assert_eq!(
            (loader.batches_of_every_epoch(), loader.waiting(0)),
            (Some(0), 0)
        );
    }
    on_test_device!(body);
}
