//! Texts in, vectors out.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use kernels::{EncoderOps, Precision};

use crate::backend::{BackendTask, Device};
use crate::batch::{BatchLimit, TokenBatch, plan_batches};
use crate::bucket::padded_length;
use crate::checkpoint::Checkpoint;
use crate::error::{ModelError, Result};
use crate::hub::{self, HubOptions, ModelFolder, Origin};
use crate::lanes;
use crate::sentence_embeddings::{Embeddings, normalize};
use crate::sentence_model::SentenceModel;
use crate::tokenizer::{SentenceTokenizer, TokenIds};

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

/// Settings of a [`SentenceEncoder`] before it is loaded. What is not set is as the model's files
/// say.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct SentenceEncoderBuilder {
    device: Device,
    hub: HubOptions,
    batch_tokens: Option<usize>,
    batch_texts: Option<usize>,
    max_length: Option<usize>,
    normalize: Option<bool>,
    dimensions: Option<usize>,
    precision: Option<Precision>,
}

impl SentenceEncoderBuilder {
    /// Where the network runs; [`Device::Auto`] unless set.
    pub fn device(mut self, device: Device) -> Self {
        self.device = device;
        self
    }

    /// How many bits of the dense layers' weights are used; on a GPU, of all tables and activations
    /// too. Unless set, as many as the model's file holds, or all 32 on a device that does not compute
    /// in these. A file of fewer bits can be used with [`Precision::Float32`] everywhere; what was
    /// rounded off does not come back.
    pub fn precision(mut self, precision: Precision) -> Self {
        self.precision = Some(precision);
        self
    }

    /// How a model's name becomes a folder: revision, offline, download progress.
    pub fn hub(mut self, options: HubOptions) -> Self {
        self.hub = options;
        self
    }

    /// The most tokens of a batch, padding included; at least one text goes into every batch.
    ///
    /// Unless set, 1,024 on a processor (the activations of a layer then stay in its cache: `infer
    /// bench --batch-tokens` finds 4,096 a third slower) and 32,768 on a GPU.
    pub fn batch_tokens(mut self, tokens: usize) -> Self {
        self.batch_tokens = Some(tokens);
        self
    }

    /// The most texts of a batch; without a limit unless set.
    pub fn batch_size(mut self, texts: usize) -> Self {
        self.batch_texts = Some(texts);
        self
    }

    /// The most tokens a text keeps, `<s>` and `</s>` included.
    pub fn max_length(mut self, tokens: usize) -> Self {
        self.max_length = Some(tokens);
        self
    }

    /// Whether vectors are scaled to length 1.
    pub fn normalize(mut self, normalize: bool) -> Self {
        self.normalize = Some(normalize);
        self
    }

    /// Keeps only the first dimensions of each vector; a vector that is scaled to length 1 is
    /// scaled after the cut.
    pub fn dimensions(mut self, dimensions: usize) -> Self {
        self.dimensions = Some(dimensions);
        self
    }

    /// Finds and loads a model, by name or folder.
    ///
    /// # Errors
    ///
    /// When the device cannot be used, the model cannot be found or fetched, a file of it is
    /// damaged, or a setting is impossible for it.
    pub fn load(self, name_or_folder: &str) -> Result<SentenceEncoder> {
        // The device first: no need to fetch a model for one that is not there.
        let device = self.device.select()?;
        let found = hub::resolve(name_or_folder, &self.hub)?;
        let checkpoint = Checkpoint::open(&found.path)?;
        let precision = self.precision;
        let load = |checkpoint: &Checkpoint| {
            device.run(Load {
                checkpoint,
                device_name: device.to_string(),
                precision,
            })?
        };
        self.build(checkpoint, device, found, load)
    }

    /// An encoder around a model that is in memory already, such as one that is being trained:
    /// `checkpoint` tells its settings and tokenizer; it lies on the backend of
    /// [`device`](Self::device).
    ///
    /// # Errors
    ///
    /// When the device cannot be used, the tokenizer is damaged, or a setting is impossible.
    pub fn with_model<B: EncoderOps>(
        self,
        checkpoint: Checkpoint,
        model: SentenceModel<B>,
    ) -> Result<SentenceEncoder> {
        let precision = self.precision;
        let device = self.device.select()?;
        let found = ModelFolder {
            path: checkpoint.folder.clone(),
            origin: Origin::Folder,
        };
        self.build(checkpoint, device, found, |_| {
            let precision = precision.unwrap_or_default();
            let name = device.to_string();
            known::<B>(Some(precision), &name, &model.network.device())?;
            Ok(on_backend(model.pack(precision), precision, name))
        })
    }

    fn build(
        self,
        mut checkpoint: Checkpoint,
        device: Device,
        found: ModelFolder,
        load: impl FnOnce(&Checkpoint) -> Result<Loaded>,
    ) -> Result<SentenceEncoder> {
        if let Some(asked) = self.max_length {
            checkpoint.max_seq_length = asked;
        }
        let width = checkpoint.width();
        let dimensions = self.dimensions.unwrap_or(width);
        if dimensions == 0 || dimensions > width {
            return Err(ModelError::Dimensions {
                asked: dimensions,
                width,
            });
        }
        let default_tokens = if device.is_gpu() { 32_768 } else { 1_024 };
        // The tokenizer's file takes a tenth of the time that the weights take.
        let (tokenizer, loaded) = std::thread::scope(|scope| {
            let tokenizer = scope.spawn(|| checkpoint.tokenizer());
            let loaded = load(&checkpoint);
            (tokenizer.join(), loaded)
        });
        let tokenizer = tokenizer.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        let Loaded { network, precision } = loaded?;
        Ok(SentenceEncoder {
            tokenizer,
            network,
            device,
            folder: found.path,
            origin: found.origin,
            limit: BatchLimit {
                tokens: self.batch_tokens.unwrap_or(default_tokens),
                texts: self.batch_texts.unwrap_or(usize::MAX),
            },
            normalize: self.normalize.unwrap_or(checkpoint.normalize),
            dimensions,
            precision,
            checkpoint,
        })
    }
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

    /// The vectors of `texts`, in their order. No texts give no vectors; an empty text is a text
    /// like any other.
    ///
    /// # Errors
    ///
    /// When the device fails (out of memory, for example).
    pub fn encode<S: AsRef<str> + Sync>(&self, texts: &[S]) -> Result<Embeddings> {
        self.encode_with_progress(texts, |_| ControlFlow::Continue(()))
    }

    /// [`encode`](Self::encode), with a callback after every batch that may break off.
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
        lanes::for_each(
            &plan_batches(&places, self.limit),
            self.lanes(),
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

    /// How many batches run side by side: a GPU is kept busy by one.
    fn lanes(&self) -> usize {
        if self.device.is_gpu() {
            1
        } else {
            rayon::current_num_threads()
        }
    }

    /// How many places a batch has for a text when its longest has `length` tokens.
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

    /// What the model's small files say.
    #[must_use]
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The device that was chosen; never [`Device::Auto`].
    #[must_use]
    pub fn device(&self) -> Device {
        self.device
    }

    /// The precision that was chosen, or the one of the model's file.
    #[must_use]
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The folder that the model was read from.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// How the model's name became that folder.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }
}

/// How far an [`encode`](SentenceEncoder::encode_with_progress) has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Texts that have their vector.
    pub done: usize,
    /// All texts.
    pub total: usize,
}

/// A model whose backend has been forgotten.
trait PooledVectors: Send + Sync {
    /// Vectors before normalisation, row-major `[texts, width]`.
    fn pooled(&self, batch: &TokenBatch) -> Result<Vec<f32>>;
}

struct Loaded {
    network: Box<dyn PooledVectors>,
    precision: Precision,
}

struct Load<'a> {
    checkpoint: &'a Checkpoint,
    device_name: String,
    precision: Option<Precision>,
}

impl BackendTask for Load<'_> {
    type Output = Result<Loaded>;

    fn run<B: EncoderOps>(self, device: B::Device) -> Self::Output {
        known::<B>(self.precision, &self.device_name, &device)?;
        let (model, precision) = self.checkpoint.load_packed::<B>(&device, self.precision)?;
        Ok(on_backend(model, precision, self.device_name))
    }
}

/// Refuses a precision that the device does not compute in.
fn known<B: EncoderOps>(asked: Option<Precision>, name: &str, device: &B::Device) -> Result<()> {
    let possible = B::precisions(device);
    match asked {
        Some(precision) if !possible.contains(&precision) => Err(ModelError::Precision {
            precision,
            device: name.to_owned(),
            possible,
        }),
        _ => Ok(()),
    }
}

fn on_backend<B: EncoderOps>(
    model: SentenceModel<B>,
    precision: Precision,
    name: String,
) -> Loaded {
    Loaded {
        network: Box::new(OnBackend {
            model,
            name,
            precision,
            biases: Mutex::default(),
        }),
        precision,
    }
}

struct OnBackend<B: Backend> {
    model: SentenceModel<B>,
    name: String,
    precision: Precision,
    biases: Mutex<BiasCache<B>>,
}

impl<B: EncoderOps> PooledVectors for OnBackend<B> {
    fn pooled(&self, batch: &TokenBatch) -> Result<Vec<f32>> {
        // Where a text takes the corner that it needs, there are fewer lengths to keep biases for.
        let length = if B::END_TO_END {
            batch.length().next_multiple_of(BIAS_STEP)
        } else {
            batch.length()
        };
        let pooled = self.model.batch_pooled(batch, self.bias(length));
        let failed = |source| ModelError::Compute {
            device: self.name.clone(),
            source,
        };
        let data = pooled
            .try_into_data()
            .map_err(|error| failed(Box::new(error)))?;
        let rows: Vec<f32> = data
            .convert::<f32>()
            .into_vec()
            .map_err(|error| failed(format!("{error:?}").into()))?;
        if self.precision == Precision::Float16 && rows.iter().any(|value| !value.is_finite()) {
            let beyond = "its numbers are beyond 65504, where f16 ends; choose bf16 or f32";
            return Err(failed(beyond.into()));
        }
        Ok(rows)
    }
}

impl<B: EncoderOps> OnBackend<B> {
    /// Computed without the lock: while the backend waits for its own threads, this one may be given another lane's
    /// work, which asks for a bias too.
    fn bias(&self, length: usize) -> Tensor<B, 4> {
        let biases = || self.biases.lock().unwrap_or_else(PoisonError::into_inner);
        let known = biases().by_length.get(&length).cloned();
        known.unwrap_or_else(|| {
            let bias = self.model.network.position_bias(length);
            biases().insert(length, bias.clone());
            bias
        })
    }
}

/// Texts that stand end to end take the bias of the next multiple of this length.
const BIAS_STEP: usize = 32;

/// Position biases by length: computed once for every length that occurs.
struct BiasCache<B: Backend> {
    by_length: HashMap<usize, Tensor<B, 4>>,
    values: usize,
}

/// The cache is emptied above this many values (64 MiB of `f32`): 384 lengths of 12 heads would
/// take 0.9 GB.
const MAX_CACHED_VALUES: usize = 16 << 20;

impl<B: Backend> Default for BiasCache<B> {
    fn default() -> Self {
        Self {
            by_length: HashMap::new(),
            values: 0,
        }
    }
}

impl<B: Backend> BiasCache<B> {
    fn insert(&mut self, length: usize, bias: Tensor<B, 4>) {
        let values = bias.shape().num_elements();
        if self.values + values > MAX_CACHED_VALUES {
            self.by_length.clear();
            self.values = 0;
        }
        // Two lanes may have computed the same one.
        if self.by_length.insert(length, bias).is_none() {
            self.values += values;
        }
    }
}
