//! Two stages: an encoder finds documents, and a reranker orders the first of them.

use std::ops::ControlFlow;

use search::VectorIndex;

use super::candidates::places;
use super::ranking::Ties;
use super::{Ranking, RetrievalEvaluator, metrics};
use crate::evaluation::encoding::{Encoding, Progress, TextEncoder, Vectors};
use crate::evaluation::error::EvaluationError;
use crate::evaluation::pair::ScorePairs;
use crate::evaluation::scores::Scores;

/// The documents that an encoder found for every query of an evaluator.
pub(crate) struct FirstStage<'a> {
    evaluator: &'a RetrievalEvaluator,
    /// Documents and their scores, best first.
    found: Vec<Vec<(usize, f32)>>,
    /// Number of documents that a reranker orders.
    depth: usize,
}

impl RetrievalEvaluator {
    /// Finds the documents for every query. A reranker will order the first `depth` of them.
    ///
    /// # Errors
    ///
    /// As [`evaluate_with_progress`](super::super::Evaluator::evaluate_with_progress).
    pub(crate) fn first_stage(
        &self,
        encoder: &dyn TextEncoder,
        depth: usize,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<FirstStage<'_>, EvaluationError> {
        let total = self.queries.len() + self.ranked_documents();
        let mut encoding = Encoding::new(encoder, progress, total);
        let queries = self.encode_queries(&mut encoding)?;
        let found = match self.options.ranking {
            Ranking::All => self.found(&mut encoding, &queries, depth)?,
            Ranking::Judged => self.found_among_judged(&mut encoding, &queries)?,
        };
        Ok(FirstStage {
            evaluator: self,
            found,
            depth,
        })
    }

    /// The nearest documents of all: as many as a reranker orders and the metrics count.
    fn found(
        &self,
        encoding: &mut Encoding<'_>,
        queries: &Vectors,
        depth: usize,
    ) -> Result<Vec<Vec<(usize, f32)>>, EvaluationError> {
        let most = depth.max(self.options.cutoffs.deepest());
        let mut found: Vec<Vec<(usize, f32)>> = vec![Vec::new(); self.queries.len()];
        let all: Vec<usize> = (0..self.documents.len()).collect();
        for chunk in all.chunks(self.options.chunk_size.max(1)) {
            let documents = self.encode(encoding, chunk.to_vec())?.vectors;
            let width = documents.width();
            let index = VectorIndex::new(documents.into_values(), width, queries.similarity())?;
            encoding.check_interrupted()?;
            let hits = index.search(queries.view()?, most)?;
            for (found, hits) in found.iter_mut().zip(hits) {
                found.extend(hits.iter().map(|hit| (chunk[hit.index], hit.score)));
                found.sort_by(|one, other| other.1.total_cmp(&one.1));
                found.truncate(most);
            }
        }
        Ok(found)
    }

    /// The judged documents of every query.
    fn found_among_judged(
        &self,
        encoding: &mut Encoding<'_>,
        queries: &Vectors,
    ) -> Result<Vec<Vec<(usize, f32)>>, EvaluationError> {
        let known = super::sorted(self.queries.iter().map(|query| &query.documents));
        let chunk = self.encode(encoding, known)?;
        let of_query = |(number, query): (usize, &super::Query)| {
            let scores = chunk.scores(&query.documents, queries, number)?;
            let documents = query.documents.iter().copied();
            let mut found: Vec<(usize, f32)> = documents.zip(scores).collect();
            found.sort_by(|one, other| other.1.total_cmp(&one.1));
            Ok(found)
        };
        self.queries.iter().enumerate().map(of_query).collect()
    }
}

impl FirstStage<'_> {
    /// Metrics of the documents in the order of the encoder.
    pub(crate) fn scores(&self) -> Scores {
        let queries = self.evaluator.queries.iter().zip(&self.found);
        self.metrics(queries.map(|(query, found)| places(query, found)).collect())
    }

    /// Number of pairs that a reranker scores.
    pub(crate) fn pairs(&self) -> usize {
        self.found
            .iter()
            .map(|found| found.len().min(self.depth))
            .sum()
    }

    /// Metrics with the first documents in the order of a reranker, which `score` asks for the scores of pairs. The other
    /// documents follow in the order of the encoder.
    ///
    /// # Errors
    ///
    /// Those of `score`.
    pub(crate) fn reranked(&self, score: ScorePairs<'_>) -> Result<Scores, EvaluationError> {
        let evaluator = self.evaluator;
        let mut rankings = Vec::with_capacity(self.found.len());
        let mut pairs = Vec::with_capacity(self.pairs());
        for (query, found) in evaluator.queries.iter().zip(&self.found) {
            let first = found.iter().take(self.depth);
            pairs.extend(first.map(|&(document, _)| {
                (query.text.as_str(), evaluator.documents[document].as_str())
            }));
        }
        let scores = score(&pairs)?;
        let mut scores = scores.into_iter();
        for (query, found) in evaluator.queries.iter().zip(&self.found) {
            let (first, others) = found.split_at(found.len().min(self.depth));
            let scores = scores.by_ref().take(first.len());
            let mut list: Vec<(usize, (bool, f32))> = first
                .iter()
                .zip(scores)
                .map(|(&(document, _), score)| (document, (true, score)))
                .collect();
            list.sort_by(|one, other| other.1.1.total_cmp(&one.1.1));
            list.extend(
                others
                    .iter()
                    .map(|&(document, score)| (document, (false, score))),
            );
            rankings.push(places(query, &list));
        }
        Ok(self.metrics(rankings))
    }

    fn metrics(&self, rankings: Vec<Vec<Ties>>) -> Scores {
        let evaluator = self.evaluator;
        // Both stages have metrics of the same names.
        metrics::scores(&evaluator.queries, &rankings, &evaluator.options, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::testing::FakeEncoder;
    use crate::evaluation::{Evaluator, Judgement, RetrievalOptions};

    /// Two queries at both ends of a quarter turn, and documents between them.
    fn evaluator(ranking: Ranking, chunk_size: usize) -> RetrievalEvaluator {
        let documents: Vec<String> = (0..9).map(|number| format!("d{number}")).collect();
        let judged = [
            (0, 2, 1.0),
            (0, 5, 0.0),
            (1, 4, 2.0),
            (1, 8, 0.0),
            (1, 0, 1.0),
        ];
        let judgements = judged.map(|(query, document, relevance)| Judgement {
            query,
            document,
            relevance,
        });
        let options = RetrievalOptions {
            ranking,
            chunk_size,
            ..RetrievalOptions::default()
        };
        let queries = ["q0", "q8"].map(str::to_owned).to_vec();
        RetrievalEvaluator::new(queries, documents, &judgements, options).unwrap()
    }

    fn encoder() -> FakeEncoder {
        FakeEncoder::of(|text| {
            let angle = text[1..].parse::<f32>().unwrap() / 8.0 * std::f32::consts::FRAC_PI_2;
            [angle.cos(), angle.sin()]
        })
    }

    #[test]
    fn the_first_stage_has_the_metrics_of_retrieval() {
        for ranking in [Ranking::All, Ranking::Judged] {
            let reference = evaluator(ranking, 100).evaluate(&encoder()).unwrap();
            for chunk_size in [1, 4, 100] {
                let evaluator = evaluator(ranking, chunk_size);
                let stage = evaluator
                    .first_stage(&encoder(), 3, &mut |_| ControlFlow::Continue(()))
                    .unwrap();
                for (metric, value) in stage.scores().iter() {
                    let expected = reference.get(&format!("cosine_{metric}")).unwrap();
                    assert!(
                        (value - expected).abs() < 1e-12,
                        "{metric}: {value}, {expected}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_reranker_orders_the_first_documents() {
        let evaluator = evaluator(Ranking::All, 4);
        let encoder = encoder();
        let stage = evaluator
            .first_stage(&encoder, 3, &mut |_| ControlFlow::Continue(()))
            .unwrap();
        assert_eq!(stage.pairs(), 6);
        // q0 finds d0, d1, d2 and q8 finds d8, d7, d6: only d2 is relevant among them.
        let mut asked = Vec::new();
        let best_last = stage.reranked(&mut |pairs| {
            asked = pairs
                .iter()
                .map(|(query, text)| format!("{query} {text}"))
                .collect();
            Ok((0..pairs.len()).map(|place| place as f32).collect())
        });
        assert_eq!(
            asked,
            ["q0 d0", "q0 d1", "q0 d2", "q8 d8", "q8 d7", "q8 d6"]
        );
        // d2 is now first for q0; q8 finds d4 behind the three, at rank 5.
        let mrr = best_last.unwrap().get("mrr@10").unwrap();
        assert!((mrr - (1.0 + 0.2) / 2.0).abs() < 1e-12, "{mrr}");
        assert!((stage.scores().get("mrr@10").unwrap() - (1.0 / 3.0 + 0.2) / 2.0).abs() < 1e-12);
        // Equal scores count as the mean over all orders.
        let equal = stage
            .reranked(&mut |pairs| Ok(vec![0.5; pairs.len()]))
            .unwrap();
        let expected = ((1.0 + 0.5 + 1.0 / 3.0) / 3.0 + 0.2) / 2.0;
        assert!((equal.get("mrr@10").unwrap() - expected).abs() < 1e-12);
    }
}
