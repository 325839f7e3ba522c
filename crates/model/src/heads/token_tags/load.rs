//! A tagger of a folder, or of a model in memory.

use kernels::EncoderOps;

use super::Tagger;
use crate::checkpoint::Checkpoint;
use crate::error::{ModelError, Result};
use crate::heads::builder::{HeadBuilder, Parts};
use crate::sentence_model::SentenceModel;

impl HeadBuilder<Tagger> {
    /// Finds and loads a tagger, by name or folder.
    ///
    /// # Errors
    ///
    /// When the device cannot be used, the model cannot be found or fetched, a file of it is damaged, it is no tagger, or
    /// the maximum length is impossible.
    pub fn load(self, name_or_folder: &str) -> Result<Tagger> {
        let (checkpoint, parts) = self.open(name_or_folder, Checkpoint::open_tagger)?;
        tagger(&checkpoint, parts)
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
        let parts = self.take(checkpoint, model)?;
        tagger(checkpoint, parts)
    }
}

fn tagger(checkpoint: &Checkpoint, parts: Parts) -> Result<Tagger> {
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
        notes: parts.notes,
        tokenizer: parts.tokenizer,
        network: parts.loaded.network,
        pad_token_id: checkpoint.config.pad_token_id,
        single_valued: tags.settings.single_valued(&tags.labels),
        masks: tags.settings.masks(&tags.labels),
        labels: tags.labels.clone(),
        settings: tags.settings.clone(),
        identity: checkpoint.identity()?,
        limit: parts.limit,
        device: parts.device,
        precision: parts.loaded.precision,
    })
}
