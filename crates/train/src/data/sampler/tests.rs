use std::collections::HashSet;

use proptest::prelude::*;

use super::super::kind::RowKind;
use super::super::table::Example;
use super::*;

fn table(pairs: &[(String, String)]) -> TextTable {
    let rows = pairs.iter().map(|(anchor, positive)| Example {
        texts: vec![anchor.clone(), positive.clone()],
        target: None,
    });
    TextTable::from_rows(RowKind::Pairs, rows).unwrap()
}

/// `rows` pairs, the lengths of which are all over the place, without a text in common.
fn distinct(rows: usize) -> TextTable {
    let pairs: Vec<_> = (0..rows)
        .map(|row| {
            (
                format!("a{row}"),
                format!("{row}{}", "x".repeat(row * 37 % 101)),
            )
        })
        .collect();
    table(&pairs)
}

fn sampler(table: &TextTable, kind: SamplerKind, batch_size: usize, drop_last: bool) -> Sampler {
    let options = SamplerOptions {
        kind,
        batch_size: NonZeroUsize::new(batch_size).unwrap(),
        drop_last,
    };
    Sampler::new(table, (0..table.len()).collect::<Vec<_>>(), options)
}

fn kind() -> impl Strategy<Value = SamplerKind> {
    prop::sample::select(SamplerKind::value_variants())
}

/// Few anchors and positives, so that many clash; some rows hold the same text twice.
fn clashing() -> impl Strategy<Value = Vec<(String, String)>> {
    let text = || (0_u8..30).prop_map(|number| number.to_string());
    prop::collection::vec((text(), text()), 1..150)
}

proptest! {
    #[test]
    fn a_number_of_batches_that_is_known_is_that_of_any_epoch(
        pairs in clashing(),
        clash in any::<bool>(),
        kind in kind(),
        (batch_size, drop_last) in (1_usize..20, any::<bool>()),
        (seed, epoch) in (any::<u64>(), 0_usize..5),
    ) {
        let table = if clash { table(&pairs) } else { distinct(pairs.len()) };
        let sampler = sampler(&table, kind, batch_size, drop_last);
        let known = sampler.batches_of_every_epoch();
        prop_assert!(known.is_some() || (clash && kind.is_without_duplicates() && drop_last));
        if !drop_last {
            prop_assert_eq!(known, Some(pairs.len().div_ceil(batch_size)));
        }
        if let Some(known) = known {
            prop_assert_eq!(known, sampler.batches(seed, epoch).len());
        }
    }

    #[test]
    fn every_row_comes_once_an_epoch_or_waits(
        pairs in clashing(),
        kind in kind(),
        batch_size in 1_usize..20,
        (seed, epoch) in (any::<u64>(), 0_usize..5),
    ) {
        let table = table(&pairs);
        let sampler = sampler(&table, kind, batch_size, false);
        let batches = sampler.batches(seed, epoch);
        prop_assert!(batches.iter().all(|batch| (1..=batch_size).contains(&batch.len())));
        let waiting = sampler.waiting(seed, epoch);
        let full = batches.iter().take_while(|batch| batch.len() == batch_size).count();
        prop_assert!(waiting > 0 || batches[full..].iter().all(|batch| batch.len() < batch_size));
        let mut rows = batches.concat();
        prop_assert!(waiting == 0 || kind.is_without_duplicates());
        prop_assert_eq!(rows.len() + waiting, pairs.len());
        rows.sort_unstable();
        rows.dedup();
        prop_assert_eq!(rows.len() + waiting, pairs.len());
    }

    /// A resumed run asks for a later epoch first, and the report for the first again.
    #[test]
    fn the_order_of_asking_does_not_matter(
        pairs in clashing(),
        kind in kind(),
        (batch_size, drop_last) in (1_usize..20, any::<bool>()),
        asked in prop::collection::vec((0_u64..3, 0_usize..5), 1..6),
    ) {
        let table = table(&pairs);
        let asked_often = sampler(&table, kind, batch_size, drop_last);
        for (seed, epoch) in asked {
            let asked_once = sampler(&table, kind, batch_size, drop_last).batches(seed, epoch);
            prop_assert_eq!(asked_often.batches(seed, epoch), asked_once);
        }
    }

    #[test]
    fn batches_that_are_not_full_are_dropped(
        pairs in clashing(),
        kind in kind(),
        batch_size in 1_usize..20,
        seed: u64,
    ) {
        let table = table(&pairs);
        let kept = sampler(&table, kind, batch_size, true).batches(seed, 0);
        prop_assert!(kept.iter().all(|batch| batch.len() == batch_size));
        if !kind.is_without_duplicates() {
            prop_assert_eq!(kept.len(), pairs.len() / batch_size);
        }
    }

    #[test]
    fn no_text_comes_twice_in_a_batch(
        pairs in clashing(),
        by_length: bool,
        batch_size in 1_usize..20,
        seed: u64,
    ) {
        let table = table(&pairs);
        let kind = if by_length {
            SamplerKind::LengthNoDuplicates
        } else {
            SamplerKind::NoDuplicates
        };
        for batch in sampler(&table, kind, batch_size, false).batches(seed, 0) {
            let mut seen = HashSet::new();
            for row in batch {
                let texts: HashSet<&str> = table.row(row).texts().collect();
                for text in texts {
                    prop_assert!(seen.insert(text), "{} in row {}", text, row);
                }
            }
        }
    }

    #[test]
    fn a_seed_and_an_epoch_fix_the_batches(pairs in clashing(), kind in kind(), seed: u64) {
        let table = table(&pairs);
        let batches = |epoch| sampler(&table, kind, 4, false).batches(seed, epoch);
        prop_assert_eq!(batches(3), batches(3));
    }
}

#[test]
fn seeds_and_epochs_differ() {
    let table = distinct(200);
    for &kind in SamplerKind::value_variants() {
        let sampler = sampler(&table, kind, 8, false);
        let start = sampler.batches(1, 0);
        let same = kind == SamplerKind::Sequential;
        for (seed, epoch) in [(1, 1), (2, 0), (0, 1)] {
            assert_eq!(sampler.batches(seed, epoch) == start, same, "{kind:?}");
        }
    }
}

/// Pairs of these anchors with a positive each.
fn of_anchors(anchors: impl IntoIterator<Item = usize>) -> TextTable {
    let pairs = anchors.into_iter().enumerate();
    table(
        &pairs
            .map(|(row, anchor)| (format!("anchor {anchor}"), format!("positive {row}")))
            .collect::<Vec<_>>(),
    )
}

/// 10,000 rows of anchors whose numbers of rows fall with 1 / rank: "what people typed".
fn zipf() -> TextTable {
    let ranks = 1..=1_000_usize;
    let sum: f64 = ranks.clone().map(|rank| 1.0 / rank as f64).sum();
    let of = |rank: usize| (10_000.0 / (rank as f64 * sum)).round().max(1.0) as usize;
    let anchors = ranks.flat_map(|rank| std::iter::repeat_n(rank, of(rank)));
    of_anchors(anchors.take(10_000))
}

#[test]
fn a_frequent_anchor_makes_no_further_batches() {
    let tenth = || of_anchors((0..2_000).map(|row| if row % 10 == 0 { 0 } else { row }));
    for (table, batch_size) in [(tenth(), 32), (tenth(), 8), (zipf(), 32), (zipf(), 128)] {
        let rows = table.len();
        let sampler = sampler(&table, SamplerKind::NoDuplicates, batch_size, false);
        for epoch in 0..3 {
            let batches = sampler.batches(1, epoch);
            assert_eq!(batches.len(), rows.div_ceil(batch_size));
            let waiting = sampler.waiting(1, epoch);
            let rows_of = |batches: &[Vec<usize>]| batches.iter().map(Vec::len).sum::<usize>();
            assert_eq!(rows_of(&batches) + waiting, rows);
            if waiting > 0 {
                // No batch is much smaller than another.
                let sizes = batches.iter().map(Vec::len);
                let (fewest, most) = (sizes.clone().min().unwrap(), sizes.max().unwrap());
                assert!(2 * fewest >= most, "{fewest} and {most} rows");
            }
        }
    }
    let full = sampler(&tenth(), SamplerKind::NoDuplicates, 8, false);
    // A tenth fits into batches of 8: only the last rows may find no place.
    assert!(full.waiting(1, 0) < 8);
    assert!(sampler(&tenth(), SamplerKind::NoDuplicates, 32, false).waiting(1, 0) > 0);
}

#[test]
fn waiting_rows_come_first_in_the_next_epoch() {
    // 30 of 60 rows have one anchor, and an epoch has 6 batches.
    let table = of_anchors((0..60).map(|row| if row < 30 { 0 } else { row }));
    for kind in [SamplerKind::NoDuplicates, SamplerKind::LengthNoDuplicates] {
        let sampler = sampler(&table, kind, 10, false);
        let mut seen = HashSet::new();
        for epoch in 0..5 {
            let batches = sampler.batches(3, epoch);
            assert_eq!(batches.len(), 6);
            assert!(batches.iter().all(|batch| batch.len() == 6), "{batches:?}");
            seen.extend(batches.concat().into_iter().filter(|&row| row < 30));
            // Six of the 30 in every epoch: none comes again before all have come.
            assert_eq!(seen.len(), 6 * (epoch + 1), "{kind:?}");
        }
    }
}

/// With one anchor for all rows no batch can hold two.
#[test]
fn one_anchor_leaves_a_row_per_batch() {
    let sampler = sampler(&of_anchors([0; 20]), SamplerKind::NoDuplicates, 8, false);
    let batches = sampler.batches(1, 0);
    assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1, 1]);
    assert_eq!(sampler.waiting(1, 0), 17);
}

#[test]
fn texts_that_differ_in_case_are_equal() {
    let rows = [("Red chair", "1"), ("red  chair", "2")];
    let rows = rows.map(|(anchor, positive)| (anchor.to_owned(), positive.to_owned()));
    let sampler = sampler(&table(&rows), SamplerKind::NoDuplicates, 2, false);
    assert_eq!(sampler.waiting(1, 0), 1);
}

#[test]
fn the_sequential_batches_are_the_rows_in_order() {
    let options = SamplerOptions {
        kind: SamplerKind::Sequential,
        batch_size: NonZeroUsize::new(2).unwrap(),
        drop_last: false,
    };
    let sampler = Sampler::new(&distinct(10), vec![7, 2, 9], options);
    assert_eq!(sampler.batches(1, 0), [vec![7, 2], vec![9]]);
    assert_eq!(sampler.rows.rows(), [7, 2, 9]);
    assert!(
        Sampler::new(&distinct(10), Vec::new(), options)
            .batches(1, 0)
            .is_empty()
    );
}

/// Guards the promise that an order never changes: see the golden orders of `random`.
#[test]
fn the_shuffled_rows_are_those_of_the_seed() {
    let sampler = sampler(&distinct(12), SamplerKind::Shuffle, 5, false);
    assert_eq!(
        sampler.batches(1, 0),
        [vec![0, 2, 11, 10, 7], vec![6, 5, 8, 3, 1], vec![4, 9]]
    );
}

#[test]
fn by_length_a_batch_is_padded_less() {
    let table = distinct(4_000);
    let bytes = |row: usize| table.row(row).texts().map(str::len).sum::<usize>();
    let padded = |kind| -> usize {
        let batches = sampler(&table, kind, 16, false).batches(5, 0);
        let longest = |batch: &Vec<usize>| batch.iter().map(|&row| bytes(row)).max().unwrap();
        batches
            .iter()
            .map(|batch| longest(batch) * batch.len())
            .sum()
    };
    let needed: usize = (0..table.len()).map(bytes).sum();
    let by_length = padded(SamplerKind::Length);
    assert_eq!(padded(SamplerKind::LengthNoDuplicates), by_length);
    assert!(
        (by_length as f64) < 1.05 * needed as f64,
        "{by_length} for {needed}"
    );
    assert!(padded(SamplerKind::Shuffle) as f64 > 1.5 * needed as f64);
}

#[test]
fn by_length_the_batches_do_not_come_by_length() {
    let table = distinct(4_000);
    let batches = sampler(&table, SamplerKind::Length, 16, false).batches(5, 0);
    let first_of = |batch: &Vec<usize>| table.row(batch[0]).texts().map(str::len).sum::<usize>();
    let rises = batches
        .windows(2)
        .filter(|pair| first_of(&pair[0]) < first_of(&pair[1]))
        .count();
    // Of 249 neighbours about half are in order by chance; 90 is 4 standard deviations below.
    assert!((90..160).contains(&rises), "{rises}");
}
