//! Distinct texts, so that repeated texts are embedded once.

use std::collections::HashMap;

/// The distinct texts in the order of their first occurrence, and the position of every given text
/// among them.
pub(super) fn distinct(texts: Vec<String>) -> (Vec<String>, Vec<usize>) {
    let mut seen: HashMap<&str, usize> = HashMap::new();
    let positions: Vec<usize> = texts
        .iter()
        .map(|text| {
            let next = seen.len();
            *seen.entry(text).or_insert(next)
        })
        .collect();
    let mut kept = Vec::with_capacity(seen.len());
    for (text, &position) in texts.into_iter().zip(&positions) {
        // The position of a new text is the number of distinct texts before it.
        if position == kept.len() {
            kept.push(text);
        }
    }
    (kept, positions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn positions_lead_back_to_the_texts(texts in prop::collection::vec("[ab]{0,2}", 0..40)) {
            let (kept, positions) = distinct(texts.clone());
            let back: Vec<&String> = positions.iter().map(|&position| &kept[position]).collect();
            prop_assert_eq!(back, texts.iter().collect::<Vec<_>>());
            let mut sorted = kept.clone();
            sorted.sort();
            sorted.dedup();
            prop_assert_eq!(sorted.len(), kept.len());
        }
    }
}
