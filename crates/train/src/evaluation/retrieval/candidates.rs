//! Rankings of lists: the places of the relevant documents, and queries that each have their own candidates.

use std::collections::HashMap;

use super::RetrievalOptions;
use super::judgements::{Judgement, Query, by_query};
use super::metrics;
use super::ranking::Ties;
use crate::evaluation::error::SetupError;
use crate::evaluation::scores::Scores;

/// The places of a query's relevant documents in a list of documents, best first. Neighbours of equal score are tied.
pub(super) fn places<S: PartialEq>(query: &Query, list: &[(usize, S)]) -> Vec<Ties> {
    let judged = query.documents.iter().zip(&query.relevances);
    let relevance: HashMap<usize, f64> = judged
        .map(|(&document, &relevance)| (document, relevance))
        .filter(|(_, relevance)| *relevance > 0.0)
        .collect();
    let mut higher = 0;
    let mut places = Vec::new();
    for equal in list.chunk_by(|one, other| one.1 == other.1) {
        let relevances = equal
            .iter()
            .filter_map(|(document, _)| relevance.get(document));
        let relevances: Vec<f64> = relevances.copied().collect();
        if !relevances.is_empty() {
            places.push(Ties {
                higher,
                equal: equal.len(),
                relevances,
            });
        }
        higher += equal.len();
    }
    places
}

/// Queries with the documents to rank for each.
#[derive(Clone, Debug)]
pub(in crate::evaluation) struct Candidates {
    queries: Vec<Query>,
}

impl Candidates {
    /// Queries and their candidates: a judgement for each.
    ///
    /// # Errors
    ///
    /// As [`RetrievalEvaluator::new`](super::RetrievalEvaluator::new).
    pub(in crate::evaluation) fn new(
        queries: Vec<String>,
        judgements: &[Judgement],
    ) -> Result<Self, SetupError> {
        let mut queries = by_query(queries, judgements);
        queries.retain(Query::tells_apart);
        if queries.is_empty() {
            return Err(SetupError::NothingToTellApart);
        }
        Ok(Self { queries })
    }

    /// Every query with each of its candidates, in the order of [`scores`](Self::scores).
    pub(in crate::evaluation) fn pairs(&self) -> impl Iterator<Item = (&str, usize)> {
        self.queries.iter().flat_map(|query| {
            let documents = query.documents.iter();
            documents.map(|&document| (query.text.as_str(), document))
        })
    }

    /// nDCG@10 (primary), accuracy@1 and MRR@10 of the candidates in the order of their scores.
    pub(in crate::evaluation) fn scores(&self, scores: &[f32]) -> Scores {
        let mut rest = scores;
        let rankings = self.queries.iter().map(|query| {
            let of_query;
            (of_query, rest) = rest.split_at(query.documents.len().min(rest.len()));
            let documents = query.documents.iter().copied();
            let mut list: Vec<(usize, f32)> = documents.zip(of_query.iter().copied()).collect();
            list.sort_by(|one, other| other.1.total_cmp(&one.1));
            places(query, &list)
        });
        let rankings: Vec<Vec<Ties>> = rankings.collect();
        metrics::scores(&self.queries, &rankings, &RetrievalOptions::of_rows(), None)
    }
}
