//! The builder of an encoder.

use kernels::{EncoderOps, Precision};

use super::SentenceEncoder;
use super::on_backend::{Load, Loaded, known, on_backend};
use crate::backend::Device;
use crate::batch::BatchLimit;
use crate::checkpoint::Checkpoint;
use crate::error::{ModelError, Result};
use crate::hub::{self, HubOptions, ModelFolder, Origin};
use crate::sentence_model::SentenceModel;

/// Settings of a [`SentenceEncoder`] before it is loaded. Settings that are not made come from the model's
/// files.
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
    /// The device of the network; [`Device::Auto`] unless set.
    pub fn device(mut self, device: Device) -> Self {
        self.device = device;
        self
    }

    /// The precision of the linear layers' weights; on a GPU also of tables and activations. Unless set, that
    /// of the model's file, or float32 on a device without it. Every device can load a reduced-precision file
    /// with [`Precision::Float32`], which does not restore the lost precision.
    pub fn precision(mut self, precision: Precision) -> Self {
        self.precision = Some(precision);
        self
    }

    /// How the model is found: revision, offline mode, download progress.
    pub fn hub(mut self, options: HubOptions) -> Self {
        self.hub = options;
        self
    }

    /// Maximum tokens of a batch, padding included; every batch has at least one text.
    ///
    /// Unless set, 1,024 on a CPU, so that the activations of a layer stay in its cache, and 32,768 on a
    /// GPU.
    pub fn batch_tokens(mut self, tokens: usize) -> Self {
        self.batch_tokens = Some(tokens);
        self
    }

    /// Maximum texts of a batch; unlimited unless set.
    pub fn batch_size(mut self, texts: usize) -> Self {
        self.batch_texts = Some(texts);
        self
    }

    /// Maximum tokens of a text, `<s>` and `</s>` included.
    pub fn max_length(mut self, tokens: usize) -> Self {
        self.max_length = Some(tokens);
        self
    }

    /// Whether vectors are scaled to L2 norm 1.
    pub fn normalize(mut self, normalize: bool) -> Self {
        self.normalize = Some(normalize);
        self
    }

    /// Keeps only the first dimensions of each vector; normalisation follows this truncation.
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
        // The device first: without it, no model needs to be fetched.
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

    /// An encoder of a model that is already in memory, for example one in training. `checkpoint` provides
    /// settings and tokenizer; `model` must be on the backend of [`device`](Self::device).
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
