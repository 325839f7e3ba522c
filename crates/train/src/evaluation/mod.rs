//! Evaluation of an encoder on data with known answers: before, during and after fine-tuning.
//!
//! | known answers | evaluator | primary metric |
//! | --- | --- | --- |
//! | similarity scores of text pairs | [`SimilarityEvaluator`] | `spearman_cosine` |
//! | documents relevant to a query | [`RetrievalEvaluator`] | `cosine_ndcg@10` |
//! | matching pairs of texts | [`PairedEvaluator`] | `ndcg@10` |
//! | nearer and farther text of an anchor | [`TripletEvaluator`] | `cosine_accuracy` |
//!
//! Names are those of a model for the cosine; a model with another similarity has its name in them. Higher is
//! better for every metric. A [`Suite`] runs several named evaluators and compares the
//! results of two models. Data come from memory or from files (`SimilarityEvaluator::from_file` and
//! its counterparts).
//!
//! Metrics have the names and values of the corresponding evaluators of sentence-transformers, except
//! for [`PairedEvaluator`], which has no counterpart, and graded nDCG (see [`RetrievalEvaluator`]).
//! [`RetrievalEvaluator`] ranks documents of equal score by position.
//!
//! ```
//! use model::{Device, SentenceEncoder};
//! use train::evaluation::{Evaluator, Triplet, TripletEvaluator};
//!
//! // A model's name, such as "sentence-transformers/all-mpnet-base-v2", or a folder.
//! let folder = "../model/tests/fixtures/tiny-mpnet";
//! let encoder = SentenceEncoder::from_pretrained(folder, Device::Auto)?;
//! let evaluator = TripletEvaluator::new(vec![Triplet {
//!     anchor: "water bottle".to_owned(),
//!     positive: "a bottle for water".to_owned(),
//!     negative: "smart speaker".to_owned(),
//! }])?;
//! let scores = evaluator.evaluate(&encoder)?;
//! assert_eq!(scores.primary().0, "cosine_accuracy");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod comparison;
mod distinct;
mod encoding;
mod error;
mod files;
mod paired;
mod retrieval;
mod scores;
#[cfg(test)]
mod settings_tests;
mod similarity;
mod suite;
mod table;
#[cfg(test)]
mod testing;
mod triplet;

use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

pub use comparison::{Comparison, ComparisonRow, is_worse};
pub use encoding::{Progress, TextEncoder};
pub use error::{EvaluationError, FileError, SetupError};
pub use files::{QueryFiles, RetrievalFiles, TextColumns};
pub use paired::{Pair, PairedEvaluator};
pub use retrieval::{
    Cutoffs, Half, IndexEvaluator, Judgement, MAX_RELEVANCE, Ranking, RetrievalEvaluator,
    RetrievalOptions,
};
pub use scores::Scores;
pub use similarity::{ScoredPair, SimilarityEvaluator};
pub use suite::{NamedScores, Suite, SuiteProgress, SuiteScores};
pub use triplet::{Triplet, TripletEvaluator};

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

impl<E: Evaluator + ?Sized> Evaluator for Box<E> {
    fn evaluate_with_progress(
        &self,
        encoder: &dyn TextEncoder,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Scores, EvaluationError> {
        (**self).evaluate_with_progress(encoder, progress)
    }

    fn description(&self) -> Description {
        (**self).description()
    }
}

/// Kind and amount of the data of an evaluator. Results with different descriptions come from
/// different data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Description {
    /// A [`SimilarityEvaluator`].
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
    /// A [`PairedEvaluator`].
    Paired {
        /// Number of pairs.
        pairs: usize,
    },
    /// A [`TripletEvaluator`].
    Triplet {
        /// Number of triplets.
        triplets: usize,
    },
    /// An evaluator of another crate.
    Other {
        /// Name of the evaluator.
        name: String,
    },
}
