//! A way from texts to vectors: tokenizer, network and settings. A model with a Router has several.

use std::ops::ControlFlow;
use std::sync::OnceLock;

use kernels::Precision;

use super::files::ModelFiles;
use super::on_backend::{Loaded, PooledVectors};
use crate::backend::Device;
use crate::batch::{BatchCost, BatchLimit, TokenBatch, plan_batches};
use crate::bucket::padded_length;
use crate::concurrency;
use crate::error::{ModelError, Result};
use crate::sentence_embeddings::{Embeddings, norm, normalize};
use crate::static_embedding::{StaticFolder, Table};
use crate::threads;
use crate::tokenizer::{SentenceTokenizer, TokenIds};

/// The part of a [`SentenceEncoder`](super::SentenceEncoder) that computes vectors: the whole model, or a route of its
/// Router.
pub struct Route {
    pub(super) name: String,
    pub(super) tokenizer: SentenceTokenizer,
    /// The tokenizer that truncates at the other side, where a caller has asked for one.
    pub(super) other_side: OnceLock<SentenceTokenizer>,
    pub(super) network: Network,
    pub(super) files: ModelFiles,
    pub(super) device: Device,
    pub(super) limit: BatchLimit,
    pub(super) finish: Finish,
    pub(super) precision: Precision,
}

/// What turns tokens into vectors.
pub(super) enum Network {
    /// An encoder, on a device.
    Encoder(Box<dyn PooledVectors>),
    /// The table of a static model.
    Table(Table),
}

impl Network {
    pub(super) fn encoder(loaded: Loaded) -> (Self, Precision) {
        (Self::Encoder(loaded.network), loaded.precision)
    }

    /// Reads the table of a static model, which computes in float32.
    pub(super) fn table(
        folder: &StaticFolder,
        precision: Option<Precision>,
    ) -> Result<(Self, Precision)> {
        match precision {
            None | Some(Precision::Float32) => {
                Ok((Self::Table(folder.table()?), Precision::Float32))
            }
            Some(precision) => Err(ModelError::StaticPrecision { precision }),
        }
    }
}

/// The dimensions of a vector that are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dimensions {
    pub(super) kept: usize,
    /// Whether normalisation follows the truncation, as with options of the caller. The model's own
    /// `truncate_dim` follows the model's own normalisation, as in sentence-transformers.
    pub(super) normalized_after: bool,
}

/// From a vector of the network to one for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Finish {
    /// Whether vectors are scaled to L2 norm 1.
    pub(super) normalize: bool,
    pub(super) dimensions: Dimensions,
}

impl Finish {
    /// Writes the kept dimensions of a vector, scaled if vectors are.
    pub(super) fn write(self, row: &[f32], kept: &mut [f32]) {
        let width = kept.len();
        kept.copy_from_slice(&row[..width]);
        if self.normalize {
            let measured = if self.dimensions.normalized_after {
                &row[..width]
            } else {
                row
            };
            normalize(kept, norm(measured));
        }
    }
}

impl Route {
    /// Its name in the Router; `None` for a model without a Router.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        Some(self.name.as_str()).filter(|name| !name.is_empty())
    }

    /// The tokenizer.
    #[must_use]
    pub fn tokenizer(&self) -> &SentenceTokenizer {
        &self.tokenizer
    }

    /// The id that fills a batch; `None` for a table, which has no batches.
    #[must_use]
    pub fn pad_token_id(&self) -> Option<u32> {
        self.files.is_encoder().then(|| self.files.padding().0)
    }

    /// The selected precision, or that of the model's file; float32 for a table.
    #[must_use]
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Whether vectors are scaled to L2 norm 1 by the model's files, whatever the builder chose.
    #[must_use]
    pub fn model_normalizes(&self) -> bool {
        self.files.normalize()
    }

    /// The vectors of `texts` behind a prompt.
    pub(super) fn encode<S: AsRef<str> + Sync>(
        &self,
        prompt: &str,
        texts: &[S],
        finish: Finish,
        mut progress: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Embeddings> {
        let network = match &self.network {
            Network::Encoder(network) => network.as_ref(),
            Network::Table(table) => {
                return self.encode_with_table(table, prompt, texts, finish, progress);
            }
        };
        let tokens = self.tokenizer.encode_with_prompt(prompt, texts)?;
        let not_pooled = self.not_pooled(prompt)?;
        let width = finish.dimensions.kept;
        let mut values = vec![0.0; texts.len() * width];
        let (mut done, total) = (0, texts.len());
        self.compute(network, &tokens, not_pooled, |batch, rows| {
            for (row, &text) in rows.chunks_exact(self.files.width()).zip(batch) {
                finish.write(row, &mut values[text * width..][..width]);
            }
            done += batch.len();
            match progress(Progress { done, total }) {
                ControlFlow::Continue(()) => Ok(()),
                ControlFlow::Break(()) => Err(ModelError::Interrupted),
            }
        })?;
        let truncated = tokens.iter().filter(|text| text.truncated).count();
        Ok(Embeddings {
            values,
            width,
            truncated,
            tokens: tokens.iter().map(|text| text.ids.len()).sum(),
        })
    }

    /// Tokens of a prompt at the beginning of a text that are not pooled.
    pub(super) fn not_pooled(&self, prompt: &str) -> Result<usize> {
        let (_, include_prompt) = self.files.padding();
        if prompt.is_empty() || include_prompt {
            return Ok(0);
        }
        self.tokenizer.prompt_tokens(prompt)
    }

    /// Computes tokenized texts in batches. `take` gets the texts of a batch, and their vectors as the network gives
    /// them, `[texts, full width]`.
    pub(super) fn compute(
        &self,
        network: &dyn PooledVectors,
        tokens: &[TokenIds],
        not_pooled: usize,
        mut take: impl FnMut(&[usize], &[f32]) -> Result<()>,
    ) -> Result<()> {
        let (pad_token_id, _) = self.files.padding();
        let lengths = tokens.iter().map(|text| text.ids.len());
        let places: Vec<usize> = lengths.map(|length| self.places(length)).collect();
        concurrency::for_each(
            &plan_batches(&places, self.limit, self.batch_cost()),
            self.concurrent_batches(),
            |batch| {
                let ids = batch.iter().map(|&text| tokens[text].ids.as_slice());
                let padded = |longest| self.places(longest);
                let batch = TokenBatch::with_length(ids, pad_token_id, padded);
                self.encode_batch(network, &batch.pooled_from(not_pooled))
            },
            |batch, rows| take(batch, &rows),
        )
    }

    /// Number of concurrent batches: one keeps a GPU busy.
    fn concurrent_batches(&self) -> usize {
        if self.device.is_gpu() {
            1
        } else {
            threads::count()
        }
    }

    /// What batches cost where padding is computed; `None` on a CPU.
    fn batch_cost(&self) -> Option<BatchCost> {
        self.device.is_gpu().then_some(BatchCost::GPU)
    }

    /// Padded length of a batch whose longest text has `length` tokens.
    fn places(&self, length: usize) -> usize {
        if self.device.is_gpu() {
            padded_length(length, self.tokenizer.max_length())
        } else {
            length
        }
    }

    fn encode_batch(&self, network: &dyn PooledVectors, batch: &TokenBatch) -> Result<Vec<f32>> {
        let rows = network.pooled(batch)?;
        let expected = batch.texts() * self.files.width();
        if rows.len() == expected {
            return Ok(rows);
        }
        let source = format!(
            "{} values came back where {expected} were computed",
            rows.len()
        )
        .into();
        Err(ModelError::Compute {
            device: self.device.to_string(),
            source,
        })
    }
}

/// Progress of an [`encode`](super::SentenceEncoder::encode_with_progress).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Encoded texts.
    pub done: usize,
    /// All texts.
    pub total: usize,
}
