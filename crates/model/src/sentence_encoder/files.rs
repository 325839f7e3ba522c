//! The files of a model: those of a transformer, or of a static model.

use crate::checkpoint::Checkpoint;
use crate::error::Result;
use crate::hub::ModelFolder;
use crate::prompt::Prompts;
use crate::static_embedding::StaticFolder;
use crate::tokenizer::SentenceTokenizer;
use search::Similarity;

/// A model folder whose settings are read.
pub(super) enum ModelFiles {
    /// An encoder with pooling.
    Transformer(Box<Checkpoint>),
    /// A table of rows.
    Static(Box<StaticFolder>),
}

impl ModelFiles {
    /// Reads the settings of a folder.
    pub(super) fn open(found: &ModelFolder) -> Result<Self> {
        Ok(match StaticFolder::open(&found.path)? {
            Some(folder) => Self::Static(Box::new(folder)),
            None => Self::Transformer(Box::new(Checkpoint::open_found(found)?)),
        })
    }

    /// Width of the vectors before they are cut.
    pub(super) fn width(&self) -> usize {
        match self {
            Self::Transformer(checkpoint) => checkpoint.width(),
            Self::Static(folder) => folder.width,
        }
    }

    pub(super) fn truncate_dim(&self) -> Option<usize> {
        match self {
            Self::Transformer(checkpoint) => checkpoint.truncate_dim,
            Self::Static(folder) => folder.truncate_dim,
        }
    }

    pub(super) fn normalize(&self) -> bool {
        match self {
            Self::Transformer(checkpoint) => checkpoint.normalize,
            Self::Static(folder) => folder.normalize,
        }
    }

    pub(super) fn similarity(&self) -> Similarity {
        match self {
            Self::Transformer(checkpoint) => checkpoint.similarity,
            Self::Static(folder) => folder.similarity,
        }
    }

    pub(super) fn prompts(&self) -> &Prompts {
        match self {
            Self::Transformer(checkpoint) => &checkpoint.prompts,
            Self::Static(folder) => &folder.prompts,
        }
    }

    /// The id that fills a batch, and whether the tokens of a prompt are pooled. A static model has no batches.
    pub(super) fn padding(&self) -> (u32, bool) {
        match self {
            Self::Transformer(checkpoint) => {
                (checkpoint.config.pad_token_id, checkpoint.include_prompt)
            }
            Self::Static(_) => (0, true),
        }
    }

    pub(super) fn tokenizer(&self) -> Result<SentenceTokenizer> {
        match self {
            Self::Transformer(checkpoint) => checkpoint.tokenizer(),
            Self::Static(folder) => folder.tokenizer(),
        }
    }

    /// Another maximum length than that of the files.
    pub(super) fn set_max_length(&mut self, tokens: usize) -> Result<()> {
        match self {
            Self::Transformer(checkpoint) => checkpoint.max_seq_length = tokens,
            Self::Static(folder) => folder.set_max_length(tokens)?,
        }
        Ok(())
    }

    pub(super) fn identity(&self) -> Result<String> {
        match self {
            Self::Transformer(checkpoint) => checkpoint.identity(),
            Self::Static(folder) => folder.identity(),
        }
    }

    pub(super) fn notes(&self) -> Vec<String> {
        match self {
            Self::Transformer(checkpoint) => checkpoint.notes(),
            Self::Static(_) => Vec::new(),
        }
    }

    pub(super) fn ignored_tensors(&self) -> Result<Vec<String>> {
        match self {
            Self::Transformer(checkpoint) => checkpoint.ignored_tensors(),
            Self::Static(_) => Ok(Vec::new()),
        }
    }
}
