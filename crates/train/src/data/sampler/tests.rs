use std::collections::HashSet;

use proptest::prelude::*;

use super::super::columns::RowKind;
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
    Sampler::new(table, 0..table.len(), options).unwrap()
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
        prop_assert!(known.is_some() || (clash && kind.is_without_duplicates()));
        if let Some(known) = known {
            prop_assert_eq!(known, sampler.batches(seed, epoch).len());
        }
    }

    #[test]
    fn every_row_comes_once_an_epoch(
        pairs in clashing(),
        kind in kind(),
        batch_size in 1_usize..20,
        (seed, epoch) in (any::<u64>(), 0_usize..5),
    ) {
        let table = table(&pairs);
        let batches = sampler(&table, kind, batch_size, false).batches(seed, epoch);
        prop_assert!(batches.iter().all(|batch| (1..=batch_size).contains(&batch.len())));
        let full = batches.iter().take_while(|batch| batch.len() == batch_size).count();
        prop_assert!(batches[full..].iter().all(|batch| batch.len() < batch_size));
        let mut rows = batches.concat();
        rows.sort_unstable();
        prop_assert_eq!(rows, (0..pairs.len()).collect::<Vec<_>>());
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
    fn drop_last_leaves_out_less_than_a_batch(
        pairs in clashing(),
        kind in kind(),
        batch_size in 1_usize..20,
        seed: u64,
    ) {
        let table = table(&pairs);
        let mut all = sampler(&table, kind, batch_size, false).batches(seed, 0);
        let kept = sampler(&table, kind, batch_size, true).batches(seed, 0);
        if all.last().unwrap().len() < batch_size {
            all.pop();
        }
        prop_assert_eq!(&kept, &all);
        prop_assert!(pairs.len() - kept.concat().len() < batch_size);
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
            assert_eq!(sampler.batches(seed, epoch) == start, same, "{kind}");
        }
    }
}

#[test]
fn the_sequential_batches_are_the_rows_in_order() {
    let options = SamplerOptions {
        kind: SamplerKind::Sequential,
        batch_size: NonZeroUsize::new(2).unwrap(),
        drop_last: false,
    };
    let sampler = Sampler::new(&distinct(10), [7, 2, 9], options).unwrap();
    assert_eq!(sampler.batches(1, 0), [vec![7, 2], vec![9]]);
    assert_eq!(sampler.rows(), [7, 2, 9]);
    assert!(
        Sampler::new(&distinct(10), [], options)
            .unwrap()
            .batches(1, 0)
            .is_empty()
    );
    let error = Sampler::new(&distinct(10), [3, 10], options).unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no row 10 (counting from 0): the table holds 10 rows"
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

#[test]
fn names_are_read_as_they_are_printed() {
    for &kind in SamplerKind::value_variants() {
        assert_eq!(kind.to_string().parse::<SamplerKind>().unwrap(), kind);
        let json = serde_json::to_string(&kind).unwrap();
        assert_eq!(json, format!("\"{kind}\""));
        assert_eq!(serde_json::from_str::<SamplerKind>(&json).unwrap(), kind);
    }
    let error = "random".parse::<SamplerKind>().unwrap_err();
    assert_eq!(
        error.to_string(),
        "`random` is not a sampler; choose one of: sequential, shuffle, length, no-duplicates, length-no-duplicates"
    );
}
