//! Validation of a reranker in training.

use std::collections::HashSet;

use super::distinct::distinct;
use super::error::{EvaluationError, SetupError};
use super::retrieval::{Candidates, Judgement};
use super::scores::Scores;
use super::similarity::{agreement, check};
use crate::data::{RowKind, TextTable};

/// Candidates of a query of pairs without negatives: its positives, and second texts of other pairs.
const CANDIDATES: usize = 20;

/// The distance of the pairs whose second texts are candidates of a query, in pairs: a prime, so that they come from all
/// over the file, of which neighbours are often alike.
const STRIDE: usize = 7919;

/// Scores of pairs of texts, in their order.
pub(crate) type ScorePairs<'a> =
    &'a mut dyn FnMut(&[(&str, &str)]) -> Result<Vec<f32>, EvaluationError>;

/// Rows with known answers to evaluate a reranker on.
///
/// | rows | metrics, the first of them primary |
/// | --- | --- |
/// | pairs | nDCG@10, accuracy@1 and MRR@10 among 20 candidates: the positives of the query and of other pairs |
/// | with negatives | the same among the positives and negatives of the query |
/// | with a score | `spearman`, `pearson` |
/// | with a label | `ap`, the average precision, `spearman`, `pearson` |
pub(crate) struct PairEvaluator {
    /// The second text of every pair that is scored.
    documents: Vec<String>,
    measure: Measure,
}

enum Measure {
    /// The order of candidates.
    Order(Candidates),
    /// Agreement with scores, or labels, of the first texts with the documents.
    Agreement {
        first: Vec<String>,
        scores: Vec<f64>,
        labelled: bool,
    },
}

impl PairEvaluator {
    /// The evaluator for some rows of a table. It copies the texts.
    ///
    /// # Errors
    ///
    /// The evaluator cannot use the rows.
    pub(crate) fn of_rows(table: &TextTable, rows: &[usize]) -> Result<Self, SetupError> {
        let column = |column: usize| -> Vec<String> {
            let texts = rows.iter().map(|&row| table.text(row, column).to_owned());
            texts.collect()
        };
        match table.kind() {
            RowKind::Scored | RowKind::Labelled => {
                let scores: Vec<f64> = table.targets(rows).into_iter().map(f64::from).collect();
                check(&scores)?;
                Ok(Self {
                    documents: column(1),
                    measure: Measure::Agreement {
                        first: column(0),
                        scores,
                        labelled: table.kind() == RowKind::Labelled,
                    },
                })
            }
            RowKind::Texts | RowKind::Tagged => Err(SetupError::Empty { what: "pairs" }),
            RowKind::Pairs | RowKind::Tuples { .. } | RowKind::ScoredTuples { .. } => {
                Self::of_candidates((0..table.text_columns()).map(column).collect())
            }
        }
    }

    /// The columns are anchors, positives and negatives.
    fn of_candidates(columns: Vec<Vec<String>>) -> Result<Self, SetupError> {
        let mut columns = columns.into_iter();
        let anchors = columns.next().unwrap_or_default();
        let rows = anchors.len();
        if rows == 0 {
            return Err(SetupError::Empty { what: "rows" });
        }
        let (queries, [anchors]) = distinct([anchors]);
        let negatives = columns.len() > 1;
        let texts: Vec<String> = columns.flatten().collect();
        let (documents, [texts]) = distinct([texts]);
        // The texts are column by column: those of the positives come first.
        let mut relevances: Vec<Vec<(usize, f64)>> = vec![Vec::new(); queries.len()];
        let mut known: HashSet<(usize, usize)> = HashSet::new();
        // The first relevance counts. The result is the number of the query's candidates.
        let mut add = |query: usize, document: usize, relevance: f64| {
            if known.insert((query, document)) {
                relevances[query].push((document, relevance));
            }
            relevances[query].len()
        };
        for (place, &document) in texts.iter().enumerate() {
            let relevance = if place < rows { 1.0 } else { 0.0 };
            add(anchors[place % rows], document, relevance);
        }
        if !negatives {
            let stride = if rows.is_multiple_of(STRIDE) {
                1
            } else {
                STRIDE
            };
            for (row, &query) in anchors.iter().enumerate() {
                let others = (1..rows).map(|step| texts[(row + step * stride) % rows]);
                for document in others.take(CANDIDATES) {
                    if add(query, document, 0.0) >= CANDIDATES {
                        break;
                    }
                }
            }
        }
        let judgements = relevances
            .iter()
            .enumerate()
            .flat_map(|(query, documents)| {
                documents
                    .iter()
                    .map(move |&(document, relevance)| Judgement {
                        query,
                        document,
                        relevance,
                    })
            });
        let judgements: Vec<Judgement> = judgements.collect();
        let candidates = Candidates::new(queries, &judgements)?;
        Ok(Self {
            documents,
            measure: Measure::Order(candidates),
        })
    }

    /// Scores all pairs and computes the metrics.
    ///
    /// # Errors
    ///
    /// Those of `score`.
    pub(crate) fn evaluate(&self, score: ScorePairs<'_>) -> Result<Scores, EvaluationError> {
        match &self.measure {
            Measure::Order(candidates) => {
                let pairs = candidates.pairs();
                let pairs: Vec<(&str, &str)> = pairs
                    .map(|(query, document)| (query, self.documents[document].as_str()))
                    .collect();
                Ok(candidates.scores(&score(&pairs)?))
            }
            Measure::Agreement {
                first,
                scores,
                labelled,
            } => {
                let documents = self.documents.iter().map(String::as_str);
                let pairs: Vec<(&str, &str)> =
                    first.iter().map(String::as_str).zip(documents).collect();
                let predicted = score(&pairs)?;
                let predicted: Vec<f64> = predicted.into_iter().map(f64::from).collect();
                let names = ["spearman", "pearson", "ap"].map(str::to_owned);
                Ok(agreement(&predicted, scores, *labelled, names))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Example;

    fn table(kind: RowKind, rows: &[(&[&str], Option<f32>)]) -> TextTable {
        let rows = rows.iter().map(|(texts, target)| Example {
            texts: texts.iter().map(|&text| text.to_owned()).collect(),
            target: *target,
        });
        TextTable::from_rows(kind, rows).unwrap()
    }

    fn evaluated(table: &TextTable, score: impl Fn(&str, &str) -> f32) -> (Scores, usize) {
        let rows: Vec<usize> = (0..table.len()).collect();
        let asked = std::cell::Cell::new(0);
        let evaluator = PairEvaluator::of_rows(table, &rows).unwrap();
        let scores = evaluator.evaluate(&mut |pairs| {
            asked.set(pairs.len());
            Ok(pairs
                .iter()
                .map(|(query, text)| score(query, text))
                .collect())
        });
        (scores.unwrap(), asked.get())
    }

    #[test]
    fn candidates_are_the_positives_and_negatives_of_a_query() {
        // `b` is right for `q` in one row and wrong in another: it is right.
        let table = table(
            RowKind::Tuples { negatives: 2 },
            &[
                (&["q", "a", "b", "c"], None),
                (&["q", "b", "c", "d"], None),
                (&["r", "a", "b", "c"], None),
            ],
        );
        // In alphabetical order: both queries have their positives first.
        let (scores, asked) = evaluated(&table, |_, text| -f32::from(text.as_bytes()[0]));
        assert_eq!(asked, 4 + 3);
        assert_eq!(scores.primary(), ("ndcg@10", 1.0));
        // The other way: `q` finds `b` third, `r` finds `a` third.
        let (scores, _) = evaluated(&table, |_, text| f32::from(text.as_bytes()[0]));
        assert!(
            (scores.get("mrr@10").unwrap() - 1.0 / 3.0).abs() < 1e-12,
            "{scores:?}"
        );
    }

    #[test]
    fn pairs_without_negatives_have_the_positives_of_others_as_candidates() {
        let names: Vec<[String; 2]> = (0..50)
            .map(|row| [format!("q{row}"), format!("d{row}")])
            .collect();
        let rows: Vec<[&str; 2]> = names
            .iter()
            .map(|[query, document]| [query.as_str(), document])
            .collect();
        let rows: Vec<(&[&str], Option<f32>)> =
            rows.iter().map(|row| (row.as_slice(), None)).collect();
        let table = table(RowKind::Pairs, &rows);
        let (scores, asked) = evaluated(&table, |query, text| f32::from(query[1..] == text[1..]));
        assert_eq!(asked, 50 * CANDIDATES);
        assert_eq!(scores.get("accuracy@1"), Some(1.0));
        // One score for all texts is chance: one of 20.
        let (scores, _) = evaluated(&table, |_, _| 0.5);
        assert!((scores.get("accuracy@1").unwrap() - 0.05).abs() < 1e-12);
    }

    #[test]
    fn labels_and_scores_are_compared_with_those_of_the_model() {
        let rows: [(&[&str], Option<f32>); 3] = [
            (&["q", "1"], Some(1.0)),
            (&["q", "2"], Some(0.0)),
            (&["q", "3"], Some(1.0)),
        ];
        let number = |_: &str, text: &str| text.parse().unwrap();
        let (scores, _) = evaluated(&table(RowKind::Labelled, &rows), number);
        // Right, wrong, right by descending score: (1 + 2 / 3) / 2.
        assert_eq!(scores.primary().0, "ap");
        assert!((scores.primary().1 - 5.0 / 6.0).abs() < 1e-12);
        let (scores, _) = evaluated(&table(RowKind::Scored, &rows), number);
        assert_eq!(scores.primary(), ("spearman", 0.0));
    }
}
