//! The builder of models with a head: rerankers and taggers.

use std::marker::PhantomData;
use std::path::Path;

use kernels::{EncoderOps, Precision};

use crate::backend::Device;
use crate::batch::BatchLimit;
use crate::checkpoint::Checkpoint;
use crate::error::Result;
use crate::hub::{self, HubOptions};
use crate::sentence_encoder::on_backend::{
    CheckPrecision, Load, Loaded, default_batch_tokens, on_backend,
};
use crate::sentence_model::SentenceModel;
use crate::tokenizer::SentenceTokenizer;

/// Settings of a [`PairScorer`](crate::PairScorer) or a [`Tagger`](crate::Tagger) before it is loaded.
#[derive(Debug)]
#[must_use]
pub struct HeadBuilder<M> {
    device: Device,
    hub: HubOptions,
    precision: Option<Precision>,
    batch_tokens: Option<usize>,
    max_length: Option<usize>,
    model: PhantomData<fn() -> M>,
}

// A derived one would ask for a model that can be copied.
impl<M> Clone for HeadBuilder<M> {
    fn clone(&self) -> Self {
        Self {
            device: self.device,
            hub: self.hub.clone(),
            precision: self.precision,
            batch_tokens: self.batch_tokens,
            max_length: self.max_length,
            model: PhantomData,
        }
    }
}

/// What every model with a head has.
pub(super) struct Parts {
    pub(super) tokenizer: SentenceTokenizer,
    pub(super) device: Device,
    pub(super) loaded: Loaded,
    pub(super) limit: BatchLimit,
    pub(super) notes: Vec<String>,
}

impl<M> HeadBuilder<M> {
    pub(super) fn new() -> Self {
        Self {
            device: Device::default(),
            hub: HubOptions::default(),
            precision: None,
            batch_tokens: None,
            max_length: None,
            model: PhantomData,
        }
    }

    /// The device of the network; [`Device::Auto`] unless set.
    pub fn device(mut self, device: Device) -> Self {
        self.device = device;
        self
    }

    /// The precision of the linear layers' weights; unless set, that of the model's file, or float32 on a device without
    /// it. The head of a tagger computes in float32.
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

    /// Maximum tokens of a text or a pair, special tokens included; unless set, that of the model.
    pub fn max_length(mut self, tokens: usize) -> Self {
        self.max_length = Some(tokens);
        self
    }

    /// Finds a model by name or folder, reads its files by `open`, and loads it.
    pub(super) fn open(
        self,
        name_or_folder: &str,
        open: fn(&Path) -> Result<Checkpoint>,
    ) -> Result<(Checkpoint, Parts)> {
        let device = self.device.select()?;
        let precision = self.precision;
        device.run(CheckPrecision {
            device_name: device.to_string(),
            precision,
        })??;
        let found = hub::resolve(name_or_folder, &self.hub.clone().of_reranker())?;
        let mut checkpoint = open(&found.path)?;
        if let Some(length) = self.max_length {
            checkpoint.max_seq_length = length;
        }
        // Before the weights are read.
        let tokenizer = checkpoint.tokenizer()?;
        let loaded = device.run(Load {
            checkpoint: &checkpoint,
            device_name: device.to_string(),
            precision,
        })??;
        let parts = self.parts(tokenizer, device, loaded, found.notes);
        Ok((checkpoint, parts))
    }

    /// Takes a model that is in memory.
    pub(super) fn take<B: EncoderOps>(
        self,
        checkpoint: &Checkpoint,
        model: SentenceModel<B>,
    ) -> Result<Parts> {
        let device = self.device.select()?;
        let precision = self.precision.unwrap_or_default();
        let loaded = on_backend(model.pack(precision), precision, device.to_string());
        Ok(self.parts(checkpoint.tokenizer()?, device, loaded, Vec::new()))
    }

    fn parts(
        self,
        tokenizer: SentenceTokenizer,
        device: Device,
        loaded: Loaded,
        notes: Vec<String>,
    ) -> Parts {
        Parts {
            tokenizer,
            device,
            loaded,
            limit: BatchLimit {
                tokens: self.batch_tokens.unwrap_or(default_batch_tokens(device)),
                texts: usize::MAX,
            },
            notes,
        }
    }
}
