//! The builder of a tagger.

use kernels::{EncoderOps, Precision};

use super::Tagger;
use crate::backend::Device;
use crate::batch::BatchLimit;
use crate::checkpoint::Checkpoint;
use crate::error::{ModelError, Result};
use crate::hub::{self, HubOptions};
use crate::sentence_encoder::on_backend::{
    CheckPrecision, Load, Loaded, default_batch_tokens, on_backend,
};
use crate::sentence_model::SentenceModel;

/// Settings of a [`Tagger`] before it is loaded.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct TaggerBuilder {
    device: Device,
    hub: HubOptions,
    precision: Option<Precision>,
    batch_tokens: Option<usize>,
    max_length: Option<usize>,
}

impl TaggerBuilder {
    /// The device of the network; [`Device::Auto`] unless set.
    pub fn device(mut self, device: Device) -> Self {
        self.device = device;
        self
    }

    /// The precision of the linear layers' weights; unless set, that of the model's file, or float32 on a device without
    /// it. The head computes in float32.
    pub fn precision(mut self, precision: Precision) -> Self {
        self.precision = Some(precision);
        self
    }

    /// How the model is found: revision, offline mode, download progress.
    pub fn hub(mut self, options: HubOptions) -> Self {
        self.hub = options;
        self
    }

    /// Maximum tokens of a batch, as of
    /// [`SentenceEncoderBuilder::batch_tokens`](crate::SentenceEncoderBuilder::batch_tokens).
    pub fn batch_tokens(mut self, tokens: usize) -> Self {
        self.batch_tokens = Some(tokens);
        self
    }

    /// Maximum tokens of a text, special tokens included; unless set, that of the model.
    pub fn max_length(mut self, tokens: usize) -> Self {
        self.max_length = Some(tokens);
        self
    }

    /// Finds and loads a model, by name or folder.
    ///
    /// # Errors
    ///
    /// When the device cannot be used, the model cannot be found or fetched, a file of it is damaged, it is no tagger, or
    /// the maximum length is impossible.
    pub fn load(self, name_or_folder: &str) -> Result<Tagger> {
        let device = self.device.select()?;
        let precision = self.precision;
        device.run(CheckPrecision {
            device_name: device.to_string(),
            precision,
        })??;
        let found = hub::resolve(name_or_folder, &self.hub.clone().of_reranker())?;
        let mut checkpoint = Checkpoint::open_tagger(&found.path)?;
        if let Some(length) = self.max_length {
            checkpoint.max_seq_length = length;
        }
        // Before the weights are read.
        checkpoint.tokenizer()?;
        let loaded = device.run(Load {
            checkpoint: &checkpoint,
            device_name: device.to_string(),
            precision,
        })??;
        self.tagger(&checkpoint, device, loaded, found.notes)
    }

    /// A tagger of a model that is already in memory, for example one in training. `checkpoint` provides settings and
    /// tokenizer; `model` must be on the backend of [`device`](Self::device), as
    /// [`Checkpoint::load`](crate::Checkpoint::load) gives it.
    ///
    /// # Errors
    ///
    /// When the device cannot be used, the checkpoint is that of no tagger, or its tokenizer is damaged.
    pub fn with_model<B: EncoderOps>(
        self,
        checkpoint: &Checkpoint,
        model: SentenceModel<B>,
    ) -> Result<Tagger> {
        let device = self.device.select()?;
        let precision = self.precision.unwrap_or_default();
        let loaded = on_backend(model.pack(precision), precision, device.to_string());
        self.tagger(checkpoint, device, loaded, Vec::new())
    }

    fn tagger(
        self,
        checkpoint: &Checkpoint,
        device: Device,
        Loaded { network, precision }: Loaded,
        notes: Vec<String>,
    ) -> Result<Tagger> {
        let Some(tags) = &checkpoint.tags else {
            return Err(ModelError::Field {
                path: checkpoint
                    .transformer_folder
                    .join(crate::architecture::CONFIG_FILE),
                field: "architectures",
                reason: "the model was not opened as a tagger".to_owned(),
            });
        };
        Ok(Tagger {
            notes,
            tokenizer: checkpoint.tokenizer()?,
            network,
            pad_token_id: checkpoint.config.pad_token_id,
            single_valued: tags.settings.single_valued(&tags.labels),
            masks: tags.settings.masks(&tags.labels),
            labels: tags.labels.clone(),
            settings: tags.settings.clone(),
            identity: checkpoint.identity()?,
            limit: BatchLimit {
                tokens: self.batch_tokens.unwrap_or(default_batch_tokens(device)),
                texts: usize::MAX,
            },
            device,
            precision,
        })
    }
}
