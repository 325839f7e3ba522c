//! Spans of a tagger against those of a file: strict span F1 as `seqeval` (IOB2, strict) computes it, per label, and F1 of
//! values.

use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;

use model::parts::Progress;
use model::{Span, TagOptions, Tagger};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::error::{EvaluationError, SetupError};
use super::scores::Scores;
use crate::data::{Known, LabelledSpan, TextTable, normalised_hash, value};

/// A label, and a hash of a value in lower case.
type LabelledValue = (String, u64);

/// Texts with their right spans.
#[derive(Clone, Debug, Default)]
pub(crate) struct TagEvaluator {
    pub(crate) texts: Vec<String>,
    pub(crate) categories: Vec<Option<String>>,
    /// The right spans of each text: start, end and label.
    gold: Vec<Vec<(usize, usize, String)>>,
    /// Further places of their values, where a span is neither right nor wrong.
    repeats: Vec<Vec<(usize, usize, String)>>,
    /// The labels of each text that are not open.
    known: Vec<Known>,
    /// The values of training; `None` if they are not known.
    seen: Option<HashSet<LabelledValue>>,
}

/// How many spans were found, and how many of them are right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SpanCounts {
    /// Spans that are both right and found.
    pub(crate) correct: usize,
    /// Found spans.
    pub(crate) found: usize,
    /// Right spans: the support.
    pub(crate) gold: usize,
}

impl SpanCounts {
    /// The share of found spans that are right; 0 without any, as in `seqeval`.
    pub(crate) fn precision(self) -> f64 {
        self.correct as f64 / self.found.max(1) as f64
    }

    /// The share of right spans that are found; 0 without any.
    pub(crate) fn recall(self) -> f64 {
        self.correct as f64 / self.gold.max(1) as f64
    }

    /// The harmonic mean of both; 0 if both are.
    pub(crate) fn f1(self) -> f64 {
        2.0 * self.correct as f64 / (self.found + self.gold).max(1) as f64
    }
}

impl Serialize for SpanCounts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(4))?;
        map.serialize_entry("precision", &self.precision())?;
        map.serialize_entry("recall", &self.recall())?;
        map.serialize_entry("f1", &self.f1())?;
        map.serialize_entry("support", &self.gold)?;
        map.end()
    }
}

/// The scores of a tagger.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct TagScores {
    /// All spans: a span is right if start, end and label are.
    pub(crate) spans: SpanCounts,
    /// The same of each label.
    pub(crate) labels: BTreeMap<String, SpanCounts>,
    /// Values, of the labels that a text has: a span with another label costs nothing (ExtractGPT's rule).
    pub(crate) values: SpanCounts,
    /// Spans whose values are not in training; `None` if its values are not known. Without such a right span it says nothing.
    pub(crate) unseen: Option<SpanCounts>,
    /// Number of texts that were truncated: in their ends nothing is found.
    pub(crate) truncated: usize,
}

impl TagScores {
    /// The metrics, strict F1 of spans first.
    pub(crate) fn scores(&self) -> Scores {
        let scores = Scores::new("span_f1", self.spans.f1())
            .with("span_precision", self.spans.precision())
            .with("span_recall", self.spans.recall())
            .with("value_f1", self.values.f1());
        match self.unseen.filter(|unseen| unseen.gold > 0) {
            Some(unseen) => scores.with("unseen_f1", unseen.f1()),
            None => scores,
        }
    }
}

impl TagEvaluator {
    /// The evaluator of some rows of texts with spans. It copies the texts.
    ///
    /// # Errors
    ///
    /// There are no rows.
    pub(crate) fn of_rows(table: &TextTable, rows: &[usize]) -> Result<Self, SetupError> {
        if rows.is_empty() {
            return Err(SetupError::Empty { what: "rows" });
        }
        let annotations = &table.annotations;
        let name = |label: usize| annotations.labels[label].clone();
        let mut evaluator = Self::default();
        for &row in rows {
            let annotation = &annotations.rows[row];
            let named = |spans: &[LabelledSpan]| {
                let spans = spans.iter();
                let named = spans.map(|span| (span.start, span.end, name(span.label)));
                named.collect::<Vec<_>>()
            };
            evaluator.texts.push(table.text(row, 0).to_owned());
            evaluator.categories.push(annotation.category.clone());
            evaluator.gold.push(named(&annotation.spans));
            evaluator.repeats.push(named(&annotation.repeats));
            evaluator.known.push(annotation.known.clone());
        }
        Ok(evaluator)
    }

    /// The evaluator, which also scores spans whose values these rows do not have.
    pub(crate) fn with_training(mut self, table: &TextTable) -> Self {
        let rows = table.annotations.rows.iter().enumerate();
        let values = rows.flat_map(|(row, annotation)| {
            let text = table.text(row, 0);
            annotation.spans.iter().map(move |span| {
                let label = table.annotations.labels[span.label].clone();
                (label, normalised_hash(&value(text, span.start, span.end)))
            })
        });
        self.seen.get_or_insert_default().extend(values);
        self
    }

    /// The scores of a tagger.
    ///
    /// # Errors
    ///
    /// The model fails, or the callback breaks.
    pub(crate) fn evaluate(
        &self,
        tagger: &Tagger,
        threshold: f32,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<TagScores, EvaluationError> {
        let mut options = TagOptions::default();
        options.categories = self.categories.iter().map(Option::as_deref).collect();
        options.threshold = threshold;
        let tagged = tagger.tag_with_progress(&self.texts, &options, progress)?;
        Ok(TagScores {
            truncated: tagged.truncated,
            ..self.score(&tagged.spans)
        })
    }

    /// These spans of a text, and whether each is right. Left out are those of which nothing says it: further spans of an open
    /// label, and those where the text has a value again.
    pub(crate) fn judged<'a>(
        &'a self,
        text: usize,
        spans: &'a [Span],
    ) -> impl Iterator<Item = (&'a Span, bool)> {
        let judged = self.judged_values(text, spans);
        judged.filter(move |(span, right)| *right || !has(&self.repeats[text], span))
    }

    /// The same, with the spans where the text has a value again: the value is right there, too.
    fn judged_values<'a>(
        &'a self,
        text: usize,
        spans: &'a [Span],
    ) -> impl Iterator<Item = (&'a Span, bool)> {
        let judged = spans.iter();
        let judged = judged.map(move |span| (span, has(&self.gold[text], span)));
        judged.filter(move |(span, right)| *right || !self.known[text].is_open(&span.label))
    }

    /// The scores of the spans of all texts.
    pub(crate) fn score(&self, found: &[Vec<Span>]) -> TagScores {
        let mut scores = TagScores {
            unseen: self.seen.as_ref().map(|_| SpanCounts::default()),
            ..TagScores::default()
        };
        for (text, found) in found.iter().enumerate() {
            for (span, right) in self.judged(text, found) {
                let is_unseen = self.is_unseen(text, span.start, span.end, &span.label);
                scores.each(&span.label, is_unseen, |counts| {
                    counts.found += 1;
                    counts.correct += usize::from(right);
                });
            }
            for (start, end, label) in &self.gold[text] {
                let is_unseen = self.is_unseen(text, *start, *end, label);
                scores.each(label, is_unseen, |counts| counts.gold += 1);
            }
            let of_text = |start: usize, end: usize, label: &str| {
                (label.to_owned(), value(&self.texts[text], start, end))
            };
            let gold = self.gold[text]
                .iter()
                .map(|(start, end, label)| of_text(*start, *end, label));
            let gold: HashSet<(String, String)> = gold.collect();
            let labels: HashSet<&String> = gold.iter().map(|(label, _)| label).collect();
            let found = self.judged_values(text, found);
            let found = found.filter(|(span, _)| labels.contains(&span.label));
            let found: HashSet<_> = found
                .map(|(span, _)| of_text(span.start, span.end, &span.label))
                .collect();
            scores.values.gold += gold.len();
            scores.values.found += found.len();
            scores.values.correct += gold.intersection(&found).count();
        }
        scores
    }

    fn is_unseen(&self, text: usize, start: usize, end: usize, label: &str) -> bool {
        self.seen.as_ref().is_some_and(|seen| {
            let hash = normalised_hash(&value(&self.texts[text], start, end));
            !seen.contains(&(label.to_owned(), hash))
        })
    }
}

/// Whether a span is one of these.
fn has(spans: &[(usize, usize, String)], span: &Span) -> bool {
    let mut spans = spans.iter();
    spans.any(|(start, end, label)| (*start, *end, label) == (span.start, span.end, &span.label))
}

impl TagScores {
    /// Changes the counts that a span belongs to.
    fn each(&mut self, label: &str, is_unseen: bool, change: impl Fn(&mut SpanCounts)) {
        change(&mut self.spans);
        change(self.labels.entry(label.to_owned()).or_default());
        if let (Some(unseen), true) = (&mut self.unseen, is_unseen) {
            change(unseen);
        }
    }
}

#[cfg(test)]
mod tests;
