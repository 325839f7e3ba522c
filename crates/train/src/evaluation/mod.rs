//! Evaluation of an encoder on data with known answers: before, during and after fine-tuning.
//!
//! | known answers | evaluator | primary metric |
//! | --- | --- | --- |
//! | similarity scores of text pairs | `SimilarityEvaluator` | `spearman_cosine` |
//! | documents relevant to a query | [`RetrievalEvaluator`] | `cosine_ndcg@10` |
//! | matching pairs of texts | `RetrievalEvaluator::of_pairs` | `ndcg@10` |
//! | labels of text pairs | `SimilarityEvaluator::of_labels` | `cosine_ap` |
//! | spans of texts, of a tagger | `TagEvaluator` | `span_f1` |
//! | nearer and farther text of an anchor | `TripletEvaluator` | `cosine_accuracy` |
//!
//! Names are those of a model for the cosine; a model with another similarity has its name in them. Higher is
//! better for every metric. Data come from memory, from rows as of training ([`of_rows`]), or from files
//! of queries, documents and judgements ([`RetrievalFiles`]).
//!
//! Metrics have the names and values of the corresponding evaluators of sentence-transformers, except
//! for graded nDCG (see [`RetrievalEvaluator`]) and for ties: equal scores count as the mean over all
//! their orders. So a model that gives all texts one vector scores as chance does.

#[cfg(test)]
mod chance_tests;
mod distinct;
mod encoding;
mod error;
mod pair;
mod qrels;
mod retrieval;
mod scores;
#[cfg(test)]
mod settings_tests;
mod similarity;
mod suite;
mod tags;
mod teacher;
#[cfg(test)]
mod testing;
mod triplet;

use std::ops::ControlFlow;

use serde::Serialize;

pub(crate) use distinct::{distinct, distinct_ignoring_case};
pub(crate) use encoding::Progress;
pub use encoding::TextEncoder;
pub(crate) use error::SetupError;
pub use error::{EvaluationError, FileError};
pub(crate) use pair::PairEvaluator;
pub use qrels::RetrievalFiles;
pub(crate) use qrels::{Corpus, corpus};
pub(crate) use qrels::{QueryFiles, TextColumns};
pub(crate) use retrieval::FirstStage;
#[cfg(test)]
use retrieval::Judgement;
pub use retrieval::{Cutoffs, Ranking, RetrievalEvaluator, RetrievalOptions};
pub(crate) use retrieval::{Half, IndexEvaluator};
pub use scores::Scores;
pub(crate) use scores::{ScoreChange, signed};
use similarity::SimilarityEvaluator;
pub(crate) use suite::{ScoreTable, Suite, SuiteScores};
pub(crate) use tags::{SpanCounts, TagEvaluator, TagScores};
pub(crate) use teacher::TeacherEvaluator;
use triplet::TripletEvaluator;

use crate::data::{RowKind, TextTable};

/// The evaluator for some rows of a table: retrieval for pairs, Spearman for scores, average precision for
/// labels, and the accuracy of triplets for rows with negatives, of which only the first counts. It
/// copies the texts.
///
/// # Errors
///
/// The evaluator cannot use the rows; always for texts alone, which have no answer.
///
/// # Panics
///
/// If a row does not exist.
pub fn of_rows(table: &TextTable, rows: &[usize]) -> Result<Box<dyn Evaluator>, SetupError> {
    let column = |column: usize| -> Vec<String> {
        let texts = rows.iter().map(|&row| table.text(row, column).to_owned());
        texts.collect()
    };
    let pair = || [column(0), column(1)];
    let targets = || table.targets(rows).into_iter().map(f64::from).collect();
    Ok(match table.kind() {
        RowKind::Texts | RowKind::Tagged => return Err(SetupError::Empty { what: "pairs" }),
        RowKind::Pairs => Box::new(RetrievalEvaluator::of_pairs(pair())?),
        RowKind::Scored => Box::new(SimilarityEvaluator::new(pair(), targets())?),
        RowKind::Labelled => Box::new(SimilarityEvaluator::of_labels(pair(), targets())?),
        RowKind::Tuples { .. } | RowKind::ScoredTuples { .. } => {
            Box::new(TripletEvaluator::new([column(0), column(1), column(2)])?)
        }
    })
}

/// Data with known answers to evaluate an encoder on.
pub trait Evaluator: Send + Sync {
    /// [`evaluate`](Self::evaluate) with a callback for the number of embedded texts. The callback can
    /// break to interrupt; it is also called while vectors are compared.
    ///
    /// # Errors
    ///
    /// As [`evaluate`](Self::evaluate), and [`EvaluationError::Interrupted`] if the callback breaks.
    fn evaluate_with_progress(
        &self,
        encoder: &dyn TextEncoder,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Scores, EvaluationError>;

    /// Embeds the texts and computes the metrics.
    ///
    /// # Errors
    ///
    /// A text cannot be embedded, or a vector holds a NaN or an infinity.
    fn evaluate(&self, encoder: &dyn TextEncoder) -> Result<Scores, EvaluationError> {
        self.evaluate_with_progress(encoder, &mut |_| ControlFlow::Continue(()))
    }

    /// Kind and amount of the data.
    fn description(&self) -> Description;
}

/// Kind and amount of the data of an evaluator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Description {
    /// A `SimilarityEvaluator`.
    Similarity {
        /// Number of pairs with a score.
        pairs: usize,
    },
    /// A [`RetrievalEvaluator`].
    Retrieval {
        /// Number of evaluated queries.
        queries: usize,
        /// Number of queries left out: no document is relevant or, with [`Ranking::Judged`], all
        /// judged documents are equally relevant.
        queries_left_out: usize,
        /// Number of ranked documents.
        documents: usize,
        /// Number of relevance judgements of the evaluated queries.
        judgements: usize,
        /// Ranked documents: all or the judged ones.
        ranking: Ranking,
        /// Cut-offs of the metrics.
        cutoffs: Cutoffs,
    },
    /// Spans of texts.
    Tags {
        /// Number of texts.
        texts: usize,
    },
    /// The agreement with a teacher.
    Teacher {
        /// Number of texts.
        texts: usize,
    },
    /// A `TripletEvaluator`.
    Triplet {
        /// Number of triplets.
        triplets: usize,
    },
}
