//! Do the documents that answer a query stand before those that do not?
//!
//! | word | module |
//! | --- | --- |
//! | who judged what how | `judgements` |
//! | the order of the documents | `ranking` |
//! | what that order is worth | `figures` |

mod figures;
mod judgements;
mod ranking;

use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

pub(super) use judgements::is_grade;
pub use judgements::{Judgement, MAX_GRADE};

use self::judgements::{Query, by_query};
use self::ranking::{over_all_documents, over_judged_documents};
use super::encoding::{Encoding, Progress, TextEncoder};
use super::error::{EvaluationError, SetupError};
use super::scores::Scores;
use super::{Description, Evaluator};

/// How well documents are ranked for queries, by cosine, as sentence-transformers'
/// `InformationRetrievalEvaluator` measures it:
///
/// | metrics, with the default cut-offs | |
/// | --- | --- |
/// | `cosine_accuracy@1`, `@3`, `@5`, `@10` | queries with a relevant document among the first |
/// | `cosine_precision@1`, `@3`, `@5`, `@10` | share of relevant ones among the first |
/// | `cosine_recall@1`, `@3`, `@5`, `@10` | share of the relevant ones that are among the first |
/// | `cosine_ndcg@10` (primary) | nDCG of grades taken as 0 or 1 |
/// | `cosine_mrr@10` | 1 over the rank of the first relevant one |
/// | `cosine_map@100` | average precision |
/// | `cosine_graded_ndcg@10` | nDCG of the grades with exponential gain, not in theirs |
///
/// All are means over the queries. A document is relevant to a query when its grade is above 0;
/// what was not judged is not relevant. Queries to which nothing is relevant are left out.
#[derive(Clone, Debug)]
pub struct RetrievalEvaluator {
    /// Those that are measured.
    queries: Vec<Query>,
    queries_left_out: usize,
    /// Those that are ranked.
    documents: Vec<String>,
    options: RetrievalOptions,
}

/// How documents are ranked and measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetrievalOptions {
    /// Which documents are ranked.
    pub ranking: Ranking,
    /// How many results count.
    pub cutoffs: Cutoffs,
    /// Documents whose vectors are held at once; 0 counts as 1. The scores do not depend on it.
    pub chunk_size: usize,
}

impl Default for RetrievalOptions {
    /// All documents, 16,384 at once: 48 MiB of vectors of width 768, enough for batches of equal
    /// lengths.
    fn default() -> Self {
        Self {
            ranking: Ranking::default(),
            cutoffs: Cutoffs::default(),
            chunk_size: 16_384,
        }
    }
}

/// Which documents are ranked for a query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ranking {
    /// All.
    #[default]
    All,
    /// Those that were judged for it; of equally near ones the first judged comes first. Nothing
    /// that was not judged can then be in the way. Queries whose judgements are all equal are left
    /// out, since every order is as good; the primary metric is the graded nDCG, which knows the
    /// good from the better.
    Judged,
}

/// How many of the first results count for each metric; all at least 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cutoffs {
    /// Of the accuracy.
    pub accuracy: Vec<usize>,
    /// Of precision and recall.
    pub precision_recall: Vec<usize>,
    /// Of both nDCGs; the largest is that of the primary metric.
    pub ndcg: Vec<usize>,
    /// Of the mean reciprocal rank.
    pub mrr: Vec<usize>,
    /// Of the mean average precision.
    pub map: Vec<usize>,
}

impl Default for Cutoffs {
    /// Those of sentence-transformers.
    fn default() -> Self {
        Self {
            accuracy: vec![1, 3, 5, 10],
            precision_recall: vec![1, 3, 5, 10],
            ndcg: vec![10],
            mrr: vec![10],
            map: vec![100],
        }
    }
}

impl Cutoffs {
    fn all(&self) -> impl Iterator<Item = usize> {
        [
            &self.accuracy,
            &self.precision_recall,
            &self.ndcg,
            &self.mrr,
            &self.map,
        ]
        .into_iter()
        .flatten()
        .copied()
    }

    /// How many results must be known.
    fn deepest(&self) -> usize {
        self.all().max().unwrap_or(0)
    }

    fn check(&self) -> Result<(), SetupError> {
        if self.ndcg.is_empty() || self.all().any(|cutoff| cutoff == 0) {
            return Err(SetupError::Cutoffs);
        }
        Ok(())
    }
}

impl RetrievalEvaluator {
    /// Takes the texts of queries and documents, and what was judged of them.
    ///
    /// # Errors
    ///
    /// When a judgement is of a query or document that is not there, has an impossible grade or
    /// contradicts another one, when no query can be measured, or when a cut-off is impossible.
    pub fn new(
        queries: Vec<String>,
        documents: Vec<String>,
        judgements: &[Judgement],
        options: RetrievalOptions,
    ) -> Result<Self, SetupError> {
        options.cutoffs.check()?;
        let all = queries.len();
        let mut queries = by_query(queries, documents.len(), judgements)?;
        let nothing = match options.ranking {
            Ranking::All => {
                queries.retain(|query| query.relevant() > 0);
                SetupError::NothingRelevant
            }
            Ranking::Judged => {
                queries.retain(Query::tells_apart);
                SetupError::NothingToTellApart
            }
        };
        if queries.is_empty() {
            return Err(nothing);
        }
        Ok(Self {
            queries_left_out: all - queries.len(),
            queries,
            documents,
            options,
        })
    }

    /// Positions of the documents that are ranked for some query, ascending.
    fn ranked_documents(&self) -> Vec<usize> {
        match self.options.ranking {
            Ranking::All => (0..self.documents.len()).collect(),
            Ranking::Judged => {
                let judged = self.queries.iter().flat_map(|query| &query.documents);
                let mut judged: Vec<usize> = judged.copied().collect();
                judged.sort_unstable();
                judged.dedup();
                judged
            }
        }
    }
}

impl Evaluator for RetrievalEvaluator {
    fn evaluate_with_progress(
        &self,
        encoder: &dyn TextEncoder,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Scores, EvaluationError> {
        let ranked = self.ranked_documents();
        let mut encoding = Encoding::new(encoder, progress, self.queries.len() + ranked.len());
        let queries: Vec<&str> = self
            .queries
            .iter()
            .map(|query| query.text.as_str())
            .collect();
        let vectors = encoding.encode(&queries)?;
        // A chunk of documents at a time: their vectors are forgotten before the next.
        let chunks = ranked.chunks(self.options.chunk_size.max(1)).map(|chunk| {
            let texts: Vec<&str> = chunk
                .iter()
                .map(|&document| self.documents[document].as_str())
                .collect();
            encoding.encode(&texts).map(|vectors| (chunk, vectors))
        });
        let rankings = match self.options.ranking {
            Ranking::All => {
                let deepest = self.options.cutoffs.deepest();
                over_all_documents(&self.queries, &vectors, chunks, deepest)?
            }
            Ranking::Judged => over_judged_documents(&self.queries, &vectors, chunks)?,
        };
        Ok(figures::scores(&self.queries, &rankings, &self.options))
    }

    fn description(&self) -> Description {
        Description::Retrieval {
            queries: self.queries.len(),
            queries_left_out: self.queries_left_out,
            documents: self.ranked_documents().len(),
            judgements: self.queries.iter().map(|query| query.grades.len()).sum(),
            ranking: self.options.ranking,
            cutoffs: self.options.cutoffs.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
