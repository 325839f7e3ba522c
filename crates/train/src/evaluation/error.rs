//! What can go wrong with the data of an evaluation, their files, and the evaluation itself.

use std::path::PathBuf;

use model::ModelError;
use records::RecordError;
use search::SearchError;

use super::retrieval::MAX_GRADE;

/// Why an evaluation gives no scores.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvaluationError {
    /// The progress callback asked to stop.
    #[error("interrupted")]
    Interrupted,
    /// A text could not be embedded.
    #[error("{source}")]
    Model {
        /// Why.
        source: ModelError,
    },
    /// The vectors cannot be compared: one holds a NaN or an infinity, for example.
    #[error("the model's vectors cannot be compared: {source}")]
    Vectors {
        /// Why.
        source: SearchError,
    },
    /// The encoder gave more or fewer values than were asked for.
    #[error("the encoder gave {values} values for {texts} texts of width {width}")]
    VectorCount {
        /// Texts that were given.
        texts: usize,
        /// Width that the encoder states.
        width: usize,
        /// Values that came back.
        values: usize,
    },
    /// One evaluation of a suite failed.
    #[error("evaluation `{name}`: {source}")]
    Named {
        /// Its name.
        name: String,
        /// Why.
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

impl From<SearchError> for EvaluationError {
    fn from(source: SearchError) -> Self {
        Self::Vectors { source }
    }
}

/// Data of which no evaluator can be made.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// There is nothing to measure.
    #[error("there are no {what}; an evaluation needs at least one")]
    Empty {
        /// What there should be.
        what: &'static str,
    },
    /// Correlation is not defined for fewer than two pairs.
    #[error("there is only {pairs} pair with a score; a correlation needs two")]
    TooFewPairs {
        /// The pairs.
        pairs: usize,
    },
    /// A score is NaN or infinite.
    #[error("the score of pair {pair} is {score}; scores must be finite numbers")]
    ScoreNotFinite {
        /// The pair, from 0.
        pair: usize,
        /// Its score.
        score: f64,
    },
    /// All pairs have the same score, with which nothing correlates.
    #[error("all {pairs} pairs have the score {score}; a correlation needs different scores")]
    EqualScores {
        /// The pairs.
        pairs: usize,
        /// Their score.
        score: f64,
    },
    /// A judgement is of a query that is not there.
    #[error("judgement {judgement} is of query {query}, but there are {len} queries")]
    NoSuchQuery {
        /// The judgement, from 0.
        judgement: usize,
        /// Its query, from 0.
        query: usize,
        /// How many there are.
        len: usize,
    },
    /// A judgement is of a document that is not there.
    #[error("judgement {judgement} is of document {document}, but there are {len} documents")]
    NoSuchDocument {
        /// The judgement, from 0.
        judgement: usize,
        /// Its document, from 0.
        document: usize,
        /// How many there are.
        len: usize,
    },
    /// A grade is negative, too large or NaN.
    #[error(
        "judgement {judgement} has the grade {grade}; grades go from 0 (irrelevant) to {MAX_GRADE}"
    )]
    Grade {
        /// The judgement, from 0.
        judgement: usize,
        /// Its grade.
        grade: f64,
    },
    /// A document was judged twice for a query, differently.
    #[error(
        "document {document} has the grades {first} and {second} for query {query}; keep one of \
         them"
    )]
    Conflict {
        /// The query, from 0.
        query: usize,
        /// The document, from 0.
        document: usize,
        /// The grade given first.
        first: f64,
        /// The grade given then.
        second: f64,
    },
    /// No query can be measured.
    #[error("no query has a relevant document: every grade is 0")]
    NothingRelevant,
    /// No query has documents of different grades.
    #[error("no query has judged documents of different grades, so every order is as good")]
    NothingToTellApart,
    /// The number of results that count is impossible.
    #[error(
        "impossible cut-offs: each must be at least 1, and there must be one for nDCG, the primary \
         metric"
    )]
    Cutoffs,
    /// Two evaluations of a suite have the same name.
    #[error("there already is an evaluation named `{name}`; give this one another name")]
    DuplicateName {
        /// The name.
        name: String,
    },
}

/// Why a file does not become an evaluator.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The file cannot be read, or a row of it is bad.
    #[error(transparent)]
    Records(#[from] RecordError),
    /// No columns were named, and the file has none of the usual ones.
    #[error(
        "{}: none of the usual columns are there ({tried}); name the columns to be read among: \
         {present}",
        file.display()
    )]
    NoUsualColumns {
        /// The file.
        file: PathBuf,
        /// What was looked for.
        tried: String,
        /// What there is.
        present: String,
    },
    /// A score or grade that is no number.
    #[error("{}, line {line}, column `{column}`: `{value}` is not a finite number", file.display())]
    NotANumber {
        /// The file.
        file: PathBuf,
        /// The line the row starts on.
        line: u64,
        /// The column.
        column: String,
        /// What stands there.
        value: String,
    },
    /// A grade that is negative or too large.
    #[error(
        "{}, line {line}, column `{column}`: a grade of {grade}; grades go from 0 (irrelevant) to \
         {MAX_GRADE}",
        file.display()
    )]
    Grade {
        /// The file.
        file: PathBuf,
        /// The line the row starts on.
        line: u64,
        /// The column.
        column: String,
        /// What stands there.
        grade: f64,
    },
    /// A judgement of something that its file lacks.
    #[error(
        "{}, line {line}, column `{column}`: nothing in {} has the id `{id}`; add it there, or \
         drop the judgement",
        file.display(),
        collection.display()
    )]
    UnknownId {
        /// The file of the judgements.
        file: PathBuf,
        /// The line the row starts on.
        line: u64,
        /// The column.
        column: String,
        /// The id.
        id: String,
        /// The file that should have it.
        collection: PathBuf,
    },
    /// Two rows with one id.
    #[error(
        "{}, line {line}, column `{column}`: `{id}` is also the id of line {first_line}; ids must \
         differ",
        file.display()
    )]
    DuplicateId {
        /// The file.
        file: PathBuf,
        /// The line of the second.
        line: u64,
        /// The column of the ids.
        column: String,
        /// The id.
        id: String,
        /// The line of the first.
        first_line: u64,
    },
    /// Two different judgements of one document for one query.
    #[error(
        "{}, line {line}, column `{column}`: document `{document}` has another grade for query \
         `{query}` in line {first_line}; keep one of them",
        file.display()
    )]
    Conflict {
        /// The file.
        file: PathBuf,
        /// The line of the second.
        line: u64,
        /// The column of the grades.
        column: String,
        /// The query, as the file has it.
        query: String,
        /// The document's id.
        document: String,
        /// The line of the first.
        first_line: u64,
    },
    /// The rows are good, but no evaluator can be made of them.
    #[error("{}: {source}", file.display())]
    Setup {
        /// The file.
        file: PathBuf,
        /// Why.
        source: SetupError,
    },
}
