//! What can go wrong.

use std::path::PathBuf;
use std::process::ExitStatus;

use infer::Failure;
use model::{Device, ModelError};

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScalingError {
    /// Encoding or printing failed.
    #[error(transparent)]
    Infer(#[from] Failure),
    /// The floor is that of a processor.
    #[error("{0} is no processor, whose floor is known here: give --device cpu or ndarray")]
    NoProcessor(Device),
    /// A workload cannot be read.
    #[error("{}: {source}", path.display())]
    Workload {
        path: PathBuf,
        source: std::io::Error,
    },
    /// The words at hand do not add up to that many tokens.
    #[error("no text of {0} tokens could be made for this model's vocabulary")]
    NoText(usize),
    /// The process that measures could not be started.
    #[error("the process that measures could not be started: {0}")]
    NotStarted(std::io::Error),
    /// It failed, and said why.
    #[error("the process that measures failed ({status}): scaling {arguments}")]
    Failed {
        status: ExitStatus,
        arguments: String,
    },
    /// It said something else than what it measured.
    #[error("the process that measures gave no figures: {0}")]
    Answer(serde_json::Error),
}

impl From<ModelError> for ScalingError {
    fn from(error: ModelError) -> Self {
        Self::Infer(error.into())
    }
}

impl ScalingError {
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Infer(failure) => failure.exit_code(),
            Self::NoProcessor(_) => 2,
            _ => 1,
        }
    }
}
