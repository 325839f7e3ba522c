//! Relevance judgements (qrels).

use std::collections::HashSet;

/// Maximum relevance: its gain, `2^1000`, can be summed without overflow of an `f64`.
pub(crate) const MAX_RELEVANCE: f64 = 1000.0;

/// A relevance judgement: how well a document answers a query.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Judgement {
    /// Position of the query, from 0.
    pub query: usize,
    /// Position of the document, from 0.
    pub document: usize,
    /// Relevance, from 0 (irrelevant) to [`MAX_RELEVANCE`].
    pub relevance: f64,
}

/// Whether a number is a valid relevance.
pub(in crate::evaluation) fn is_relevance(relevance: f64) -> bool {
    (0.0..=MAX_RELEVANCE).contains(&relevance)
}

/// A query with its judgements, in the order they were given.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Query {
    pub(super) text: String,
    /// Positions of the judged documents, each once.
    pub(super) documents: Vec<usize>,
    /// Their relevances.
    pub(super) relevances: Vec<f64>,
}

impl Query {
    /// Number of relevant documents.
    pub(super) fn relevant(&self) -> usize {
        self.relevances
            .iter()
            .filter(|&&relevance| relevance > 0.0)
            .count()
    }

    /// Whether the judged documents differ in relevance.
    pub(super) fn tells_apart(&self) -> bool {
        self.relevances.windows(2).any(|pair| pair[0] != pair[1])
    }
}

/// Groups judgements by query. Of several judgements of a document for a query the first counts.
///
/// # Panics
///
/// If a judgement is of a query that does not exist.
pub(super) fn by_query(texts: Vec<String>, judgements: &[Judgement]) -> Vec<Query> {
    let queries = texts.into_iter().map(|text| Query {
        text,
        documents: Vec::new(),
        relevances: Vec::new(),
    });
    let mut queries: Vec<Query> = queries.collect();
    let mut seen = HashSet::new();
    for judgement in judgements {
        if seen.insert((judgement.query, judgement.document)) {
            let query = &mut queries[judgement.query];
            query.documents.push(judgement.document);
            query.relevances.push(judgement.relevance);
        }
    }
    queries
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(judgements: &[(usize, usize, f64)]) -> Vec<Query> {
        let judgements: Vec<Judgement> = judgements
            .iter()
            .map(|&(query, document, relevance)| Judgement {
                query,
                document,
                relevance,
            })
            .collect();
        by_query(vec!["a".to_owned(), "b".to_owned()], &judgements)
    }

    #[test]
    fn judgements_keep_their_order_and_repetitions_count_once() {
        let queries = judged(&[(1, 4, 2.0), (0, 0, 0.0), (1, 2, 0.0), (1, 4, 2.0)]);
        assert_eq!(
            (&queries[0].documents, &queries[0].relevances),
            (&vec![0], &vec![0.0])
        );
        assert_eq!(
            (&queries[1].documents, &queries[1].relevances),
            (&vec![4, 2], &vec![2.0, 0.0])
        );
        assert_eq!((queries[0].relevant(), queries[1].relevant()), (0, 1));
        assert_eq!(
            (queries[0].tells_apart(), queries[1].tells_apart()),
            (false, true)
        );
    }
}
