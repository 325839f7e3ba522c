//! How good an encoder is on data with known answers: before, during and after fine-tuning.
//!
//! | what is known | evaluator | primary metric |
//! | --- | --- | --- |
//! | how alike two texts are | [`SimilarityEvaluator`] | `spearman_cosine` |
//! | which documents answer a query | [`RetrievalEvaluator`] | `cosine_ndcg@10` |
//! | which text belongs to which | [`PairedEvaluator`] | `ndcg@10` |
//! | which of two texts is nearer to a third | [`TripletEvaluator`] | `cosine_accuracy` |
//!
//! Every metric is better the higher it is. A [`Suite`] runs several evaluators by name and sets
//! the results of two models side by side. Data come from memory, or from files
//! (`SimilarityEvaluator::from_file` and its like).
//!
//! Metrics have the names and values of sentence-transformers' evaluators of the same kind, but for
//! [`PairedEvaluator`], which has none there, and for graded nDCG (see [`RetrievalEvaluator`]).
//! Where documents score equally, the one that stands first is ranked first.
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
pub use files::{RetrievalFiles, TextColumns};
pub use paired::{Pair, PairedEvaluator};
pub use retrieval::{Cutoffs, Judgement, MAX_GRADE, Ranking, RetrievalEvaluator, RetrievalOptions};
pub use scores::Scores;
pub use similarity::{ScoredPair, SimilarityEvaluator};
pub use suite::{NamedScores, Suite, SuiteProgress, SuiteScores};
pub use triplet::{Triplet, TripletEvaluator};

/// Data with known answers, against which an encoder is measured.
pub trait Evaluator: Send + Sync {
    /// [`evaluate`](Self::evaluate), with a callback that hears of the texts that have been
    /// embedded and may break off; it is also called while vectors are compared.
    ///
    /// # Errors
    ///
    /// As [`evaluate`](Self::evaluate), and [`EvaluationError::Interrupted`] when the callback
    /// breaks.
    fn evaluate_with_progress(
        &self,
        encoder: &dyn TextEncoder,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Scores, EvaluationError>;

    /// Embeds the texts and measures the vectors.
    ///
    /// # Errors
    ///
    /// When a text cannot be embedded, or a vector holds a NaN or an infinity.
    fn evaluate(&self, encoder: &dyn TextEncoder) -> Result<Scores, EvaluationError> {
        self.evaluate_with_progress(encoder, &mut |_| ControlFlow::Continue(()))
    }

    /// What is measured on how much data.
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

/// What an evaluator measures on how much data. Two results with different descriptions are not of
/// the same data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Description {
    /// A [`SimilarityEvaluator`].
    Similarity {
        /// Pairs with a score.
        pairs: usize,
    },
    /// A [`RetrievalEvaluator`].
    Retrieval {
        /// Queries that are measured.
        queries: usize,
        /// Queries that are not: nothing is relevant to them or, in [`Ranking::Judged`], all that
        /// was judged is equally relevant.
        queries_left_out: usize,
        /// Documents that are ranked.
        documents: usize,
        /// Judgements of the queries that are measured.
        judgements: usize,
        /// What is ranked.
        ranking: Ranking,
        /// How many results count.
        cutoffs: Cutoffs,
    },
    /// A [`PairedEvaluator`].
    Paired {
        /// Rows of two texts.
        pairs: usize,
    },
    /// A [`TripletEvaluator`].
    Triplet {
        /// Triplets.
        triplets: usize,
    },
    /// An evaluator of another crate.
    Other {
        /// Its name.
        name: String,
    },
}
