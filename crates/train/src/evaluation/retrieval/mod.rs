//! Retrieval: ranking of documents for queries.
//!
//! | subject | module |
//! | --- | --- |
//! | relevance judgements (qrels) | `judgements` |
//! | answers of an index | `index` |
//! | places of the relevant documents | `ranking` |
//! | metrics of a ranking | `metrics` |
//! | rankings by a reranker | `candidates`, `stages` |

mod candidates;
mod index;
mod judgements;
mod metrics;
mod ranking;
mod stages;

use std::ops::ControlFlow;

use model::Prompt;
use serde::Serialize;

pub(super) use candidates::Candidates;
pub(crate) use index::{Half, IndexEvaluator};
pub(super) use judgements::is_relevance;
pub(super) use judgements::{Judgement, MAX_RELEVANCE};
pub(crate) use stages::FirstStage;

use self::judgements::{Query, by_query};
use self::ranking::{Block, Chunk, Judged, Ranker, Ties};
use super::distinct::distinct;
use super::encoding::{Encoding, Progress, TextEncoder, Vectors};
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
/// Documents of equal score count as the mean over all their orders, so a model that gives all texts
/// one vector scores as chance does.
#[derive(Clone, Debug)]
pub struct RetrievalEvaluator {
    /// The evaluated queries.
    queries: Vec<Query>,
    queries_left_out: usize,
    /// All documents.
    documents: Vec<String>,
    options: RetrievalOptions,
    /// Whether the similarity is part of the names of metrics.
    prefixed: bool,
}

/// Options of a [`RetrievalEvaluator`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetrievalOptions {
    /// Documents to rank.
    pub ranking: Ranking,
    /// Cut-offs of the metrics.
    pub cutoffs: Cutoffs,
    /// Number of documents whose vectors are held at once, besides the judged ones; 0 counts as 1. It
    /// does not change scores.
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

impl RetrievalOptions {
    /// Those of the validation rows of a run: nDCG@10, accuracy@1 and MRR@10.
    fn of_rows() -> Self {
        Self {
            cutoffs: Cutoffs {
                accuracy: vec![1],
                precision_recall: Vec::new(),
                map: Vec::new(),
                ..Cutoffs::default()
            },
            ..Self::default()
        }
    }
}

/// Documents to rank for a query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ranking {
    /// All documents.
    #[default]
    All,
    /// Only the documents judged for the query. No
    /// document without a judgement can then take a rank. Queries whose judgements are all equal are
    /// left out, because every order is equally good. The primary metric is the graded nDCG, which
    /// separates levels of relevance.
    Judged,
}

/// Cut-offs of each metric, all at least 1; nDCG, the primary metric, has one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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
    /// The largest cut-off: the number of results to compute.
    fn deepest(&self) -> usize {
        let Self {
            accuracy,
            precision_recall,
            ndcg,
            mrr,
            map,
        } = self;
        let all = [accuracy, precision_recall, ndcg, mrr, map];
        all.into_iter().flatten().copied().max().unwrap_or(0)
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
    /// No query can be evaluated.
    pub(crate) fn new(
        queries: Vec<String>,
        documents: Vec<String>,
        judgements: &[Judgement],
        options: RetrievalOptions,
    ) -> Result<Self, SetupError> {
        let all = queries.len();
        let mut queries = by_query(queries, judgements);
        keep_evaluated(&mut queries, options.ranking)?;
        Ok(Self {
            queries_left_out: all - queries.len(),
            queries,
            documents,
            options,
            prefixed: true,
        })
    }

    /// An evaluator over pairs of a first and a second text: each distinct first text is a query, each distinct second text a
    /// document, and all second texts of a query are relevant. Its metrics are `ndcg@10` (primary),
    /// `accuracy@1` and `mrr@10`.
    ///
    /// # Errors
    ///
    /// [`SetupError::Empty`] without pairs.
    pub(crate) fn of_pairs(columns: [Vec<String>; 2]) -> Result<Self, SetupError> {
        if columns[0].is_empty() {
            return Err(SetupError::Empty { what: "pairs" });
        }
        let [first, second] = columns;
        let ((queries, [first]), (documents, [second])) = (distinct([first]), distinct([second]));
        let judgements = first.into_iter().zip(second);
        let judgements: Vec<Judgement> = judgements
            .map(|(query, document)| Judgement {
                query,
                document,
                relevance: 1.0,
            })
            .collect();
        let evaluator = Self::new(queries, documents, &judgements, RetrievalOptions::of_rows())?;
        Ok(Self {
            prefixed: false,
            ..evaluator
        })
    }

    /// The judged documents of a query whose scores are needed: all that are ranked, else the relevant.
    fn judged(&self) -> Vec<Judged> {
        let all = self.options.ranking == Ranking::Judged;
        let of = |query: &Query| {
            let judged = query.documents.iter().zip(&query.relevances);
            judged
                .filter(|(_, relevance)| all || **relevance > 0.0)
                .unzip()
        };
        self.queries.iter().map(of).collect()
    }

    /// Number of documents that are ranked for any query.
    fn ranked_documents(&self) -> usize {
        match self.options.ranking {
            Ranking::All => self.documents.len(),
            Ranking::Judged => sorted(self.queries.iter().map(|query| &query.documents)).len(),
        }
    }

    fn encode_queries(&self, encoding: &mut Encoding<'_>) -> Result<Vectors, EvaluationError> {
        let queries = self.queries.iter().map(|query| query.text.as_str());
        encoding.encode(&queries.collect::<Vec<_>>(), &Prompt::Query)
    }

    fn encode(
        &self,
        encoding: &mut Encoding<'_>,
        documents: Vec<usize>,
    ) -> Result<Chunk, EvaluationError> {
        let texts: Vec<&str> = documents
            .iter()
            .map(|&document| self.documents[document].as_str())
            .collect();
        let vectors = encoding.encode(&texts, &Prompt::Document)?;
        Ok(Chunk { documents, vectors })
    }

    /// The places of the relevant documents of every query, and the name of the similarity. `seen` gets all documents, a
    /// chunk at a time, and the vectors of the queries.
    fn rank(
        &self,
        encoding: &mut Encoding<'_>,
        block: Block,
        seen: &mut dyn FnMut(Chunk, &Vectors) -> Result<(), EvaluationError>,
    ) -> Result<(Vec<Vec<Ties>>, &'static str), EvaluationError> {
        let queries = self.encode_queries(encoding)?;
        let judged = self.judged();
        let known = sorted(judged.iter().map(|(documents, _)| documents));
        let known = self.encode(encoding, known)?;
        let among_judged = self.options.ranking == Ranking::Judged;
        let mut ranker = Ranker::new(&queries, &judged, &known, among_judged)?;
        if among_judged {
            seen(known, &queries)?;
        } else {
            ranker.count(&known.vectors, block, encoding)?;
            let others: Vec<usize> = (0..self.documents.len())
                .filter(|document| known.documents.binary_search(document).is_err())
                .collect();
            seen(known, &queries)?;
            // One chunk at a time: its vectors are freed before the next.
            for chunk in others.chunks(self.options.chunk_size.max(1)) {
                let chunk = self.encode(encoding, chunk.to_vec())?;
                ranker.count(&chunk.vectors, block, encoding)?;
                seen(chunk, &queries)?;
            }
        }
        Ok((ranker.finish(), queries.similarity().name()))
    }
}

/// The distinct positions, ascending.
fn sorted<'a>(documents: impl Iterator<Item = &'a Vec<usize>>) -> Vec<usize> {
    let mut documents: Vec<usize> = documents.flatten().copied().collect();
    documents.sort_unstable();
    documents.dedup();
    documents
}

impl Evaluator for RetrievalEvaluator {
    fn evaluate_with_progress(
        &self,
        encoder: &dyn TextEncoder,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Scores, EvaluationError> {
        let total = self.queries.len() + self.ranked_documents();
        let mut encoding = Encoding::new(encoder, progress, total);
        let (rankings, similarity) =
            self.rank(&mut encoding, Block::DEFAULT, &mut |_, _| Ok(()))?;
        let prefix = self.prefixed.then_some(similarity);
        Ok(metrics::scores(
            &self.queries,
            &rankings,
            &self.options,
            prefix,
        ))
    }

    fn description(&self) -> Description {
        Description::Retrieval {
            queries: self.queries.len(),
            queries_left_out: self.queries_left_out,
            documents: self.ranked_documents(),
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
