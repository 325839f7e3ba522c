//! Answers of an index, by meaning, by words and by both.

use std::collections::HashMap;

use search::index::{IndexError, IndexReader};
use search::{Fusion, Mode};

use super::judgements::{Query, by_query};
use super::ranking::Ties;
use super::{Judgement, Ranking, RetrievalOptions, keep_evaluated, metrics};
use crate::evaluation::error::SetupError;
use crate::evaluation::scores::Scores;

/// Metrics of an index's answers: those of [`RetrievalEvaluator`](super::RetrievalEvaluator), with
/// `meaning`, `words` or `hybrid` in place of `cosine`.
#[derive(Clone, Debug)]
pub(crate) struct IndexEvaluator {
    queries: Vec<Query>,
    /// The ids of the judged documents.
    ids: Vec<String>,
    options: RetrievalOptions,
}

/// Half of the queries: a weight that was chosen on one is tested on the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Half {
    /// For choosing.
    First,
    /// For testing.
    Second,
}

impl Half {
    /// The half of a query. It depends on the text alone (FNV-1a, 32 bits).
    #[must_use]
    pub(crate) fn of(query: &str) -> Self {
        let hash = query.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
            (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        });
        // The low bits of FNV-1a are those of the last bytes.
        if (hash >> 16) & 1 == 0 {
            Self::First
        } else {
            Self::Second
        }
    }
}

impl IndexEvaluator {
    /// An evaluator over queries and judgements of documents, by the positions of their ids.
    ///
    /// # Errors
    ///
    /// As [`RetrievalEvaluator::new`](super::RetrievalEvaluator::new).
    pub(crate) fn new(
        queries: Vec<String>,
        ids: Vec<String>,
        judgements: &[Judgement],
        options: RetrievalOptions,
    ) -> Result<Self, SetupError> {
        let mut queries = by_query(queries, judgements);
        keep_evaluated(&mut queries, options.ranking)?;
        Ok(Self {
            queries,
            ids,
            options,
        })
    }

    /// The queries that are evaluated.
    pub(crate) fn queries(&self) -> impl Iterator<Item = &str> {
        self.queries.iter().map(|query| query.text.as_str())
    }

    /// Judged documents that an index does not hold, which it cannot find.
    ///
    /// # Errors
    ///
    /// When the index cannot be read.
    pub(crate) fn absent(&self, index: &IndexReader) -> Result<usize, IndexError> {
        let mut absent = 0;
        for id in &self.ids {
            absent += usize::from(index.document(id)?.is_none());
        }
        Ok(absent)
    }

    /// Metrics over the queries of a half, or over all. `vectors` are those of
    /// [`queries`](Self::queries), `[queries, width]`. `None` if the half is empty.
    ///
    /// # Errors
    ///
    /// When the index cannot be read, or the vectors do not fit it.
    pub(crate) fn scores(
        &self,
        index: &IndexReader,
        vectors: &[f32],
        mode: Mode,
        fusion: Option<Fusion>,
        half: Option<Half>,
    ) -> Result<Option<Scores>, IndexError> {
        let width = index.settings().width;
        let queries = self.queries.iter().zip(vectors.chunks_exact(width));
        let queries =
            queries.filter(|(query, _)| half.is_none_or(|half| half == Half::of(&query.text)));
        let (queries, vectors): (Vec<&Query>, Vec<&[f32]>) = queries.unzip();
        if queries.is_empty() {
            return Ok(None);
        }
        let asked = queries.iter().zip(vectors);
        let asked: Vec<search::Query> = asked
            .map(|(query, vector)| search::Query {
                vector: vector.to_vec(),
                text: if mode == Mode::Meaning {
                    String::new()
                } else {
                    query.text.clone()
                },
                mode,
                fusion,
                typos: true,
                ..self.rows_of(query)
            })
            .collect();
        let answers = index.answers(&asked)?;
        let rankings = queries.iter().zip(&answers).map(|(query, answer)| {
            let ids = query
                .documents
                .iter()
                .map(|&document| self.ids[document].as_str());
            let relevances: HashMap<&str, f64> =
                ids.zip(query.relevances.iter().copied()).collect();
            // The user sees the hits in this order, also those of equal score.
            let relevant = answer.hits.iter().enumerate().filter_map(|(place, hit)| {
                let relevance = *relevances.get(hit.id.as_str())?;
                (relevance > 0.0).then(|| Ties {
                    higher: place,
                    equal: 1,
                    relevances: vec![relevance],
                })
            });
            relevant.collect()
        });
        let rankings: Vec<Vec<Ties>> = rankings.collect();
        let queries: Vec<Query> = queries.into_iter().cloned().collect();
        Ok(Some(metrics::scores(
            &queries,
            &rankings,
            &self.options,
            Some(mode.name()),
        )))
    }

    /// Which rows a query ranks, and how many of them.
    fn rows_of(&self, query: &Query) -> search::Query {
        match self.options.ranking {
            Ranking::All => search::Query {
                k: self.options.cutoffs.deepest(),
                ..search::Query::default()
            },
            Ranking::Judged => search::Query {
                k: query.documents.len(),
                only: query
                    .documents
                    .iter()
                    .map(|&document| self.ids[document].clone())
                    .collect(),
                ..search::Query::default()
            },
        }
    }
}
