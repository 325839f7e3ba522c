//! Everything a command can fail with, and the exit code that follows.

use std::path::PathBuf;

use model::ModelError;
use model::threads::ThreadsError;
use records::ReadError;
use search::SearchError;

use crate::peers::PeersError;
use crate::vectors::VectorError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The model could not be found, loaded or run.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A text file could not be read.
    #[error(transparent)]
    Record(#[from] ReadError),
    /// A vector file could not be read or written.
    #[error(transparent)]
    Vector(#[from] VectorError),
    /// The threads that were asked for cannot be had.
    #[error(transparent)]
    Threads(#[from] ThreadsError),
    /// The speeds of others, to compare with, cannot be used.
    #[error(transparent)]
    Peers(#[from] PeersError),
    /// Vectors do not fit together.
    #[error(transparent)]
    Search(#[from] SearchError),
    /// Standard output could not be written.
    #[error("cannot write to standard output: {0}")]
    Stdout(#[from] std::io::Error),
    /// A result could not be written as JSON.
    #[error("cannot write JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The arguments do not fit together.
    #[error("{0}")]
    Usage(UsageError),
    /// Vectors do not belong to the corpus they are used with.
    #[error(
        "{}: {vectors} vectors for a corpus of {records} records; embed this corpus again, with the same --column",
        path.display()
    )]
    VectorCount {
        /// The vector file.
        path: PathBuf,
        /// Vectors in it.
        vectors: usize,
        /// Records of the corpus.
        records: usize,
    },
    /// Vectors come from another model or have been cut.
    #[error(
        "{}: vectors have {found} dimensions where this model's have {expected}; give the --model and --dimensions they were \
         embedded with",
        path.display()
    )]
    VectorWidth {
        /// The vector file.
        path: PathBuf,
        /// Their width.
        found: usize,
        /// The model's.
        expected: usize,
    },
    /// Vectors stand in another order, or are those of other records.
    #[error(
        "{}: the vector of the record in line {line} was saved for the id `{saved}`, not `{id}`; \
         embed this corpus again",
        path.display()
    )]
    VectorId {
        /// The vector file.
        path: PathBuf,
        /// The line of the record.
        line: u64,
        /// Its id.
        id: String,
        /// The id that the vector was saved with.
        saved: String,
    },
    /// Vectors are not those of the texts.
    #[error(
        "{}: the saved vector is not that of the record in line {line} (their cosine is \
         {cosine:.3}); give the --model, --column and --max-length they were embedded with, or \
         embed this corpus again",
        path.display()
    )]
    ForeignVectors {
        /// The vector file.
        path: PathBuf,
        /// The line of the record.
        line: u64,
        /// The cosine of the saved vector and the right one.
        cosine: f32,
    },
    /// The record to recommend for is not in the corpus.
    #[error(
        "{}: no record has the id `{id}`; without --id-column, ids are the numbers of the records, \
         from 1",
        path.display()
    )]
    UnknownId {
        /// The corpus.
        path: PathBuf,
        /// What was asked for.
        id: String,
    },
    /// The model gives another vector than it should on this machine.
    #[error(
        "self-check failed: the vector of \"{text}\" is {difference:e} away from PyTorch's; please report this"
    )]
    SelfCheck {
        /// The text.
        text: &'static str,
        /// Largest difference of a value.
        difference: f32,
    },
}

/// Arguments that clap takes and that make no sense together.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UsageError {
    /// Texts on the command line and a file.
    #[error("give texts or --input, not both")]
    TextsAndInput,
    /// No text at all.
    #[error(
        "no text given: write texts behind the command, or use --input FILE (- for standard input)"
    )]
    NoText,
    /// A format that the name does not tell.
    #[error(
        "cannot tell the vector format from `{0}`: end it in .npy, .safetensors, .pt or .jsonl"
    )]
    VectorFormat(PathBuf),
    /// The output would replace its own input.
    #[error("--output and --input are the same file")]
    OutputIsInput,
    /// How to read a file, without one.
    #[error("--column, --id-column, --format and --skip-bad-rows are for --input")]
    ReadWithoutInput,
    /// Two columns are compared, no more and no less.
    #[error("two texts are compared: give two columns with --column, {0} were given")]
    TwoColumns(usize),
    /// Standard input can be read once.
    #[error("the corpus must be a file: it is read before the queries")]
    CorpusIsStdin,
}

impl From<UsageError> for Failure {
    fn from(error: UsageError) -> Self {
        Self::Usage(error)
    }
}

impl Failure {
    /// 2 for wrong usage, else 1.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            _ => 1,
        }
    }

    /// Whether the reader of standard output has gone away, as `head` does.
    #[must_use]
    pub fn is_closed_pipe(&self) -> bool {
        let source: Option<&std::io::Error> = match self {
            Self::Stdout(source) => Some(source),
            Self::Vector(error) => error.io_source(),
            Self::Json(error) => {
                return error.io_error_kind() == Some(std::io::ErrorKind::BrokenPipe);
            }
            _ => None,
        };
        source.is_some_and(|source| source.kind() == std::io::ErrorKind::BrokenPipe)
    }
}
