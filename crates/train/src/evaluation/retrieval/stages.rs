//! Two stages: an encoder finds documents, and a reranker orders the first of them.

use std::ops::ControlFlow;

use search::VectorIndex;

use super::candidates::places;
use super::ranking::{Block, Chunk, Ties};
use super::{Ranking, RetrievalEvaluator, metrics};
use crate::evaluation::encoding::{Encoding, Progress, TextEncoder, Vectors};
use crate::evaluation::error::EvaluationError;
use crate::evaluation::pair::ScorePairs;
use crate::evaluation::scores::Scores;

/// The documents that an encoder found for every query of an evaluator.
pub(crate) struct FirstStage<'a> {
    evaluator: &'a RetrievalEvaluator,
    /// The places of the relevant documents, among all that have the same score.
    rankings: Vec<Vec<Ties>>,
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
        let mut found = vec![Vec::new(); self.queries.len()];
        let mut seen = |chunk: Chunk, queries: &Vectors| match self.options.ranking {
            Ranking::All => self.find(&mut found, chunk, queries, depth),
            Ranking::Judged => self.order(&mut found, &chunk, queries),
        };
        let (rankings, _) = self.rank(&mut encoding, Block::DEFAULT, &mut seen)?;
        Ok(FirstStage {
            evaluator: self,
            rankings,
            found,
            depth,
        })
    }

    /// Adds the nearest documents of a chunk: all together as many as a reranker orders and the metrics count.
    fn find(
        &self,
        found: &mut [Vec<(usize, f32)>],
        chunk: Chunk,
        queries: &Vectors,
        depth: usize,
    ) -> Result<(), EvaluationError> {
        let most = depth.max(self.options.cutoffs.deepest());
        let Chunk { documents, vectors } = chunk;
        let width = vectors.width();
        let index = VectorIndex::new(vectors.into_values(), width, queries.similarity())?;
        let hits = index.search(queries.view()?, most)?;
        for (found, hits) in found.iter_mut().zip(hits) {
            found.extend(hits.iter().map(|hit| (documents[hit.index], hit.score)));
            // The judged documents come first, and must not win for that.
            found.sort_by(|one, other| other.1.total_cmp(&one.1).then(one.0.cmp(&other.0)));
            found.truncate(most);
        }
        Ok(())
    }

    /// Orders the judged documents of every query.
    fn order(
        &self,
        found: &mut [Vec<(usize, f32)>],
        chunk: &Chunk,
        queries: &Vectors,
    ) -> Result<(), EvaluationError> {
        for (number, (query, found)) in self.queries.iter().zip(found).enumerate() {
            let scores = chunk.scores(&query.documents, queries, number)?;
            found.extend(query.documents.iter().copied().zip(scores));
            found.sort_by(|one, other| other.1.total_cmp(&one.1));
        }
        Ok(())
    }
}

impl FirstStage<'_> {
    /// Metrics of the documents in the order of the encoder.
    pub(crate) fn scores(&self) -> Scores {
        self.metrics(&self.rankings)
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
        Ok(self.metrics(&rankings))
    }

    fn metrics(&self, rankings: &[Vec<Ties>]) -> Scores {
        let evaluator = self.evaluator;
        // Both stages have metrics of the same names.
        metrics::scores(&evaluator.queries, rankings, &evaluator.options, None)
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
    fn a_first_stage_that_tells_nothing_scores_as_chance() {
        let encoder = FakeEncoder::of(|_| [1.0, 0.0]);
        let evaluator = evaluator(Ranking::All, 2);
        let stage = evaluator
            .first_stage(&encoder, 1, &mut |_| ControlFlow::Continue(()))
            .unwrap();
        let expected = evaluator.evaluate(&encoder).unwrap();
        for (metric, value) in stage.scores().iter() {
            let expected = expected.get(&format!("cosine_{metric}")).unwrap();
            assert!(
                (value - expected).abs() < 1e-12,
                "{metric}: {value}, {expected}"
            );
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
