//! Distinct texts, so that repeated texts are embedded once.

use std::collections::HashMap;

/// The distinct texts of all columns in the order of their first occurrence, column by column, and the
/// position of every given text among them.
pub(crate) fn distinct<const N: usize>(
    columns: [Vec<String>; N],
) -> (Vec<String>, [Vec<usize>; N]) {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let positions = columns.map(|texts| {
        let texts = texts.into_iter().map(|text| {
            let next = seen.len();
            *seen.entry(text).or_insert(next)
        });
        texts.collect()
    });
    let mut kept: Vec<(String, usize)> = seen.into_iter().collect();
    kept.sort_unstable_by_key(|&(_, position)| position);
    (kept.into_iter().map(|(text, _)| text).collect(), positions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
