//! Why a benchmark has no figures.

use std::path::PathBuf;
use std::process::ExitStatus;

use model::backend::DeviceError;
use model::threads::ThreadsError;
use model::{Device, ModelError};
use train::TrainError;
use train::evaluation::{EvaluationError, FileError};

use crate::baselines::BaselinesError;

/// Why a benchmark has no figures.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BenchmarkError {
    /// The model could not be found, loaded or run.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The device cannot be used.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The requested number of threads could not be started.
    #[error(transparent)]
    Threads(#[from] ThreadsError),
    /// The baselines cannot be read, or do not fit the report.
    #[error(transparent)]
    Baselines(#[from] BaselinesError),
    /// Training failed.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// A file of an evaluation cannot be used.
    #[error(transparent)]
    EvaluationFile(#[from] FileError),
    /// An evaluation failed.
    #[error(transparent)]
    Evaluation(#[from] EvaluationError),
    /// The model has no encoder whose work could be counted.
    #[error("a static model has no layers to measure; give --model the name of an encoder")]
    StaticModel,
    /// The roofline is known for processors only.
    #[error("no roofline is known for {0}; give --device cpu or ndarray")]
    NoRoofline(Device),
    /// A file could not be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A file is not the expected JSON.
    #[error("{}: {source}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// The reference vectors are damaged.
    #[error("{}: {source}", path.display())]
    Vectors {
        /// The file.
        path: PathBuf,
        /// Why.
        source: safetensors::SafeTensorError,
    },
    /// PyTorch's figure is missing from the file of its figures.
    #[error("{}: no figure {dataset}.{metric}", path.display())]
    NoReference {
        /// The file.
        path: PathBuf,
        /// The data set.
        dataset: &'static str,
        /// The metric.
        metric: &'static str,
    },
    /// The word list does not add up to this many tokens.
    #[error("no text of {0} tokens could be made for this model's vocabulary")]
    NoText(usize),
    /// The address of a service is wrong.
    #[error("{0} is no address; give one as http://127.0.0.1:8080")]
    Address(String),
    /// The service has no such process.
    #[error("process {0} cannot be stopped; give --stop the process of the service")]
    NotStopped(u32),
    /// The service does not answer all that it is asked, so nobody knows what it can do.
    #[error(
        "{failed} requests failed and {answered} were answered: what the service can do is unknown; look at its log"
    )]
    Unanswered {
        /// Answered requests.
        answered: u32,
        /// Requests that failed, or were refused again and again.
        failed: u32,
    },
    /// Figures break their limits.
    #[error("{}", .0.join("; "))]
    Limits(Vec<String>),
    /// The measuring thread could not be set up.
    #[error("the requests cannot be sent: {0}")]
    Runtime(std::io::Error),
    /// The measuring process could not be started.
    #[error("the measuring process could not be started: {0}")]
    NotStarted(std::io::Error),
    /// The measuring process failed, and printed why.
    #[error("the measuring process failed ({status}): benchmarks {arguments}")]
    Failed {
        /// Its exit status.
        status: ExitStatus,
        /// Its arguments.
        arguments: String,
    },
    /// The measuring process printed no figures.
    #[error("the measuring process printed no figures: {0}")]
    Answer(serde_json::Error),
    /// Standard output could not be written.
    #[error("cannot write to standard output: {0}")]
    Stdout(#[from] std::io::Error),
}

impl BenchmarkError {
    /// 2 where another command line helps, else 1.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NoRoofline(_) => 2,
            _ => 1,
        }
    }
}
