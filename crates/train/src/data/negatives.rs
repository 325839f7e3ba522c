//! Texts of other rows of a batch, as negatives of a row.

use std::collections::{HashMap, HashSet};

use super::hash::hash_normalised;
use super::random::{generator, shuffle};
use super::table::Example;

/// `count` texts of other rows for every row, column by column: the first of every row, then the second of every row, and so
/// on. They are drawn at random among the positives and negatives of the other rows, each text once, as
/// `MultipleNegativesRankingLoss` of sentence-transformers' `CrossEncoder` draws them. A text that is right for the anchor in
/// any row of the batch is none, whatever its case and spacing. A row with fewer such texts than others has `None` in their
/// place. Where no row has `count` of them, there are as many columns as the row with most of them has.
pub(crate) fn in_batch_negatives(rows: &[Example], count: usize, seed: u64) -> Vec<Option<&str>> {
    if count == 0 {
        return Vec::new();
    }
    let hashes: Vec<Vec<u64>> = rows
        .iter()
        .map(|row| row.texts.iter().map(|text| hash_normalised(text)).collect())
        .collect();
    let mut right: HashMap<u64, HashSet<u64>> = HashMap::new();
    for row in &hashes {
        if let [anchor, positive, ..] = row[..] {
            right.entry(anchor).or_default().extend([anchor, positive]);
        }
    }
    let drawn: Vec<Vec<&str>> = hashes
        .iter()
        .enumerate()
        .map(|(number, row)| {
            let right = row.first().and_then(|anchor| right.get(anchor));
            let mut taken: HashSet<u64> = row
                .iter()
                .chain(right.into_iter().flatten())
                .copied()
                .collect();
            let mut candidates = Vec::new();
            for (other, hashes) in rows.iter().zip(&hashes) {
                let texts = other.texts.iter().zip(hashes).skip(1);
                candidates.extend(
                    texts
                        .filter(|(_, hash)| taken.insert(**hash))
                        .map(|(text, _)| text.as_str()),
                );
            }
            shuffle(&mut candidates, &mut generator(seed, number as u64));
            candidates.truncate(count);
            candidates
        })
        .collect();
    let most = drawn.iter().map(Vec::len).max().unwrap_or(0);
    (0..most)
        .flat_map(|place| drawn.iter().map(move |texts| texts.get(place).copied()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rows: &[&[&str]]) -> Vec<Example> {
        let example = |texts: &&[&str]| Example {
            texts: texts.iter().map(|&text| text.to_owned()).collect(),
            target: None,
        };
        rows.iter().map(example).collect()
    }

    #[test]
    fn no_text_that_is_right_for_the_anchor_is_drawn() {
        let rows = rows(&[
            &["kettle", "steel kettle", "mug"],
            &["Kettle", "glass kettle", "cup"],
            &["lamp", "Desk lamp", "Steel  Kettle"],
            &["chair", "stool", "cup"],
        ]);
        for seed in 0..20 {
            let drawn = in_batch_negatives(&rows, 2, seed);
            assert_eq!(drawn.len(), 8);
            let of_row = |row: usize| [drawn[row], drawn[4 + row]].map(Option::unwrap);
            for row in [0, 1] {
                for text in of_row(row) {
                    assert!(
                        ["Desk lamp", "stool", "cup", "mug"].contains(&text),
                        "{text}"
                    );
                }
            }
            for (row, texts) in (0..4).map(|row| (row, of_row(row))) {
                assert_ne!(texts[0], texts[1]);
                assert!(
                    !rows[row]
                        .texts
                        .iter()
                        .any(|own| texts.contains(&own.as_str()))
                );
            }
        }
        assert_eq!(
            in_batch_negatives(&rows, 2, 7),
            in_batch_negatives(&rows, 2, 7)
        );
        let all: HashSet<_> = (0..20)
            .map(|seed| in_batch_negatives(&rows, 1, seed))
            .collect();
        assert!(all.len() > 5, "{all:?}");
    }

    #[test]
    fn a_row_with_fewer_candidates_has_gaps() {
        // `a` has one wrong text, `c` has two.
        let rows = rows(&[&["a", "1"], &["a", "2"], &["c", "3"]]);
        let drawn = in_batch_negatives(&rows, 5, 1);
        assert_eq!(drawn[..2], [Some("3"); 2]);
        assert_eq!(drawn[3..5], [None; 2]);
        let of_c: HashSet<_> = [drawn[2], drawn[5]].into();
        assert_eq!(of_c, [Some("1"), Some("2")].into());
        assert!(in_batch_negatives(&rows[..1], 5, 1).is_empty());
        assert!(in_batch_negatives(&[], 5, 1).is_empty());
    }
}
