//! Words of a question that no row has, mistyped perhaps.

use crate::words::{Statistics, one_edit_from};

/// The fewest letters of a word in which a typing error is forgiven: shorter words are too near to others.
const LETTERS: usize = 5;

/// The most letters: longer words would have too many alternatives.
const MOST_LETTERS: usize = 40;

/// The most words of a question that are taken for mistyped.
const WORDS: usize = 8;

/// What may have been meant by words that no row has: everything one edit away.
pub(super) fn alternatives(words: &[String], statistics: &Statistics) -> Vec<String> {
    let unknown = words.iter().filter(|word| {
        !statistics.rows.contains_key(*word)
            && (LETTERS..=MOST_LETTERS).contains(&word.chars().count())
    });
    let mut edits: Vec<String> = unknown
        .take(WORDS)
        .flat_map(|word| one_edit_from(word))
        .collect();
    edits.sort_unstable();
    edits.dedup();
    edits
}
