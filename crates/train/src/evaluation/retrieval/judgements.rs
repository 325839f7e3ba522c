//! Who judged what how.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::super::error::SetupError;

/// The highest grade: `2^1000`, its gain, is far enough from the largest `f64` for sums.
pub const MAX_GRADE: f64 = 1000.0;

/// How well a document answers a query.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Judgement {
    /// Position of the query, from 0.
    pub query: usize,
    /// Position of the document, from 0.
    pub document: usize,
    /// 0 for an irrelevant document, more for a better one, at most [`MAX_GRADE`].
    pub grade: f64,
}

/// Whether a number can be a grade.
pub(in crate::evaluation) fn is_grade(grade: f64) -> bool {
    (0.0..=MAX_GRADE).contains(&grade)
}

/// A query with its judgements, in the order they were given.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Query {
    pub(super) text: String,
    /// Positions of the judged documents, each once.
    pub(super) documents: Vec<usize>,
    /// Their grades.
    pub(super) grades: Vec<f64>,
}

impl Query {
    /// How many documents are relevant.
    pub(super) fn relevant(&self) -> usize {
        self.grades.iter().filter(|&&grade| grade > 0.0).count()
    }

    /// Whether one judged document is better than another.
    pub(super) fn tells_apart(&self) -> bool {
        self.grades.windows(2).any(|pair| pair[0] != pair[1])
    }
}

/// Gives every query its judgements. One that is repeated counts once.
pub(super) fn by_query(
    texts: Vec<String>,
    documents: usize,
    judgements: &[Judgement],
) -> Result<Vec<Query>, SetupError> {
    let queries = texts.into_iter().map(|text| Query {
        text,
        documents: Vec::new(),
        grades: Vec::new(),
    });
    let mut queries: Vec<Query> = queries.collect();
    let mut seen: HashMap<(usize, usize), f64> = HashMap::new();
    for (number, judgement) in judgements.iter().enumerate() {
        let &Judgement {
            query,
            document,
            grade,
        } = judgement;
        if !is_grade(grade) {
            return Err(SetupError::Grade {
                judgement: number,
                grade,
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
                new.insert(grade);
                judged.documents.push(document);
                judged.grades.push(grade);
            }
            Entry::Occupied(known) if *known.get() == grade => {}
            Entry::Occupied(known) => {
                return Err(SetupError::Conflict {
                    query,
                    document,
                    first: *known.get(),
                    second: grade,
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
            .map(|&(query, document, grade)| Judgement {
                query,
                document,
                grade,
            })
            .collect();
        by_query(vec!["a".to_owned(), "b".to_owned()], 5, &judgements)
    }

    #[test]
    fn judgements_keep_their_order_and_repetitions_count_once() {
        let queries = judged(&[(1, 4, 2.0), (0, 0, 0.0), (1, 2, 0.0), (1, 4, 2.0)]).unwrap();
        assert_eq!(
            (&queries[0].documents, &queries[0].grades),
            (&vec![0], &vec![0.0])
        );
        assert_eq!(
            (&queries[1].documents, &queries[1].grades),
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
        for grade in [-1.0, 1001.0, f64::NAN, f64::INFINITY] {
            let error = judged(&[(0, 1, grade)]).unwrap_err();
            assert!(
                matches!(error, SetupError::Grade { judgement: 0, .. }),
                "{grade}"
            );
        }
    }
}
