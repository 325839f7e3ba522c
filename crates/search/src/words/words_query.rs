//! A query's words, looked up in all segments.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

use tantivy::Term;
use tantivy::query::{Bm25Weight, FuzzyTermQuery};

use super::analyzer::{Analyzer, QueryWord};
use super::error::WordsError;
use super::language::Language;
use super::segment::Words;

/// Words that are searched for a mistyped one: the most frequent of those within an edit.
const MOST_CORRECTIONS: usize = 3;

/// The words of a query with their weights, which depend on how often they occur in all segments.
#[derive(Clone)]
pub struct WordsQuery {
    analyzer: Analyzer,
    pub(super) terms: Vec<QueryTerm>,
}

#[derive(Clone)]
pub(super) struct QueryTerm {
    pub(super) text: String,
    /// By field; none where no row has the word, or the field counts nothing.
    pub(super) weights: Vec<Option<Bm25Weight>>,
}

impl std::fmt::Debug for WordsQuery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WordsQuery")
            .field("words", &self.words().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

impl WordsQuery {
    /// Prepares a text for the segments of an index, which have the same settings. All of the text is words: it has no
    /// operators. `typos`: words of letters, from five letters on, that no row has also find what is one edit away.
    ///
    /// # Errors
    ///
    /// [`WordsError::Read`] if a segment is damaged.
    pub fn new(text: &str, segments: &[&Words], typos: bool) -> Result<Self, WordsError> {
        let language = segments
            .first()
            .map_or(Language::None, |words| words.settings.language);
        let analyzer = Analyzer::new(language);
        let statistics = Statistics::of(segments);
        let mut terms = Vec::new();
        let mut seen = HashSet::new();
        for word in analyzer.query_words(text) {
            let rows = statistics.rows_with(&word.text)?;
            let found = rows.iter().any(|&rows| rows > 0);
            let alternatives = match found {
                true => vec![(word.text, rows)],
                false if typos => statistics.corrections(&word)?,
                false => Vec::new(),
            };
            for (text, rows) in alternatives {
                if seen.insert(text.clone()) {
                    let weights = statistics.weights(&rows);
                    terms.push(QueryTerm { text, weights });
                }
            }
        }
        Ok(Self { analyzer, terms })
    }

    /// The words that rows are searched for, in the form in which words are compared.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.terms.iter().map(|term| term.text.as_str())
    }

    /// Where words of the query are in a text: ranges of its bytes, in order and apart.
    #[must_use]
    pub fn highlights(&self, text: &str) -> Vec<Range<usize>> {
        self.analyzer.highlights(text, &self.words().collect())
    }
}

/// What BM25 needs to know of all segments together.
struct Statistics<'a> {
    segments: &'a [&'a Words],
    rows: u64,
    /// By field, the number of words in all rows.
    words: Vec<u64>,
    /// By field.
    factors: Vec<f32>,
}

impl<'a> Statistics<'a> {
    fn of(segments: &'a [&'a Words]) -> Self {
        let fields = segments
            .first()
            .map_or(&[][..], |words| words.settings.fields.as_slice());
        let words = |field: usize| {
            let of_segment = |words: &&Words| {
                words
                    .fields
                    .get(field)
                    .map_or(0, |field| field.terms.total_num_tokens())
            };
            segments.iter().map(of_segment).sum()
        };
        Self {
            segments,
            rows: segments.iter().map(|words| u64::from(words.rows())).sum(),
            words: (0..fields.len()).map(words).collect(),
            factors: fields.iter().map(|field| field.weight).collect(),
        }
    }

    /// By field, the number of rows with a word.
    fn rows_with(&self, word: &str) -> Result<Vec<u64>, WordsError> {
        let mut rows = vec![0; self.factors.len()];
        for words in self.segments {
            for (rows, field) in rows.iter_mut().zip(&words.fields) {
                let term = Term::from_field_text(field.field, word);
                *rows += u64::from(words.guarded(|| Ok(field.terms.doc_freq(&term)?))?);
            }
        }
        Ok(rows)
    }

    fn weights(&self, rows: &[u64]) -> Vec<Option<Bm25Weight>> {
        let of_field = |(field, &rows): (usize, &u64)| {
            let factor = self.factors[field];
            if rows == 0 || factor == 0.0 {
                return None;
            }
            let mean_length = self.words[field] as f32 / self.rows as f32;
            // A damaged file may have more; BM25 must not.
            let rows = rows.min(self.rows);
            Some(
                Bm25Weight::for_one_term_without_explain(rows, self.rows, mean_length)
                    .boost_by(factor),
            )
        };
        rows.iter().enumerate().map(of_field).collect()
    }

    /// The most frequent words within one edit of a mistyped word. They all count as much as the most frequent, so that
    /// a row with another typing error does not come first for being rare.
    fn corrections(&self, word: &QueryWord) -> Result<Vec<(String, Vec<u64>)>, WordsError> {
        let mut found: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for form in &word.mistyped {
            let mut near = BTreeMap::new();
            for words in self.segments {
                words.guarded(|| self.add_within_one_edit(form, words, &mut near))?;
            }
            // A word near both forms is the same word: its rows count once.
            found.extend(near);
        }
        let mut found: Vec<(String, Vec<u64>)> = found.into_iter().collect();
        // Stable: of equally frequent ones the first of the alphabet.
        found.sort_by_key(|(_, rows)| Reverse(rows.iter().sum::<u64>()));
        found.truncate(MOST_CORRECTIONS);
        if let Some((_, most)) = found.first().cloned() {
            for (_, rows) in &mut found[1..] {
                for (rows, most) in rows.iter_mut().zip(&most) {
                    *rows = if *rows == 0 { 0 } else { (*rows).max(*most) };
                }
            }
        }
        Ok(found)
    }

    /// Adds the words of a segment that are one edit from a form, with their rows by field.
    fn add_within_one_edit(
        &self,
        form: &str,
        words: &Words,
        found: &mut BTreeMap<String, Vec<u64>>,
    ) -> Result<(), guard::BoxedError> {
        for (number, field) in words.fields.iter().enumerate() {
            let term = Term::from_field_text(field.field, form);
            let automaton = FuzzyTermQuery::new(term, 1, true).automaton()?;
            let mut stream = field.terms.terms().search(automaton).into_stream()?;
            while stream.advance() {
                let Ok(text) = std::str::from_utf8(stream.key()) else {
                    continue;
                };
                // `mouse2` is within an edit of `mouses`, but is a name and not what was meant.
                if text.contains(|c: char| c.is_ascii_digit()) {
                    continue;
                }
                let rows = found
                    .entry(text.to_owned())
                    .or_insert_with(|| vec![0; self.factors.len()]);
                rows[number] += u64::from(stream.value().doc_freq);
            }
        }
        Ok(())
    }
}
