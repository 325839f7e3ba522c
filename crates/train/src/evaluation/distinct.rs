//! Distinct texts, so that repeated texts are embedded once.

use std::collections::HashMap;
use std::hash::Hash;

use crate::data::normalised_hash;

/// The distinct texts of all columns in the order of their first occurrence, column by column, and the
/// position of every given text among them.
pub(crate) fn distinct<const N: usize>(
    columns: [Vec<String>; N],
) -> (Vec<String>, [Vec<usize>; N]) {
    distinct_by(columns, str::to_owned)
}

/// As [`distinct`], but texts that differ only in case or white space are one, as in the batches of training: that
/// with the first spelling. The evaluators tell them apart, as those of sentence-transformers do.
pub(crate) fn distinct_ignoring_case<const N: usize>(
    columns: [Vec<String>; N],
) -> (Vec<String>, [Vec<usize>; N]) {
    distinct_by(columns, normalised_hash)
}

fn distinct_by<K: Eq + Hash, const N: usize>(
    columns: [Vec<String>; N],
    key: impl Fn(&str) -> K,
) -> (Vec<String>, [Vec<usize>; N]) {
    let mut seen: HashMap<K, usize> = HashMap::new();
    let mut kept = Vec::new();
    let positions = columns.map(|texts| {
        let texts = texts.into_iter().map(|text| {
            *seen.entry(key(&text)).or_insert_with(|| {
                kept.push(text);
                kept.len() - 1
            })
        });
        texts.collect()
    });
    (kept, positions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spellings_of_a_text_are_one() {
        let texts = ["Kettle", "mug", " kettle", "Mug"]
            .map(str::to_owned)
            .to_vec();
        let (kept, [positions]) = distinct_ignoring_case([texts]);
        assert_eq!(kept, ["Kettle", "mug"]);
        assert_eq!(positions, [0, 1, 0, 1]);
    }

    proptest! {
        #[test]
        fn positions_lead_back_to_the_texts(
            first in prop::collection::vec("[ab]{0,2}", 0..40),
            second in prop::collection::vec("[ab]{0,2}", 0..40),
        ) {
            let (kept, positions) = distinct([first.clone(), second.clone()]);
            let back: Vec<&String> = positions.iter().flatten().map(|&position| &kept[position]).collect();
            prop_assert_eq!(back, first.iter().chain(&second).collect::<Vec<_>>());
            prop_assert!(positions.concat().first().is_none_or(|&position| position == 0));
            let mut sorted = kept.clone();
            sorted.sort();
            sorted.dedup();
            prop_assert_eq!(sorted.len(), kept.len());
        }
    }
}
