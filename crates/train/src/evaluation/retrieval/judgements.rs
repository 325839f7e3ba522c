//! Relevance judgements (qrels).

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::super::error::SetupError;

/// Maximum relevance: its gain, `2^1000`, can be summed without overflow of an `f64`.
pub const MAX_RELEVANCE: f64 = 1000.0;

/// A relevance judgement: how well a document answers a query.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Judgement {
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

/// Groups judgements by query. Repeated judgements count once.
pub(super) fn by_query(
    texts: Vec<String>,
    documents: usize,
    judgements: &[Judgement],
) -> Result<Vec<Query>, SetupError> {
    let queries = texts.into_iter().map(|text| Query {
        text,
        documents: Vec::new(),
        relevances: Vec::new(),
    });
    let mut queries: Vec<Query> = queries.collect();
    let mut seen: HashMap<(usize, usize), f64> = HashMap::new();
    for (number, judgement) in judgements.iter().enumerate() {
        let &Judgement {
            query,
            document,
            relevance,
        } = judgement;
        if !is_relevance(relevance) {
            return Err(SetupError::Relevance {
                judgement: number,
                relevance,
            });
        }
        if document >= documents {
            return Err(SetupError::NoSuchDocument {
                judgement: number,
                document,
                len: documents,
            });
        }
        let len = queries.len();
        let Some(judged) = queries.get_mut(query) else {
            return Err(SetupError::NoSuchQuery {
                judgement: number,
                query,
                len,
            });
        };
        match seen.entry((query, document)) {
            Entry::Vacant(new) => {
                new.insert(relevance);
                judged.documents.push(document);
                judged.relevances.push(relevance);
            }
            Entry::Occupied(known) if *known.get() == relevance => {}
            Entry::Occupied(known) => {
                return Err(SetupError::Conflict {
                    query,
                    document,
                    first: *known.get(),
                    second: relevance,
                });
            }
        }
    }
    Ok(queries)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(judgements: &[(usize, usize, f64)]) -> Result<Vec<Query>, SetupError> {
        let judgements: Vec<Judgement> = judgements
            .iter()
            .map(|&(query, document, relevance)| Judgement {
                query,
                document,
                relevance,
            })
            .collect();
        by_query(vec!["a".to_owned(), "b".to_owned()], 5, &judgements)
    }

    #[test]
    fn judgements_keep_their_order_and_repetitions_count_once() {
        let queries = judged(&[(1, 4, 2.0), (0, 0, 0.0), (1, 2, 0.0), (1, 4, 2.0)]).unwrap();
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

    #[test]
    fn impossible_judgements_are_refused() {
        assert_eq!(
            judged(&[(0, 1, 1.0), (2, 0, 1.0)]),
            Err(SetupError::NoSuchQuery {
                judgement: 1,
                query: 2,
                len: 2
            })
        );
        assert_eq!(
            judged(&[(0, 5, 1.0)]),
            Err(SetupError::NoSuchDocument {
                judgement: 0,
                document: 5,
                len: 5
            })
        );
        assert_eq!(
            judged(&[(0, 1, 1.0), (0, 1, 2.0)]),
            Err(SetupError::Conflict {
                query: 0,
                document: 1,
                first: 1.0,
                second: 2.0
            })
        );
        for relevance in [-1.0, 1001.0, f64::NAN, f64::INFINITY] {
            let error = judged(&[(0, 1, relevance)]).unwrap_err();
            assert!(
                matches!(error, SetupError::Relevance { judgement: 0, .. }),
                "{relevance}"
            );
        }
    }
}
