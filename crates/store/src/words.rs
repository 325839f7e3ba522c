//! The words of texts as PostgreSQL's `tsvector`, and BM25 of what it returns.
//!
//! The words are made by this program and not by PostgreSQL's own parser: so they are those of an index on disk, the
//! same in every database whatever its language, and part numbers are not taken apart at their signs.

use std::collections::BTreeMap;

use bytes::{BufMut, BytesMut};

use search::index::Settings;
use search::words::Analyzer;

/// BM25's constants, those of an index on disk.
const K1: f64 = 1.2;
const B: f64 = 0.75;

/// The last position that a `tsvector` can name.
const LAST_POSITION: u16 = 16_383;

/// The most positions of a word that a `tsvector` keeps.
const POSITIONS: usize = 255;

/// The most bytes of words that a row's `tsvector` takes are 1 MB, with their positions: words behind so many are not
/// found.
const WORDS_BYTES: usize = 500_000;

/// The labels of the text columns.
pub(crate) const LABELS: [char; 4] = ['A', 'B', 'C', 'D'];

/// The words of a row with their positions and columns.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct RowWords {
    /// A position's upper two bits are the column: 3 for the first one (`A`).
    words: BTreeMap<String, Vec<u16>>,
    /// The number of words of every column.
    pub(crate) lengths: Vec<i32>,
}

impl RowWords {
    pub(crate) fn of(analyzer: &Analyzer, texts: &[String]) -> Self {
        let mut row = Self::default();
        let (mut position, mut bytes) = (0, 0);
        for (column, text) in texts.iter().enumerate() {
            let label = 3 - column.min(3) as u16;
            let words = analyzer.words(text);
            row.lengths
                .push(i32::try_from(words.len()).unwrap_or(i32::MAX));
            for word in words {
                bytes += word.text.len() + 4;
                if bytes > WORDS_BYTES && !row.words.contains_key(&word.text) {
                    continue;
                }
                position = LAST_POSITION.min(position + 1);
                let entry = label << 14 | position;
                let positions = row.words.entry(word.text).or_default();
                // Positions ascend, whatever their labels: words behind the last one count once.
                if positions.len() < POSITIONS
                    && positions
                        .last()
                        .is_none_or(|last| last & LAST_POSITION < position)
                {
                    positions.push(entry);
                }
            }
        }
        row
    }
}

impl RowWords {
    /// As PostgreSQL's `tsvectorrecv` reads it.
    pub(crate) fn put(&self, out: &mut BytesMut) {
        // The numbers fit: texts and positions are limited.
        out.put_u32(self.words.len() as u32);
        for (word, positions) in &self.words {
            out.put_slice(word.as_bytes());
            out.put_u8(0);
            out.put_u16(positions.len() as u16);
            for &position in positions {
                out.put_u16(position);
            }
        }
    }
}

/// How often words occur in all rows of all shards.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Statistics {
    /// The number of rows.
    pub(crate) documents: f64,
    /// The number of words in all rows, for every text column.
    pub(crate) lengths: Vec<f64>,
    /// For each word of a question, the rows with it, for every text column.
    pub(crate) rows: BTreeMap<String, Vec<f64>>,
}

impl Statistics {
    /// Adds those of another shard.
    pub(crate) fn add(&mut self, other: &Self) {
        self.documents += other.documents;
        add(&mut self.lengths, &other.lengths);
        for (word, rows) in &other.rows {
            add(self.rows.entry(word.clone()).or_default(), rows);
        }
    }

    /// How much a word in a column tells, by the number of rows that have it there.
    pub(crate) fn rarity(&self, word: &str, column: usize) -> f64 {
        let rows = self.rows.get(word).and_then(|rows| rows.get(column));
        let rows = rows.copied().unwrap_or(0.0).min(self.documents);
        (1.0 + (self.documents - rows + 0.5) / (rows + 0.5)).ln()
    }

    /// The mean number of words of a column.
    pub(crate) fn mean_length(&self, column: usize) -> f64 {
        let words = self.lengths.get(column).copied().unwrap_or(0.0);
        (words / self.documents.max(1.0)).max(1e-9)
    }

    /// BM25 of a row: for every word of the question that it has, the columns of its positions as labels.
    pub(crate) fn score(
        &self,
        settings: &Settings,
        words: &[(String, String)],
        lengths: &[i32],
    ) -> f32 {
        let mut score = 0.0;
        for (word, labels) in words {
            for (column, settings) in settings.text_columns.iter().enumerate() {
                let label = LABELS[column.min(3)];
                let count = labels.chars().filter(|&found| found == label).count() as f64;
                if count > 0.0 {
                    let length = f64::from(lengths.get(column).copied().unwrap_or(0));
                    let norm = K1 * (1.0 - B + B * length / self.mean_length(column));
                    score += f64::from(settings.weight)
                        * self.rarity(word, column)
                        * (count * (K1 + 1.0) / (count + norm));
                }
            }
        }
        score as f32
    }
}

fn add(to: &mut Vec<f64>, from: &[f64]) {
    to.resize(to.len().max(from.len()), 0.0);
    for (to, from) in to.iter_mut().zip(from) {
        *to += from;
    }
}

/// A word as a `tsquery` writes it.
pub(crate) fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\\', "\\\\").replace('\'', "''"))
}

/// Words of which one must occur, as a `tsquery`.
pub(crate) fn any_of(words: &[String]) -> String {
    words
        .iter()
        .map(|word| quoted(word))
        .collect::<Vec<_>>()
        .join(" | ")
}

/// Everything that is one edit from a word, in the letters of the word and of English: the word itself is not in it.
pub(crate) fn one_edit_from(word: &str) -> Vec<String> {
    let letters: Vec<char> = word.chars().collect();
    let mut alphabet: Vec<char> = ('a'..='z')
        .chain('0'..='9')
        .chain(letters.iter().copied())
        .collect();
    alphabet.sort_unstable();
    alphabet.dedup();
    let mut edits = Vec::new();
    let mut push = |edit: Vec<char>| edits.push(edit.into_iter().collect::<String>());
    for place in 0..=letters.len() {
        for &letter in &alphabet {
            let mut edit = letters.clone();
            edit.insert(place, letter);
            push(edit);
            if place < letters.len() {
                let mut edit = letters.clone();
                edit[place] = letter;
                push(edit);
            }
        }
        if place < letters.len() {
            let mut edit = letters.clone();
            edit.remove(place);
            push(edit);
        }
        if place + 1 < letters.len() {
            let mut edit = letters.clone();
            edit.swap(place, place + 1);
            push(edit);
        }
    }
    edits.sort_unstable();
    edits.dedup();
    edits.retain(|edit| edit != word);
    edits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_of_a_word() {
        let edits = one_edit_from("cd");
        for edit in ["c", "d", "dc", "xd", "cx", "xcd", "cxd", "cdx", "ccd"] {
            assert!(edits.iter().any(|found| found == edit), "{edit}");
        }
        assert!(!edits.iter().any(|found| found == "cd" || found == "xy"));
    }

    #[test]
    fn words_in_a_query_are_quoted() {
        assert_eq!(
            any_of(&["a'b".to_owned(), "c\\d".to_owned()]),
            "'a''b' | 'c\\\\d'"
        );
    }

    #[test]
    fn a_rare_word_tells_more() {
        let statistics = Statistics {
            documents: 100.0,
            lengths: vec![500.0],
            rows: [
                ("rare".to_owned(), vec![1.0]),
                ("common".to_owned(), vec![90.0]),
            ]
            .into(),
        };
        assert_eq!(statistics.mean_length(0), 5.0);
        // ln(1 + 99.5 / 1.5) and ln(1 + 10.5 / 90.5).
        assert!((statistics.rarity("rare", 0) - 4.2096).abs() < 1e-4);
        assert!((statistics.rarity("common", 0) - 0.1098).abs() < 1e-4);
    }
}
