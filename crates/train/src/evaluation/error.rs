//! Errors of evaluations, of their data and of their files.

use std::path::PathBuf;

use model::ModelError;
use records::ReadError;
use search::SearchError;

use super::retrieval::MAX_RELEVANCE;

/// Error of an evaluation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvaluationError {
    /// The progress callback asked to stop.
    #[error("interrupted")]
    Interrupted,
    /// A text could not be embedded.
    #[error("{source}")]
    Model {
        /// Cause.
        source: ModelError,
    },
    /// The vectors cannot be compared, for example because one holds a NaN.
    #[error("the model's vectors cannot be compared: {source}")]
    Vectors {
        /// Cause.
        #[from]
        source: SearchError,
    },
    /// One evaluation of a suite failed.
    #[error("evaluation `{name}`: {source}")]
    Named {
        /// Its name.
        name: String,
        /// Cause.
        source: Box<EvaluationError>,
    },
}

impl From<ModelError> for EvaluationError {
    fn from(source: ModelError) -> Self {
        match source {
            ModelError::Interrupted => Self::Interrupted,
            source => Self::Model { source },
        }
    }
}

/// Data that an evaluator cannot use.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// No data.
    #[error("there are no {what}; an evaluation needs at least one")]
    Empty { what: &'static str },
    /// Correlation is not defined for fewer than two pairs.
    #[error("only {pairs} pair has a score; a correlation needs two")]
    TooFewPairs { pairs: usize },
    /// All pairs have the same score, so no correlation is defined.
    #[error("all {pairs} pairs have the score {score}; a correlation needs different scores")]
    EqualScores { pairs: usize, score: f64 },
    /// No query can be evaluated.
    #[error("no query has a relevant document: every relevance is 0")]
    NothingRelevant,
    /// No query has judged documents of different relevance.
    #[error("no query has judged documents of different relevance, so every order is equally good")]
    NothingToTellApart,
    /// Two evaluations of a suite have the same name.
    #[error("an evaluation named `{name}` already exists; give this one another name")]
    DuplicateName { name: String },
}

/// Error of a file of an evaluation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The file cannot be read, or a row of it is bad.
    #[error(transparent)]
    Records(#[from] ReadError),
    /// No columns are named, and the file has none of the default ones.
    #[error(
        "{}: has none of the default columns ({tried}); name the columns to read, among: {present}",
        file.display()
    )]
    NoUsualColumns {
        /// The file.
        file: PathBuf,
        /// The default columns.
        tried: String,
        /// The columns of the file.
        present: String,
    },
    /// A value that cannot be used.
    #[error("{}, line {line}, column `{column}`: {problem}", file.display())]
    Cell {
        /// The file.
        file: PathBuf,
        /// The line the row starts on.
        line: u64,
        /// The column.
        column: String,
        /// Why.
        problem: CellProblem,
    },
    /// The rows are valid, but an evaluator cannot use them.
    #[error("{}: {source}", file.display())]
    Setup {
        /// The file.
        file: PathBuf,
        /// Cause.
        source: SetupError,
    },
}

/// Why a value of a file of an evaluation cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CellProblem {
    /// A relevance that is not a number.
    #[error("`{0}` is not a finite number")]
    NotANumber(String),
    /// A relevance that is negative or too large.
    #[error("relevance {0} must be from 0 (irrelevant) to {MAX_RELEVANCE}")]
    Relevance(f64),
    /// A judgement of an id that does not exist.
    #[error(
        "no row of {} has the id `{id}`; add the row, or remove the judgement",
        collection.display()
    )]
    UnknownId { id: String, collection: PathBuf },
    /// Two rows with the same id.
    #[error("`{id}` is also the id of line {first_line}; ids must be unique")]
    DuplicateId { id: String, first_line: u64 },
    /// Two different judgements of one document for one query.
    #[error(
        "document `{document}` has another relevance for query `{query}` in line {first_line}; keep \
         one of them"
    )]
    Conflict {
        query: String,
        document: String,
        first_line: u64,
    },
}
