//! Spans of texts and their labels: a tagger, which `transformers` calls a model for token classification.

mod decoding;
pub(crate) mod labels;
mod load;
pub(crate) mod settings;

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use kernels::Precision;

use crate::backend::Device;
use crate::batch::{BatchCost, BatchLimit, TokenBatch, plan_batches};
use crate::bucket::padded_length;
use crate::concurrency;
use crate::error::{ModelError, Result};
use crate::heads::builder::HeadBuilder;
use crate::sentence_encoder::Progress;
use crate::sentence_encoder::on_backend::PooledVectors;
use crate::threads;
use crate::tokenizer::{PlacedTokens, SentenceTokenizer};

use decoding::Decoding;
pub use labels::{Tag, TagLabels};
pub use settings::TaggerSettings;

/// A tagger on a device: it finds spans of a text, such as its brand and its colour.
///
/// The folder is that of a `*ForTokenClassification` whose outputs are `O`, and `B-` and `I-` of every label.
///
/// # Examples
///
/// ```
/// use model::{Device, TagOptions, Tagger};
///
/// let tagger = Tagger::builder().device(Device::Auto).load("tests/fixtures/taggers/mpnet")?;
/// let text = "acme red kettle";
/// let tagged = tagger.tag(&[text], &TagOptions::default())?;
/// for span in &tagged.spans[0] {
///     println!("{}: {} ({:.2})", span.label, span.text_in(text), span.score);
/// }
/// # Ok::<(), model::ModelError>(())
/// ```
pub struct Tagger {
    notes: Vec<String>,
    tokenizer: SentenceTokenizer,
    network: Box<dyn PooledVectors>,
    pad_token_id: u32,
    labels: TagLabels,
    settings: TaggerSettings,
    single_valued: Vec<bool>,
    /// The labels of each category.
    masks: BTreeMap<String, Vec<bool>>,
    identity: String,
    device: Device,
    precision: Precision,
    limit: BatchLimit,
}

/// A part of a text with a label.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Span {
    /// Where it begins in the text, in Unicode scalar values from 0.
    pub start: usize,
    /// Where it ends: the position behind its last character.
    pub end: usize,
    /// Its label.
    pub label: String,
    /// The probability of its least probable tag, in `(0, 1]`.
    pub score: f32,
}

impl Span {
    /// A span of a text.
    #[must_use]
    pub fn new(start: usize, end: usize, label: impl Into<String>, score: f32) -> Self {
        Self {
            start,
            end,
            label: label.into(),
            score,
        }
    }

    /// The value: the characters of the text that the span covers.
    #[must_use]
    pub fn text_in<'a>(&self, text: &'a str) -> &'a str {
        let mut bounds = text
            .char_indices()
            .map(|(byte, _)| byte)
            .chain([text.len()]);
        let start = bounds.nth(self.start).unwrap_or(text.len());
        let length = self.end.saturating_sub(self.start);
        let end = match length.checked_sub(1) {
            Some(further) => bounds.nth(further).unwrap_or(text.len()),
            None => start,
        };
        &text[start..end]
    }
}

/// What is asked of a [`Tagger`].
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct TagOptions<'a> {
    /// The category of each text, which limits its labels where the tagger knows the category; empty for none.
    pub categories: Vec<Option<&'a str>>,
    /// Least score of a span; 0 keeps all.
    pub threshold: f32,
}

/// What a [`Tagger`] says about texts.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct TaggedTexts {
    /// The spans of each text, in its order; they do not overlap.
    pub spans: Vec<Vec<Span>>,
    /// Number of texts that were truncated to the maximum length: their ends have no spans.
    pub truncated: usize,
}

/// The logits of the tokens of a text, as the network gives them.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct TokenLogits {
    /// Where each token is in the text, as in [`PlacedTokens`](crate::parts::PlacedTokens); tokens without a place are left
    /// out.
    pub places: Vec<(usize, usize)>,
    /// `[tokens, outputs]`, in the order of [`TagLabels::outputs`].
    pub values: Vec<f32>,
}

impl Tagger {
    /// Settings to change before loading.
    pub fn builder() -> HeadBuilder<Self> {
        HeadBuilder::new()
    }

    /// The spans of texts, in their order.
    ///
    /// # Errors
    ///
    /// When the device fails (out of memory, for example).
    pub fn tag<S: AsRef<str> + Sync>(
        &self,
        texts: &[S],
        options: &TagOptions<'_>,
    ) -> Result<TaggedTexts> {
        self.tag_with_progress(texts, options, |_| ControlFlow::Continue(()))
    }

    /// [`tag`](Self::tag) with a callback after every batch, which may stop the work.
    ///
    /// # Errors
    ///
    /// As [`tag`](Self::tag), and [`ModelError::Interrupted`] when the callback breaks.
    pub fn tag_with_progress<S: AsRef<str> + Sync>(
        &self,
        texts: &[S],
        options: &TagOptions<'_>,
        progress: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<TaggedTexts> {
        let mut spans = vec![Vec::new(); texts.len()];
        let decode = |text: usize, logits: &TokenLogits| {
            let category = options.categories.get(text).copied().flatten();
            self.decode_above(
                logits,
                category,
                self.settings.temperature,
                options.threshold,
            )
        };
        let take = |text: usize, found| spans[text] = found;
        let truncated = self.each_text(texts, decode, take, progress)?;
        Ok(TaggedTexts { spans, truncated })
    }

    /// The logits of texts, in their order.
    ///
    /// # Errors
    ///
    /// As [`tag_with_progress`](Self::tag_with_progress).
    pub fn logits<S: AsRef<str> + Sync>(
        &self,
        texts: &[S],
        progress: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Vec<TokenLogits>> {
        let mut logits = vec![TokenLogits::default(); texts.len()];
        let take = |text: usize, found| logits[text] = found;
        self.each_text(texts, |_, logits| logits.clone(), take, progress)?;
        Ok(logits)
    }

    /// Computes all texts in batches; `read` turns the logits of a text into what `take` gets. Returns the number of
    /// truncated texts.
    fn each_text<S: AsRef<str> + Sync, R: Send>(
        &self,
        texts: &[S],
        read: impl Fn(usize, &TokenLogits) -> R + Sync,
        mut take: impl FnMut(usize, R),
        mut progress: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<usize> {
        let tokens = self.tokenizer.encode_with_places(texts)?;
        let lengths = tokens.iter().map(|text| self.places(text.ids.len()));
        let lengths: Vec<usize> = lengths.collect();
        let gpu = self.device.is_gpu();
        let (mut done, total) = (0, texts.len());
        concurrency::for_each(
            &plan_batches(&lengths, self.limit, gpu.then_some(BatchCost::GPU)),
            if gpu { 1 } else { threads::count() },
            |batch| {
                let logits = self.batch_logits(&tokens, batch)?;
                let read = batch
                    .iter()
                    .zip(&logits)
                    .map(|(&text, logits)| read(text, logits));
                Ok(read.collect::<Vec<R>>())
            },
            |batch, of_batch| {
                for (&text, result) in batch.iter().zip(of_batch) {
                    take(text, result);
                }
                done += batch.len();
                match progress(Progress { done, total }) {
                    ControlFlow::Continue(()) => Ok(()),
                    ControlFlow::Break(()) => Err(ModelError::Interrupted),
                }
            },
        )?;
        Ok(tokens.iter().filter(|text| text.truncated).count())
    }

    /// The logits of the texts of a batch.
    fn batch_logits(&self, tokens: &[PlacedTokens], batch: &[usize]) -> Result<Vec<TokenLogits>> {
        let ids = batch.iter().map(|&text| tokens[text].ids.as_slice());
        let count: usize = ids.clone().map(<[u32]>::len).sum();
        let padded = |longest| self.places(longest);
        let padded = TokenBatch::with_length(ids, self.pad_token_id, padded);
        let values = self.network.pooled(&padded)?;
        let outputs = self.labels.outputs().len();
        if values.len() != count * outputs {
            let source = format!("{} logits came back for {count} tokens", values.len());
            return Err(ModelError::Compute {
                device: self.device.to_string(),
                source: source.into(),
            });
        }
        let mut rows = values.chunks_exact(outputs);
        let of_text = |&text: &usize| {
            let mut logits = TokenLogits::default();
            for (place, row) in tokens[text].places.iter().zip(rows.by_ref()) {
                if let Some(place) = place {
                    logits.places.push(*place);
                    logits.values.extend_from_slice(row);
                }
            }
            logits
        };
        Ok(batch.iter().map(of_text).collect())
    }

    /// The spans that [`logits`](Self::logits) of a text mean at a temperature, in the order of the text.
    #[must_use]
    pub fn decode(
        &self,
        logits: &TokenLogits,
        category: Option<&str>,
        temperature: f64,
    ) -> Vec<Span> {
        self.decode_above(logits, category, temperature, 0.0)
    }

    fn decode_above(
        &self,
        logits: &TokenLogits,
        category: Option<&str>,
        temperature: f64,
        threshold: f32,
    ) -> Vec<Span> {
        let mask = category.and_then(|category| self.masks.get(category));
        let starts = logits.places.iter().map(|place| place.0);
        let ends = logits.places.iter().map(|place| place.1);
        let continued = starts.zip([0].into_iter().chain(ends));
        let continued: Vec<bool> = continued.map(|(start, before)| start < before).collect();
        let decoding = Decoding {
            labels: &self.labels,
            temperature: temperature as f32,
            allowed: mask.map(Vec::as_slice),
            single_valued: &self.single_valued,
            threshold,
            continued: &continued,
        };
        let spans = decoding.spans(&logits.values).into_iter();
        spans
            .map(|span| Span {
                start: logits.places[span.tokens[0]].0,
                end: logits.places[span.tokens[1]].1,
                label: self.labels.labels()[span.label].clone(),
                score: span.score,
            })
            .collect()
    }

    /// Padded length of a batch whose longest text has `length` tokens.
    fn places(&self, length: usize) -> usize {
        if self.device.is_gpu() {
            padded_length(length, self.tokenizer.max_length())
        } else {
            length
        }
    }

    /// The labels, and the tags of the outputs.
    #[must_use]
    pub fn labels(&self) -> &TagLabels {
        &self.labels
    }

    /// What the tagger knows beside its weights.
    #[must_use]
    pub fn settings(&self) -> &TaggerSettings {
        &self.settings
    }

    /// A hash of the files that decide on spans, as [`Checkpoint::identity`](crate::Checkpoint::identity).
    #[must_use]
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// Notes for the user about the finding of the model, a sentence each.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The selected device; never [`Device::Auto`].
    #[must_use]
    pub fn device(&self) -> Device {
        self.device
    }

    /// The selected precision, or that of the model's file.
    #[must_use]
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The tokenizer.
    #[must_use]
    pub fn tokenizer(&self) -> &SentenceTokenizer {
        &self.tokenizer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_cut_out_by_characters() {
        let span = |start, end| Span {
            start,
            end,
            label: String::new(),
            score: 1.0,
        };
        let text = "Bär „Öl“ 1 l";
        for (start, end, value) in [
            (0, 3, "Bär"),
            (4, 8, "„Öl“"),
            (9, 12, "1 l"),
            (3, 3, ""),
            (12, 12, ""),
        ] {
            assert_eq!(span(start, end).text_in(text), value);
        }
        assert_eq!(span(9, 99).text_in(text), "1 l");
        assert_eq!(span(99, 120).text_in(text), "");
    }
}
