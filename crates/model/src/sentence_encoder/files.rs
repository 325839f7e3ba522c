//! The files of a model: those of a transformer, or of a static model.

use std::path::Path;

use search::Similarity;

use crate::checkpoint::{Checkpoint, router};
use crate::error::Result;
use crate::hub::ModelFolder;
use crate::prompt::Prompts;
use crate::router_error::RouterError;
use crate::routes::Routes;
use crate::static_embedding::StaticFolder;
use crate::tokenizer::SentenceTokenizer;

/// A model folder whose settings are read.
pub(super) enum ModelFiles {
    /// An encoder with pooling.
    Transformer(Box<Checkpoint>),
    /// A table of rows.
    Static(Box<StaticFolder>),
}

impl ModelFiles {
    /// Reads the settings of a folder, of every route if it has several.
    pub(super) fn open(found: &ModelFolder) -> Result<Routes<Self>> {
        let routes = router::read(&found.path)?.try_map(|_, modules| {
            let modules = modules.as_ref();
            Ok(match StaticFolder::open_modules(&found.path, modules)? {
                Some(folder) => Self::Static(Box::new(folder)),
                None => Self::Transformer(Box::new(Checkpoint::open_route(found, modules)?)),
            })
        })?;
        check_widths(&found.path, &routes)?;
        Ok(routes)
    }

    /// Whether it is an encoder: a maximum length and a precision are for encoders.
    pub(super) fn is_encoder(&self) -> bool {
        matches!(self, Self::Transformer(_))
    }

    /// The maximum length of the files; `None` for a table.
    pub(super) fn max_length(&self) -> Option<usize> {
        match self {
            Self::Transformer(checkpoint) => Some(checkpoint.max_seq_length),
            Self::Static(_) => None,
        }
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

/// Vectors of all routes are compared with each other.
fn check_widths(folder: &Path, routes: &Routes<ModelFiles>) -> Result<()> {
    let width = routes.main().width();
    let mut names = routes.all().map(|(name, _)| name.clone());
    let mut others = routes.all().filter(|(_, files)| files.width() != width);
    match (names.next(), others.next()) {
        (Some(name), Some((other, files))) => Err(RouterError::Widths {
            folder: folder.to_owned(),
            names: [name, other.clone()],
            widths: [width, files.width()],
        }
        .into()),
        _ => Ok(()),
    }
}
