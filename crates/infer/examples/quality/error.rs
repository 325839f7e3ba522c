//! What can go wrong.

use std::path::{Path, PathBuf};

use infer::Failure;

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub(crate) enum QualityError {
    /// Reading, encoding or printing failed.
    #[error(transparent)]
    Infer(#[from] Failure),
    /// A score or grade that is none.
    #[error("{}, line {line}: `{value}` is not a finite number", path.display())]
    NotANumber {
        path: PathBuf,
        line: u64,
        value: String,
    },
    /// A judgement of a query or document that its collection lacks.
    #[error("{}: nothing has the id `{id}`, which was judged", path.display())]
    UnknownId { path: PathBuf, id: String },
    /// The file of PyTorch's figures cannot be read.
    #[error("{}: {source}", path.display())]
    Reference {
        path: PathBuf,
        source: std::io::Error,
    },
    /// PyTorch's figure is not known.
    #[error("{}: no figure {dataset}.{metric}", path.display())]
    NoReference {
        path: PathBuf,
        dataset: &'static str,
        metric: &'static str,
    },
}

impl QualityError {
    /// For `map_err`: PyTorch's figures in `path` cannot be read.
    pub(crate) fn reference(path: &Path) -> impl Fn(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Reference {
            path: path.clone(),
            source,
        }
    }

    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Infer(failure) => failure.exit_code(),
            _ => 1,
        }
    }
}
