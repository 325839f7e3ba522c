//! Embedding of texts with a progress callback.

use std::ops::ControlFlow;

use model::{Embeddings, ModelError, Prompt, SentenceEncoder};
use search::{Similarity, VectorsView, pairwise_similarity};

use super::error::EvaluationError;

/// Number of pairs whose vectors are copied together: 2 x 1,024 rows of 768 values are 6 MiB.
const BLOCK_PAIRS: usize = 1024;

/// Progress of an evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Number of embedded texts.
    pub done: usize,
    /// Number of texts of the evaluation.
    pub total: usize,
}

/// An encoder of texts: a [`SentenceEncoder`], or a network in training.
pub trait TextEncoder {
    /// Width of the vectors.
    fn width(&self) -> usize;

    /// The similarity of its vectors.
    fn similarity(&self) -> Similarity {
        Similarity::Cosine
    }

    /// The vectors of `texts` behind a prompt, in their order, row-major `[texts, width]`, of any norm. Calls
    /// `progress` with the number of embedded texts after every batch.
    ///
    /// # Errors
    ///
    /// Errors of the device; [`ModelError::Interrupted`] if `progress` breaks.
    fn encode_texts(
        &self,
        texts: &[&str],
        prompt: &Prompt,
        progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<Vec<f32>, ModelError>;
}

impl TextEncoder for SentenceEncoder {
    fn width(&self) -> usize {
        self.width()
    }

    fn similarity(&self) -> Similarity {
        self.similarity()
    }

    fn encode_texts(
        &self,
        texts: &[&str],
        prompt: &Prompt,
        progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<Vec<f32>, ModelError> {
        self.encode_with_progress(texts, prompt, |batch| progress(batch.done))
            .map(Embeddings::into_values)
    }
}

/// The encoder during one evaluation, with a count of its texts.
pub(super) struct Encoding<'a> {
    encoder: &'a dyn TextEncoder,
    progress: &'a mut dyn FnMut(Progress) -> ControlFlow<()>,
    done: usize,
    total: usize,
}

impl<'a> Encoding<'a> {
    /// `total` is the number of texts of the evaluation.
    pub(super) fn new(
        encoder: &'a dyn TextEncoder,
        progress: &'a mut dyn FnMut(Progress) -> ControlFlow<()>,
        total: usize,
    ) -> Self {
        Self {
            encoder,
            progress,
            done: 0,
            total,
        }
    }

    /// The vectors of texts behind a prompt.
    pub(super) fn encode<S: AsRef<str>>(
        &mut self,
        texts: &[S],
        prompt: &Prompt,
    ) -> Result<Vectors, EvaluationError> {
        let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
        let width = self.encoder.width();
        let (before, total) = (self.done, self.total);
        let values = self.encoder.encode_texts(&texts, prompt, &mut |done| {
            (self.progress)(Progress {
                done: before + done,
                total,
            })
        })?;
        self.done += texts.len();
        Ok(Vectors {
            values,
            width,
            similarity: self.encoder.similarity(),
        })
    }

    /// Calls the callback while vectors are compared, so that it can interrupt.
    pub(super) fn check_interrupted(&mut self) -> Result<(), EvaluationError> {
        let (done, total) = (self.done, self.total);
        match (self.progress)(Progress { done, total }) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(EvaluationError::Interrupted),
        }
    }
}

/// Vectors of texts, row-major `[texts, width]`.
pub(super) struct Vectors {
    values: Vec<f32>,
    width: usize,
    similarity: Similarity,
}

impl Vectors {
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// Number of texts.
    pub(super) fn len(&self) -> usize {
        self.values.len().checked_div(self.width).unwrap_or(0)
    }

    /// The similarity of the encoder.
    pub(super) fn similarity(&self) -> Similarity {
        self.similarity
    }

    /// The rows `from..to`.
    pub(super) fn range(&self, from: usize, to: usize) -> Result<VectorsView<'_>, EvaluationError> {
        let values = &self.values[from * self.width..to * self.width];
        Ok(VectorsView::new(values, self.width)?)
    }

    /// The values of all rows.
    pub(super) fn into_values(self) -> Vec<f32> {
        self.values
    }

    /// All rows.
    pub(super) fn view(&self) -> Result<VectorsView<'_>, EvaluationError> {
        Ok(VectorsView::new(&self.values, self.width)?)
    }

    /// Copies rows into one buffer.
    pub(super) fn gather(&self, rows: &[usize]) -> Vec<f32> {
        let mut values = Vec::with_capacity(rows.len() * self.width);
        for row in rows {
            values.extend_from_slice(&self.values[row * self.width..][..self.width]);
        }
        values
    }

    /// Similarity of row `left[i]` with row `right[i]`, for every `i`.
    pub(super) fn pair_similarities(
        &self,
        left: &[usize],
        right: &[usize],
    ) -> Result<Vec<f32>, EvaluationError> {
        let mut similarities = Vec::with_capacity(left.len());
        for (left, right) in left.chunks(BLOCK_PAIRS).zip(right.chunks(BLOCK_PAIRS)) {
            let (left, right) = (self.gather(left), self.gather(right));
            similarities.extend(pairwise_similarity(
                VectorsView::new(&left, self.width)?,
                VectorsView::new(&right, self.width)?,
                self.similarity,
            )?);
        }
        Ok(similarities)
    }
}
