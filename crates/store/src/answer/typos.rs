//! Words of a question that no row has, mistyped perhaps.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use search::words::QueryWord;

use crate::words::{Statistics, one_edit_from};

/// The most words of a question that are taken for mistyped.
const WORDS: usize = 8;

/// Words that are searched for a mistyped one: the most frequent of those within an edit, as in an index on disk.
const CORRECTIONS: usize = 3;

/// A word that no row has, and what may have been meant.
pub(super) struct Unknown {
    edits: Vec<String>,
}

/// The words that no row has.
pub(super) fn unknown(words: &[QueryWord], statistics: &Statistics) -> Vec<Unknown> {
    let unknown = words
        .iter()
        .filter(|word| !word.mistyped.is_empty() && !statistics.rows.contains_key(&word.text));
    let edits = unknown.take(WORDS).map(|word| Unknown {
        // `mouse2` is within an edit of `mouses`, but is a name and not what was meant.
        edits: word
            .mistyped
            .iter()
            .flat_map(|form| std::iter::once(form.clone()).chain(one_edit_from(form)))
            .collect::<BTreeSet<String>>()
            .into_iter()
            .filter(|edit| !edit.contains(|letter: char| letter.is_ascii_digit()))
            .collect(),
    });
    edits.collect()
}

/// Everything that may have been meant.
pub(super) fn edits(unknown: &[Unknown]) -> Vec<String> {
    let edits: BTreeSet<&String> = unknown.iter().flat_map(|word| &word.edits).collect();
    edits.into_iter().cloned().collect()
}

/// Takes of `counts` the most frequent words within an edit of each unknown one. They all count as much as the most
/// frequent, so that a row with another typing error does not come first for being rare.
pub(super) fn correct(unknown: &[Unknown], counts: &Statistics, statistics: &mut Statistics) {
    for word in unknown {
        let found = word
            .edits
            .iter()
            .filter_map(|edit| Some((edit, counts.rows.get(edit)?)));
        let mut found: Vec<(&String, &Vec<f64>)> = found.collect();
        // Stable: of equally frequent ones the first of the alphabet.
        found.sort_by_key(|(_, rows)| Reverse(rows.iter().sum::<f64>() as u64));
        found.truncate(CORRECTIONS);
        let Some((_, most)) = found.first().copied() else {
            continue;
        };
        for (edit, rows) in found {
            let rows = rows
                .iter()
                .zip(most)
                .map(|(rows, most)| if *rows == 0.0 { 0.0 } else { rows.max(*most) });
            statistics.rows.insert(edit.clone(), rows.collect());
        }
    }
}
