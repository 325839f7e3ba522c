//! Retrieval: ranking of documents for queries.
//!
//! | subject | module |
//! | --- | --- |
//! | relevance judgements (qrels) | `judgements` |
//! | answers of an index | `index` |
//! | ranking of the documents | `ranking` |
//! | metrics of a ranking | `figures` |

mod figures;
mod index;
mod judgements;
mod ranking;

use std::ops::ControlFlow;

use model::Prompt;
use serde::{Deserialize, Serialize};

pub use index::{Half, IndexEvaluator};
pub(super) use judgements::is_relevance;
pub use judgements::{Judgement, MAX_RELEVANCE};

use self::judgements::{Query, by_query};
use self::ranking::{over_all_documents, over_judged_documents};
use super::encoding::{Encoding, Progress, TextEncoder};
use super::error::{EvaluationError, SetupError};
use super::scores::Scores;
use super::{Description, Evaluator};

/// Metrics of ranking documents for queries, as in sentence-transformers'
/// `InformationRetrievalEvaluator`. Queries and documents have the prompts for queries and documents. A
/// model with another similarity than the cosine has its name in place of `cosine`:
///
/// | metrics, with the default cut-offs | |
/// | --- | --- |
/// | `cosine_accuracy@1`, `@3`, `@5`, `@10` | share of queries with a relevant document among the first k |
/// | `cosine_precision@1`, `@3`, `@5`, `@10` | share of relevant documents among the first k |
/// | `cosine_recall@1`, `@3`, `@5`, `@10` | share of the relevant documents that are among the first k |
/// | `cosine_ndcg@10` (primary) | nDCG of relevance 0 or 1 |
/// | `cosine_mrr@10` | 1 / rank of the first relevant document |
/// | `cosine_map@100` | average precision |
/// | `cosine_graded_ndcg@10` | nDCG of the relevance with exponential gain (not in sentence-transformers) |
///
/// All are means over the queries. A document is relevant to a query if its relevance is above 0;
/// documents that are not judged are not relevant. Queries without a relevant document are left out.
#[derive(Clone, Debug)]
pub struct RetrievalEvaluator {
    /// The evaluated queries.
    queries: Vec<Query>,
    queries_left_out: usize,
    /// All documents.
    documents: Vec<String>,
    options: RetrievalOptions,
}

/// Options of a [`RetrievalEvaluator`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetrievalOptions {
    /// Documents to rank.
    pub ranking: Ranking,
    /// Cut-offs of the metrics.
    pub cutoffs: Cutoffs,
    /// Number of documents whose vectors are held at once; 0 counts as 1. It does not change scores.
    pub chunk_size: usize,
}

impl Default for RetrievalOptions {
    /// All documents in chunks of 16,384: 48 MiB of vectors of width 768, enough to form batches of
    /// similar lengths.
    fn default() -> Self {
        Self {
            ranking: Ranking::default(),
            cutoffs: Cutoffs::default(),
            chunk_size: 16_384,
        }
    }
}

/// Documents to rank for a query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ranking {
    /// All documents.
    #[default]
    All,
    /// Only the documents judged for the query, in the order of judgements if cosines are equal. No
    /// document without a judgement can then take a rank. Queries whose judgements are all equal are
    /// left out, because every order is equally good. The primary metric is the graded nDCG, which
    /// separates levels of relevance.
    Judged,
}

/// Cut-offs of each metric; all at least 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cutoffs {
    /// Cut-offs of the accuracy.
    pub accuracy: Vec<usize>,
    /// Cut-offs of precision and recall.
    pub precision_recall: Vec<usize>,
    /// Cut-offs of nDCG and graded nDCG; the largest is that of the primary metric.
    pub ndcg: Vec<usize>,
    /// Cut-offs of the mean reciprocal rank.
    pub mrr: Vec<usize>,
    /// Cut-offs of the mean average precision.
    pub map: Vec<usize>,
}

impl Default for Cutoffs {
    /// The defaults of sentence-transformers.
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

    /// The largest cut-off: the number of results to compute.
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

/// Leaves out the queries about which a ranking says nothing.
fn keep_evaluated(queries: &mut Vec<Query>, ranking: Ranking) -> Result<(), SetupError> {
    let nothing = match ranking {
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
    Ok(())
}

impl RetrievalEvaluator {
    /// An evaluator over queries, documents and their relevance judgements.
    ///
    /// # Errors
    ///
    /// A judgement refers to a query or document that does not exist, has an invalid relevance or
    /// contradicts another one; no query can be evaluated; a cut-off is invalid.
    pub fn new(
        queries: Vec<String>,
        documents: Vec<String>,
        judgements: &[Judgement],
        options: RetrievalOptions,
    ) -> Result<Self, SetupError> {
        options.cutoffs.check()?;
        let all = queries.len();
        let mut queries = by_query(queries, documents.len(), judgements)?;
        keep_evaluated(&mut queries, options.ranking)?;
        Ok(Self {
            queries_left_out: all - queries.len(),
            queries,
            documents,
            options,
        })
    }

    /// Positions of the documents ranked for any query, ascending.
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
        let vectors = encoding.encode(&queries, &Prompt::Query)?;
        // One chunk of documents at a time: its vectors are freed before the next.
        let chunks = ranked.chunks(self.options.chunk_size.max(1)).map(|chunk| {
            let texts: Vec<&str> = chunk
                .iter()
                .map(|&document| self.documents[document].as_str())
                .collect();
            encoding
                .encode(&texts, &Prompt::Document)
                .map(|vectors| (chunk, vectors))
        });
        let rankings = match self.options.ranking {
            Ranking::All => {
                let deepest = self.options.cutoffs.deepest();
                over_all_documents(&self.queries, &vectors, chunks, deepest)?
            }
            Ranking::Judged => over_judged_documents(&self.queries, &vectors, chunks)?,
        };
        Ok(figures::scores(
            &self.queries,
            &rankings,
            &self.options,
            vectors.similarity().name(),
        ))
    }

    fn description(&self) -> Description {
        Description::Retrieval {
            queries: self.queries.len(),
            queries_left_out: self.queries_left_out,
            documents: self.ranked_documents().len(),
            judgements: self
                .queries
                .iter()
                .map(|query| query.relevances.len())
                .sum(),
            ranking: self.options.ranking,
            cutoffs: self.options.cutoffs.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
