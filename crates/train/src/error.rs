//! Errors of training and evaluation.

use std::path::{Path, PathBuf};

use model::ModelError;
use model::backend::DeviceError;
use model::threads::ThreadsError;
use program::ProgramError;
use program::exit::{FAILURE, USAGE};
use program::manual::ManualError;
use records::Source;
use search::index::IndexError;

use crate::data::DataError;
use crate::evaluation::{EvaluationError, FileError, SetupError};
use crate::losses::LossError;

/// Error of a training run or an evaluation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The model could not be found, loaded, run or written.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The device cannot be used.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The requested threads cannot be started.
    #[error(transparent)]
    Threads(#[from] ThreadsError),
    /// The training data cannot be read or used.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The loss or its parameters are invalid.
    #[error(transparent)]
    Loss(#[from] LossError),
    /// A score could not be computed.
    #[error(transparent)]
    Evaluation(#[from] EvaluationError),
    /// The data of an evaluation cannot be used.
    #[error(transparent)]
    EvaluationSetup(#[from] SetupError),
    /// The validation rows of a run cannot be used.
    #[error("the validation rows of {place}: {source}")]
    ValidationRows {
        /// The option that gave them.
        place: String,
        /// What is wrong with them.
        source: SetupError,
    },
    /// A file of an evaluation could not be read.
    #[error(transparent)]
    EvaluationFile(#[from] FileError),
    /// An index could not be opened or asked.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// A line of the log of a run is not an event.
    #[error(
        "{}, line {line}: not an event of a run: {source}; correct or remove the line",
        path.display()
    )]
    Log {
        /// The log.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// Error with its column.
        source: serde_json::Error,
    },
    /// A chart of the report could not be drawn.
    #[error("the chart {name} could not be drawn: {source}; its numbers are in metrics.jsonl")]
    Chart {
        /// File name of the chart.
        name: String,
        /// Error of the drawing library.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The man pages could not be written.
    #[error(transparent)]
    Manual(#[from] ManualError),
    /// A file of the run could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Error of the operating system.
        source: std::io::Error,
    },
    /// Standard output could not be written.
    #[error("cannot write to standard output: {0}")]
    Stdout(std::io::Error),
    /// A config file is invalid.
    #[error("{}: {source}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// Error with its position.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Invalid settings; the message names them and the fix.
    #[error("{0}")]
    Usage(String),
    /// The loss or a gradient became NaN or infinite.
    #[error("step {step}: the {what} is {value}; {advice}. The batch: {batch}")]
    NotFinite {
        /// The optimiser step.
        step: usize,
        /// The number.
        what: &'static str,
        /// Its value.
        value: f64,
        /// How to continue.
        advice: String,
        /// The rows of the batch, or those of all batches of the step.
        batch: String,
    },
    /// A weight or a vector became NaN or infinite in the last step.
    #[error(
        "step {step}: the model has NaN or infinite weights or vectors and is not written; start a new run with another \
         --output and a lower --lr or --weight-decay, or a longer --warmup"
    )]
    NonFiniteModel {
        /// The optimiser step.
        step: usize,
    },
    /// A score is not in the range that the loss needs.
    #[error(
        "{}line {line}: the score {score} is not {range}",
        file.as_ref().map_or_else(String::new, |file| format!("{file}, "))
    )]
    ScoreRange {
        /// The file; `None` for rows that come from no file.
        file: Option<Source>,
        /// The line, or the number of the row in a Parquet file.
        line: u64,
        /// The score.
        score: f32,
        /// The range, and how to reach it.
        range: &'static str,
    },
    /// A text could not be tokenized.
    #[error(transparent)]
    Tokenize {
        /// Why.
        source: std::sync::Arc<ModelError>,
    },
    /// A folder that another one must take the place of.
    #[error("{}: {problem}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why, and what to do.
        problem: &'static str,
    },
    /// The device failed during training.
    #[error("training failed: {source}")]
    Compute {
        /// Error of the device.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The settings differ from those of the run to resume.
    #[error(
        "{}: started with {name} = {before}, and cannot resume with {now}; leave the setting out",
        path.display()
    )]
    OtherSettings {
        /// The folder of the run.
        path: PathBuf,
        /// The setting.
        name: String,
        /// Its value at the start of the run.
        before: String,
        /// Its value now.
        now: String,
    },
    /// The base model differs from that of the run to resume.
    #[error(
        "{}: did not start from {model}: their files differ; name the same models again with {options}",
        path.display()
    )]
    OtherModel {
        /// The folder of the run.
        path: PathBuf,
        /// The model now, and its guides.
        model: String,
        /// The options that name them.
        options: &'static str,
    },
    /// The rows differ from those of the run to resume.
    #[error(
        "{}: started with {before} {what} rows, and these {now} rows are different; restore the \
         files, or start a new run with another --output",
        path.display()
    )]
    OtherData {
        /// The folder of the run.
        path: PathBuf,
        /// `training` or `validation`.
        what: &'static str,
        /// Rows at the start of the run.
        before: usize,
        /// Rows now.
        now: usize,
    },
    /// The best weights of a run do not exist any more.
    #[error(
        "{}: the model of step {step}, which scored best, does not exist any more; give \
         --keep-last to keep the weights of the last step",
        path.display()
    )]
    BestModelMissing {
        /// The folder of these weights.
        path: PathBuf,
        /// Its optimiser step.
        step: usize,
    },
    /// A checkpoint cannot be written or read.
    #[error("{}: {reason}", path.display())]
    Checkpoint {
        /// The file or folder.
        path: PathBuf,
        /// Error of burn, or the mismatch.
        reason: String,
    },
    /// Ctrl-C before the first step; nothing was written.
    #[error("interrupted; training had not begun")]
    InterruptedBefore,
    /// Ctrl-C after a guide or a teacher began to embed.
    #[error("interrupted; the vectors that are done are kept: {advice}")]
    InterruptedWithVectors {
        /// How to continue.
        advice: String,
    },
    /// Ctrl-C, or the dashboard's key to stop.
    #[error("interrupted at step {step}; {advice}")]
    Interrupted {
        /// Number of completed optimiser steps.
        step: usize,
        /// How to continue.
        advice: String,
    },
}

impl ProgramError for TrainError {
    /// A usage error is one that another command line fixes. Bad content of a file is not one.
    fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_)
            | Self::ScoreRange { .. }
            | Self::Loss(_)
            | Self::Folder { .. }
            | Self::OtherModel { .. }
            | Self::OtherSettings { .. }
            | Self::EvaluationSetup(SetupError::DuplicateName { .. })
            | Self::EvaluationFile(FileError::NoUsualColumns { .. })
            | Self::Data(DataError::Columns { .. } | DataError::CannotSplit { .. }) => USAGE,
            Self::Model(error) if error.is_usage() => USAGE,
            Self::Device(error) if error.is_usage() => USAGE,
            Self::Index(error) if error.is_usage() => USAGE,
            Self::Data(DataError::Read(error))
            | Self::EvaluationFile(FileError::Records(error))
                if error.is_usage() =>
            {
                USAGE
            }
            Self::Interrupted { .. }
            | Self::InterruptedBefore
            | Self::InterruptedWithVectors { .. }
            | Self::Model(ModelError::Interrupted) => program::interrupt::exit_code(),
            _ => FAILURE,
        }
    }

    fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Stdout(source) if source.kind() == std::io::ErrorKind::BrokenPipe)
    }
}

impl TrainError {
    pub(crate) fn usage(problem: &str) -> Self {
        Self::Usage(problem.to_owned())
    }

    pub(crate) fn folder(path: impl Into<PathBuf>, problem: &'static str) -> Self {
        let path = path.into();
        Self::Folder { path, problem }
    }

    pub(crate) fn config<E>(path: &Path) -> impl Fn(E) -> Self + use<E>
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let path = path.to_owned();
        move |source| Self::Config {
            path: path.clone(),
            source: source.into(),
        }
    }

    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        |source| Self::Io { path, source }
    }
}
