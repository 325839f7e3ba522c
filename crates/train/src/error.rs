//! What can go wrong between a file of pairs and a tuned model.

use std::path::PathBuf;

use model::threads::ThreadsError;
use model::{DeviceError, ModelError};
use program::ProgramError;
use program::exit::{FAILURE, INTERRUPTED, USAGE};
use program::manual::ManualError;
use records::{ColumnProblem, RecordError, RowProblem, Source};

use crate::data::DataError;
use crate::evaluation::{EvaluationError, FileError, SetupError};
use crate::losses::LossError;
use crate::report::ReportError;
use crate::training::failed_batch::FailedBatch;

/// Why a training run, or an evaluation, failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The model could not be found, loaded, run or written.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The device cannot be used.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The threads that were asked for cannot be had.
    #[error(transparent)]
    Threads(#[from] ThreadsError),
    /// The training data could not be read, or does not fit.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The loss cannot be used so.
    #[error(transparent)]
    Loss(#[from] LossError),
    /// A score could not be computed.
    #[error(transparent)]
    Evaluation(#[from] EvaluationError),
    /// The data of an evaluation cannot be used.
    #[error(transparent)]
    EvaluationSetup(#[from] SetupError),
    /// A file of an evaluation could not be read.
    #[error(transparent)]
    EvaluationFile(#[from] FileError),
    /// The report could not be written.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// The man pages could not be written.
    #[error(transparent)]
    Manual(#[from] ManualError),
    /// A file of the run could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Standard output could not be written.
    #[error("cannot write to standard output: {0}")]
    Stdout(std::io::Error),
    /// A config file is not what it should be.
    #[error("{}: {source}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Settings do not fit together.
    #[error("{0}")]
    Usage(String),
    /// The loss is no number any more.
    #[error("step {step}: the loss is {loss}; {advice}. The batch: {batch}")]
    NonFinite {
        /// The optimiser step.
        step: usize,
        /// The loss.
        loss: f64,
        /// How to go on.
        advice: String,
        /// The rows of the batch.
        batch: FailedBatch,
    },
    /// A gradient is no number any more.
    #[error("step {step}: the norm of the gradients is {norm}; {advice}. The batch: {batch}")]
    NonFiniteGradient {
        /// The optimiser step.
        step: usize,
        /// The norm.
        norm: f64,
        /// How to go on.
        advice: String,
        /// The rows of all batches of the step.
        batch: FailedBatch,
    },
    /// A score that is to be a cosine is none.
    #[error(
        "{}line {line}: the score {score} is no cosine, which lies between -1 and 1; scale the \
         scores, or use --loss cosent, which takes any range",
        file.as_ref().map_or_else(String::new, |file| format!("{file}, "))
    )]
    NoCosine {
        /// The file; `None` for rows that are in none.
        file: Option<Source>,
        /// The line, or the number of the row in a Parquet file.
        line: u64,
        /// The score.
        score: f32,
    },
    /// A text could not be tokenized.
    #[error(transparent)]
    Tokenize {
        /// Why.
        source: std::sync::Arc<ModelError>,
    },
    /// A folder holds a run already.
    #[error(
        "{}: holds a training run already; go on with it by --resume, or choose another --output",
        path.display()
    )]
    OutputInUse {
        /// The folder.
        path: PathBuf,
    },
    /// A folder holds other things.
    #[error("{}: is not empty; choose another --output", path.display())]
    OutputNotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// The device failed in the midst of it.
    #[error("training failed: {source}")]
    Compute {
        /// What was said.
        source: model::error::BoxedError,
    },
    /// There is nothing to resume.
    #[error("{}: holds no checkpoint to resume from; start without --resume", path.display())]
    NothingToResume {
        /// The folder.
        path: PathBuf,
    },
    /// A run is resumed with other settings.
    #[error(
        "{}: was begun with {name} = {before}, and cannot go on with {now}",
        path.display()
    )]
    OtherSettings {
        /// The folder of the run.
        path: PathBuf,
        /// The setting.
        name: String,
        /// Its value then.
        before: String,
        /// Its value now.
        now: String,
    },
    /// A run is resumed with other data.
    #[error(
        "{}: was begun with {before} {what} rows, and these {now} are not the same; put the files \
         back as they were, or begin anew with another --output",
        path.display()
    )]
    OtherData {
        /// The folder of the run.
        path: PathBuf,
        /// `training` or `validation`.
        what: &'static str,
        /// Rows then.
        before: usize,
        /// Rows now.
        now: usize,
    },
    /// The best weights of a run are to be kept, and are not there.
    #[error(
        "{}: the model of step {step}, which scored best, is not there any more; give --keep-last \
         to keep the weights of the last step",
        path.display()
    )]
    BestModelMissing {
        /// Where it was kept.
        path: PathBuf,
        /// Its optimiser step.
        step: usize,
    },
    /// A checkpoint cannot be written or read.
    #[error("{}: {reason}", path.display())]
    Checkpoint {
        /// The file or folder.
        path: PathBuf,
        /// What burn said, or why it does not do.
        reason: String,
    },
    /// Ctrl-C, or the dashboard's key to stop.
    #[error("interrupted at step {step}; {advice}")]
    Interrupted {
        /// The last optimiser step that was done.
        step: usize,
        /// How to go on.
        advice: String,
    },
}

impl ProgramError for TrainError {
    /// Usage is what another command line mends; a file that holds what it should not is none.
    fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_)
            | Self::NoCosine { .. }
            | Self::Loss(_)
            | Self::Model(ModelError::MaxLength { .. })
            | Self::OutputInUse { .. }
            | Self::OutputNotEmpty { .. }
            | Self::NothingToResume { .. }
            | Self::OtherSettings { .. }
            | Self::EvaluationSetup(SetupError::Cutoffs | SetupError::DuplicateName { .. })
            | Self::EvaluationFile(FileError::NoUsualColumns { .. })
            | Self::Data(
                DataError::Columns { .. }
                | DataError::Fraction { .. }
                | DataError::CannotSplit { .. },
            ) => USAGE,
            Self::Data(DataError::Record(error))
            | Self::EvaluationFile(FileError::Records(error))
                if is_missing_column(error) =>
            {
                USAGE
            }
            Self::Interrupted { .. } | Self::Model(ModelError::Interrupted) => INTERRUPTED,
            _ => FAILURE,
        }
    }

    fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Stdout(source) if source.kind() == std::io::ErrorKind::BrokenPipe)
    }
}

impl TrainError {
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        |source| Self::Io { path, source }
    }
}

/// Whether a column was named that the file does not have.
fn is_missing_column(error: &RecordError) -> bool {
    matches!(
        error,
        RecordError::Columns {
            source: ColumnProblem::Unknown { .. },
            ..
        } | RecordError::Row {
            source: RowProblem::MissingField { .. },
            line: 1,
            ..
        }
    )
}
