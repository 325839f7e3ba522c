//! The encoder: texts in, vectors out.

mod builder;
mod on_backend;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use kernels::Precision;

use crate::backend::Device;
use crate::batch::{BatchLimit, TokenBatch, plan_batches};
use crate::bucket::padded_length;
use crate::checkpoint::Checkpoint;
use crate::concurrency;
use crate::error::{ModelError, Result};
use crate::hub::Origin;
use crate::sentence_embeddings::{Embeddings, normalize};
use crate::tokenizer::{SentenceTokenizer, TokenIds};

pub use builder::SentenceEncoderBuilder;
use on_backend::PooledVectors;

/// A sentence-embedding model on a device.
///
/// # Examples
///
/// ```
/// use model::{Device, SentenceEncoder};
///
/// // A model's name, such as "sentence-transformers/all-mpnet-base-v2", or a folder.
/// let encoder = SentenceEncoder::from_pretrained("tests/fixtures/tiny-mpnet", Device::Auto)?;
/// let vectors = encoder.encode(&["high end water bottle", "smart home speaker"])?;
/// assert_eq!((vectors.len(), vectors.width()), (2, encoder.width()));
/// # Ok::<(), model::ModelError>(())
/// ```
pub struct SentenceEncoder {
    tokenizer: SentenceTokenizer,
    network: Box<dyn PooledVectors>,
    checkpoint: Checkpoint,
    device: Device,
    folder: PathBuf,
    origin: Origin,
    limit: BatchLimit,
    normalize: bool,
    dimensions: usize,
    precision: Precision,
}

impl SentenceEncoder {
    /// Settings to change before loading.
    pub fn builder() -> SentenceEncoderBuilder {
        SentenceEncoderBuilder::default()
    }

    /// Finds and loads a model by name or folder, with the settings of its files.
    ///
    /// # Errors
    ///
    /// As [`SentenceEncoderBuilder::load`].
    pub fn from_pretrained(name_or_folder: &str, device: Device) -> Result<Self> {
        Self::builder().device(device).load(name_or_folder)
    }

    /// The vectors of `texts`, in their order; an empty text has a vector too.
    ///
    /// # Errors
    ///
    /// When the device fails (out of memory, for example).
    pub fn encode<S: AsRef<str> + Sync>(&self, texts: &[S]) -> Result<Embeddings> {
        self.encode_with_progress(texts, |_| ControlFlow::Continue(()))
    }

    /// [`encode`](Self::encode) with a callback after every batch, which may stop the work.
    ///
    /// # Errors
    ///
    /// As [`encode`](Self::encode), and [`ModelError::Interrupted`] when the callback breaks.
    pub fn encode_with_progress<S: AsRef<str> + Sync>(
        &self,
        texts: &[S],
        mut progress: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Embeddings> {
        let tokens = self.tokenizer.encode(texts)?;
        let lengths: Vec<usize> = tokens.iter().map(|text| text.ids.len()).collect();
        let places: Vec<usize> = lengths.iter().map(|length| self.places(*length)).collect();
        let width = self.dimensions;
        let mut values = vec![0.0; texts.len() * width];
        let mut done = 0;
        concurrency::for_each(
            &plan_batches(&places, self.limit),
            self.concurrent_batches(),
            |batch| self.encode_batch(&tokens, batch),
            |batch, rows| {
                for (row, &text) in rows.chunks_exact(self.checkpoint.width()).zip(batch) {
                    let kept = &mut values[text * width..][..width];
                    kept.copy_from_slice(&row[..width]);
                    if self.normalize {
                        normalize(kept);
                    }
                }
                done += batch.len();
                let total = texts.len();
                match progress(Progress { done, total }) {
                    ControlFlow::Continue(()) => Ok(()),
                    ControlFlow::Break(()) => Err(ModelError::Interrupted),
                }
            },
        )?;
        let truncated = tokens.iter().filter(|text| text.truncated).count();
        Ok(Embeddings {
            values,
            width,
            truncated,
            tokens: lengths.iter().sum(),
        })
    }

    /// Number of concurrent batches: one keeps a GPU busy.
    fn concurrent_batches(&self) -> usize {
        if self.device.is_gpu() {
            1
        } else {
            rayon::current_num_threads()
        }
    }

    /// Padded length of a batch whose longest text has `length` tokens.
    fn places(&self, length: usize) -> usize {
        if self.device.is_gpu() {
            padded_length(length, self.tokenizer.max_length())
        } else {
            length
        }
    }

    fn encode_batch(&self, tokens: &[TokenIds], batch: &[usize]) -> Result<Vec<f32>> {
        let ids = batch.iter().map(|&text| tokens[text].ids.as_slice());
        let pad_token_id = self.checkpoint.config.pad_token_id;
        let batch = TokenBatch::with_length(ids, pad_token_id, |longest| self.places(longest));
        let rows = self.network.pooled(&batch)?;
        let expected = batch.texts() * self.checkpoint.width();
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

    /// Names of the tensors of heads in the weights file, which no vector depends on.
    ///
    /// # Errors
    ///
    /// When the weights file has become unreadable.
    pub fn ignored_tensors(&self) -> Result<Vec<String>> {
        self.checkpoint.ignored_tensors()
    }

    /// Width of the vectors.
    #[must_use]
    pub fn width(&self) -> usize {
        self.dimensions
    }

    /// The tokenizer.
    #[must_use]
    pub fn tokenizer(&self) -> &SentenceTokenizer {
        &self.tokenizer
    }

    /// The model's settings files.
    #[must_use]
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
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

    /// The folder of the model.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The origin of that folder.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }
}

/// Progress of an [`encode`](SentenceEncoder::encode_with_progress).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Encoded texts.
    pub done: usize,
    /// All texts.
    pub total: usize,
}
