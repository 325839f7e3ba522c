//! The encoder: texts in, vectors out.

mod builder;
mod files;
mod of_table;
pub(crate) mod on_backend;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use kernels::Precision;
use search::Similarity;
use search::index::ModelFingerprint;

use crate::backend::Device;
use crate::batch::{BatchCost, BatchLimit, TokenBatch, plan_batches};
use crate::bucket::padded_length;
use crate::checkpoint::Checkpoint;
use crate::concurrency;
use crate::error::{ModelError, Result};
use crate::hub::Origin;
use crate::prompt::{Prompt, Prompts};
use crate::sentence_embeddings::{Embeddings, norm, normalize};
use crate::static_embedding::{StaticFolder, Table};
use crate::tokenizer::SentenceTokenizer;

pub use builder::SentenceEncoderBuilder;
use files::ModelFiles;
use on_backend::{Loaded, PooledVectors};

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
    network: Network,
    files: ModelFiles,
    device: Device,
    folder: PathBuf,
    origin: Origin,
    limit: BatchLimit,
    normalize: bool,
    dimensions: Dimensions,
    prompts: ChosenPrompts,
    precision: Precision,
}

/// What turns tokens into vectors.
enum Network {
    /// An encoder, on a device.
    Encoder(Box<dyn PooledVectors>),
    /// The table of a static model.
    Table(Table),
}

impl Network {
    fn encoder(loaded: Loaded) -> (Self, Precision) {
        (Self::Encoder(loaded.network), loaded.precision)
    }

    /// Reads the table of a static model, which computes in float32.
    fn table(folder: &StaticFolder, precision: Option<Precision>) -> Result<(Self, Precision)> {
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
struct Dimensions {
    kept: usize,
    /// Whether normalisation follows the truncation, as with options of the caller. The model's own
    /// `truncate_dim` follows the model's own normalisation, as in sentence-transformers.
    normalized_after: bool,
}

/// The texts of the prompts, which the builder may have replaced; the empty text is no prompt.
#[derive(Clone, Debug)]
struct ChosenPrompts {
    default: String,
    query: String,
    document: String,
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

    /// The vectors of `texts`, in their order; an empty text has a vector too. The model's default prompt
    /// is put before every text, if it has one.
    ///
    /// # Errors
    ///
    /// When the device fails (out of memory, for example).
    pub fn encode<S: AsRef<str> + Sync>(&self, texts: &[S]) -> Result<Embeddings> {
        self.encode_with_progress(texts, &Prompt::Default, |_| ControlFlow::Continue(()))
    }

    /// The vectors of queries of a search: [`encode`](Self::encode) with [`Prompt::Query`].
    ///
    /// # Errors
    ///
    /// As [`encode`](Self::encode).
    pub fn encode_query<S: AsRef<str> + Sync>(&self, queries: &[S]) -> Result<Embeddings> {
        self.encode_with_progress(queries, &Prompt::Query, |_| ControlFlow::Continue(()))
    }

    /// The vectors of documents to search: [`encode`](Self::encode) with [`Prompt::Document`].
    ///
    /// # Errors
    ///
    /// As [`encode`](Self::encode).
    pub fn encode_document<S: AsRef<str> + Sync>(&self, documents: &[S]) -> Result<Embeddings> {
        self.encode_with_progress(documents, &Prompt::Document, |_| ControlFlow::Continue(()))
    }

    /// [`encode`](Self::encode) with another prompt and a callback after every batch, which may stop the
    /// work.
    ///
    /// # Errors
    ///
    /// As [`encode`](Self::encode), [`ModelError::UnknownPrompt`] when the model has no prompt with that
    /// name, and [`ModelError::Interrupted`] when the callback breaks.
    pub fn encode_with_progress<S: AsRef<str> + Sync>(
        &self,
        texts: &[S],
        prompt: &Prompt,
        mut progress: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Embeddings> {
        let prompt = self.prompt_text(prompt)?;
        let network = match &self.network {
            Network::Encoder(network) => network.as_ref(),
            Network::Table(table) => return self.encode_with_table(table, prompt, texts, progress),
        };
        let (pad_token_id, include_prompt) = self.files.padding();
        let tokens = self.tokenizer.encode_with_prompt(prompt, texts)?;
        let not_pooled = if prompt.is_empty() || include_prompt {
            0
        } else {
            self.tokenizer.prompt_tokens(prompt)?
        };
        let lengths: Vec<usize> = tokens.iter().map(|text| text.ids.len()).collect();
        let places: Vec<usize> = lengths.iter().map(|length| self.places(*length)).collect();
        let width = self.dimensions.kept;
        let mut values = vec![0.0; texts.len() * width];
        let mut done = 0;
        concurrency::for_each(
            &plan_batches(&places, self.limit, self.batch_cost()),
            self.concurrent_batches(),
            |batch| {
                let ids = batch.iter().map(|&text| tokens[text].ids.as_slice());
                let padded = |longest| self.places(longest);
                let batch = TokenBatch::with_length(ids, pad_token_id, padded);
                self.encode_batch(network, &batch.pooled_from(not_pooled))
            },
            |batch, rows| {
                for (row, &text) in rows.chunks_exact(self.files.width()).zip(batch) {
                    self.finish(row, &mut values[text * width..][..width]);
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

    /// Writes the kept dimensions of a vector, scaled if vectors are.
    fn finish(&self, row: &[f32], kept: &mut [f32]) {
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

    /// Number of concurrent batches: one keeps a GPU busy.
    fn concurrent_batches(&self) -> usize {
        if self.device.is_gpu() {
            1
        } else {
            rayon::current_num_threads()
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

    /// Names of the tensors of heads in the weights file, which no vector depends on.
    ///
    /// # Errors
    ///
    /// When the weights file has become unreadable.
    pub fn ignored_tensors(&self) -> Result<Vec<String>> {
        self.files.ignored_tensors()
    }

    /// Width of the vectors.
    #[must_use]
    pub fn width(&self) -> usize {
        self.dimensions.kept
    }

    /// The text of a prompt; empty for no prompt.
    ///
    /// # Errors
    ///
    /// [`ModelError::UnknownPrompt`] when the model has no prompt with that name.
    pub fn prompt_text<'a>(&'a self, prompt: &'a Prompt) -> Result<&'a str> {
        match prompt {
            Prompt::Default => Ok(&self.prompts.default),
            Prompt::Query => Ok(&self.prompts.query),
            Prompt::Document => Ok(&self.prompts.document),
            other => self.prompts().text(other),
        }
    }

    /// What tells vectors of this encoder from those of others, for an index of them. `name` is the name of the model
    /// in messages.
    ///
    /// # Errors
    ///
    /// When a file of the model cannot be read.
    pub fn fingerprint(&self, name: &str) -> Result<ModelFingerprint> {
        let truncated = self.width() != self.files.width();
        Ok(ModelFingerprint {
            name: name.to_owned(),
            identity: self.identity()?,
            precision: self.precision().to_string(),
            dimensions: truncated.then(|| self.width()),
            max_length: self.tokenizer().max_length(),
            query_prompt: self.prompts.query.clone(),
            document_prompt: self.prompts.document.clone(),
        })
    }

    /// The similarity for which the model was trained.
    #[must_use]
    pub fn similarity(&self) -> Similarity {
        self.files.similarity()
    }

    /// The tokenizer.
    #[must_use]
    pub fn tokenizer(&self) -> &SentenceTokenizer {
        &self.tokenizer
    }

    /// The model's settings files; `None` for a static model.
    #[must_use]
    pub fn checkpoint(&self) -> Option<&Checkpoint> {
        match &self.files {
            ModelFiles::Transformer(checkpoint) => Some(checkpoint),
            ModelFiles::Static(_) => None,
        }
    }

    /// Notes for the user about the finding and the reading of the model, a sentence each.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        self.files.notes()
    }

    /// Whether vectors are scaled to L2 norm 1 by the model's files, whatever the builder chose.
    #[must_use]
    pub fn model_normalizes(&self) -> bool {
        self.files.normalize()
    }

    /// Width of the vectors before they are cut to [`width`](Self::width).
    #[must_use]
    pub fn full_width(&self) -> usize {
        self.files.width()
    }

    /// The prompts of the model.
    #[must_use]
    pub fn prompts(&self) -> &Prompts {
        self.files.prompts()
    }

    /// A hash of the files that decide on vectors, as [`Checkpoint::identity`].
    ///
    /// # Errors
    ///
    /// When a file cannot be read.
    pub fn identity(&self) -> Result<String> {
        self.files.identity()
    }

    /// The selected device; never [`Device::Auto`]. A static model computes on the CPU whatever it is.
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
