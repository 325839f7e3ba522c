//! Retrieval of the second text of each pair among those of all pairs.

use std::ops::ControlFlow;

use model::Prompt;
use search::metrics::{self, Gain};
use search::{VectorsView, similarity_matrix};

use super::distinct::distinct;
use super::encoding::{Encoding, Progress, TextEncoder, Vectors};
use super::error::{EvaluationError, SetupError};
use super::scores::Scores;
use super::{Description, Evaluator};

/// Cut-off of the metrics.
const CUTOFF: usize = 10;

/// Pairs and second texts compared at once: `[256, 4096]` scores are 4 MiB, and normalizing their
/// vectors is a small part of the work.
const BLOCK: Block = Block {
    pairs: 256,
    texts: 4096,
};

/// Two matching texts, such as a title and its description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The query.
    pub first: String,
    /// The text to find.
    pub second: String,
}

/// Searches the second text of each pair among those of all pairs: `ndcg@10` (primary), `accuracy@1` and
/// `mrr@10`. First texts have the prompt for queries, second texts that for documents.
///
/// The rank of a pair is the number of pairs whose second text scores strictly higher with its first
/// text. Equal scores do not count, so vectors that are all equal score 1.0. A second text of several
/// pairs counts once per pair. If a first text has several pairs, the other pairs count as wrong.
///
/// Embeds every distinct text once and holds the vectors (`4 * width` bytes each). Scores are computed
/// in blocks and not stored.
#[derive(Clone, Debug)]
pub struct PairedEvaluator {
    /// The distinct second texts, then the other distinct first texts.
    texts: Vec<String>,
    first: Vec<usize>,
    second: Vec<usize>,
    /// Number of pairs of each distinct second text.
    occurrences: Vec<usize>,
}

#[derive(Clone, Copy)]
struct Block {
    pairs: usize,
    texts: usize,
}

impl PairedEvaluator {
    /// An evaluator over pairs.
    ///
    /// # Errors
    ///
    /// [`SetupError::Empty`] without pairs.
    pub fn new(pairs: Vec<Pair>) -> Result<Self, SetupError> {
        let count = pairs.len();
        if count == 0 {
            return Err(SetupError::Empty { what: "pairs" });
        }
        let (mut texts, mut first) = (Vec::with_capacity(2 * count), Vec::new());
        for pair in pairs {
            texts.push(pair.second);
            first.push(pair.first);
        }
        texts.append(&mut first);
        let (texts, mut second) = distinct(texts);
        let first = second.split_off(count);
        let different = second.iter().max().map_or(0, |last| last + 1);
        let mut occurrences = vec![0; different];
        for &text in &second {
            occurrences[text] += 1;
        }
        Ok(Self {
            texts,
            first,
            second,
            occurrences,
        })
    }

    /// The distinct first texts, and the position of each pair's among them.
    fn queries(&self) -> (Vec<String>, Vec<usize>) {
        let texts = self.first.iter().map(|&text| self.texts[text].clone());
        distinct(texts.collect())
    }

    /// For every pair, the number of second texts that score higher than its own.
    fn ranks(
        &self,
        vectors: &Vectors,
        first: &[usize],
        block: Block,
        encoding: &mut Encoding<'_>,
    ) -> Result<Vec<usize>, EvaluationError> {
        let width = vectors.width();
        let own = vectors.pair_similarities(first, &self.second)?;
        let mut ranks = vec![0; own.len()];
        for (start, occurrences) in chunks(&self.occurrences, block.texts) {
            let candidates = vectors.range(start, start + occurrences.len())?;
            for (start, first) in chunks(first, block.pairs) {
                encoding.check_interrupted()?;
                let queries = vectors.gather(first);
                // Equal vectors have equal scores, also in `own`, so ties are exact.
                let scores = similarity_matrix(
                    VectorsView::new(&queries, width)?,
                    candidates,
                    vectors.similarity(),
                )?;
                let pairs = start..start + first.len();
                let rows = scores.chunks_exact(candidates.len());
                for ((rank, own), row) in ranks[pairs.clone()].iter_mut().zip(&own[pairs]).zip(rows)
                {
                    let higher = row
                        .iter()
                        .zip(occurrences)
                        .filter(|(score, _)| *score > own);
                    *rank += higher.map(|(_, occurrences)| occurrences).sum::<usize>();
                }
            }
        }
        Ok(ranks)
    }
}

/// Chunks with the positions of their first items.
fn chunks<T>(items: &[T], length: usize) -> impl Iterator<Item = (usize, &[T])> {
    (0..).step_by(length).zip(items.chunks(length))
}

/// The metrics of a pair whose text has rank `rank`, from 0.
fn pair_metrics(rank: usize) -> [f64; 3] {
    let found: Vec<bool> = (0..CUTOFF).map(|position| position == rank).collect();
    let relevances: Vec<f64> = found
        .iter()
        .map(|&found| f64::from(u8::from(found)))
        .collect();
    [
        metrics::ndcg(&relevances, &[1.0], CUTOFF, Gain::Linear).unwrap_or(0.0),
        metrics::accuracy(&found, 1),
        metrics::reciprocal_rank(&found, CUTOFF),
    ]
}

impl Evaluator for PairedEvaluator {
    fn evaluate_with_progress(
        &self,
        encoder: &dyn TextEncoder,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Scores, EvaluationError> {
        let documents = &self.texts[..self.occurrences.len()];
        let queries = encoder.separates_queries().then(|| self.queries());
        let total = match &queries {
            Some((queries, _)) => documents.len() + queries.len(),
            None => self.texts.len(),
        };
        let mut encoding = Encoding::new(encoder, progress, total);
        let (vectors, first) = match queries {
            Some((queries, positions)) => {
                let mut vectors = encoding.encode(documents, &Prompt::Document)?;
                vectors.append(encoding.encode(&queries, &Prompt::Query)?);
                let rows = positions.into_iter().map(|row| documents.len() + row);
                (vectors, rows.collect())
            }
            // Every text has one vector, so texts of both sides are embedded once.
            None => {
                let vectors = encoding.encode(&self.texts, &Prompt::Document)?;
                (vectors, self.first.clone())
            }
        };
        let ranks = self.ranks(&vectors, &first, BLOCK, &mut encoding)?;
        let mut sums = [0.0; 3];
        for &rank in &ranks {
            for (sum, metric) in sums.iter_mut().zip(pair_metrics(rank)) {
                *sum += metric;
            }
        }
        let [ndcg, accuracy, reciprocal_rank] = sums.map(|sum| sum / ranks.len() as f64);
        Ok(Scores::new("ndcg@10", ndcg)
            .with("accuracy@1", accuracy)
            .with("mrr@10", reciprocal_rank))
    }

    fn description(&self) -> Description {
        Description::Paired {
            pairs: self.first.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::testing::{
        FakeEncoder, direction, encoder, named, reference, strings, turn,
    };
    use proptest::prelude::*;
    use search::Similarity;

    fn evaluator(pairs: &[(String, String)]) -> PairedEvaluator {
        let pairs = pairs.iter().map(|(first, second)| Pair {
            first: first.clone(),
            second: second.clone(),
        });
        PairedEvaluator::new(pairs.collect()).unwrap()
    }

    /// `score()` of the reference run: all scores at once, every pair against every pair.
    fn plain_ranks(cosine: impl Fn(usize, usize) -> f32, pairs: usize) -> Vec<usize> {
        (0..pairs)
            .map(|pair| {
                let own = cosine(pair, pair);
                (0..pairs)
                    .filter(|&other| cosine(pair, other) > own)
                    .count()
            })
            .collect()
    }

    fn plain_scores(ranks: &[usize]) -> [f64; 3] {
        let mean = |of: &dyn Fn(usize) -> f64| {
            ranks.iter().map(|&rank| of(rank)).sum::<f64>() / ranks.len() as f64
        };
        [
            mean(&|rank| {
                if rank < 10 {
                    1.0 / (rank as f64 + 2.0).log2()
                } else {
                    0.0
                }
            }),
            mean(&|rank| f64::from(u8::from(rank == 0))),
            mean(&|rank| {
                if rank < 10 {
                    1.0 / (rank as f64 + 1.0)
                } else {
                    0.0
                }
            }),
        ]
    }

    proptest! {
        /// Twelve texts in eight directions: texts repeat, and so do scores.
        #[test]
        fn as_a_plain_loop(
            pairs in prop::collection::vec((0usize..12, 0usize..12), 1..40),
            block in (1usize..8, 1usize..8),
        ) {
            let encoder = FakeEncoder::of(direction);
            let texts: Vec<(String, String)> =
                pairs.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect();
            let evaluator = evaluator(&texts);

            let mut nothing = |_| ControlFlow::Continue(());
            let mut encoding = Encoding::new(&encoder, &mut nothing, evaluator.texts.len());
            let vectors = encoding.encode(&evaluator.texts, &Prompt::Document).unwrap();
            let first = &evaluator.first;
            let block = Block { pairs: block.0, texts: block.1 };
            let ranks = evaluator.ranks(&vectors, first, block, &mut encoding).unwrap();
            let whole = evaluator.ranks(&vectors, first, BLOCK, &mut encoding).unwrap();
            prop_assert_eq!(&ranks, &whole);

            // The smaller the turn, the nearer.
            let nearness = |a: usize, b: usize| -(turn(pairs[a].0, pairs[b].1) as f32);
            prop_assert_eq!(&ranks, &plain_ranks(nearness, pairs.len()));

            let scores = evaluator.evaluate(&encoder).unwrap();
            let names = ["ndcg@10", "accuracy@1", "mrr@10"];
            let expected = names.into_iter().zip(plain_scores(&ranks));
            for (figure, expected) in scores.iter().zip(expected) {
                prop_assert_eq!(figure.0, expected.0);
                prop_assert!((figure.1 - expected.1).abs() < 1e-12);
            }

            let mut distinct: Vec<&String> = texts.iter().flat_map(|(a, b)| [a, b]).collect();
            distinct.sort();
            distinct.dedup();
            // Embedded twice, once above and once by `evaluate`.
            prop_assert_eq!(encoder.encoded().len(), 2 * distinct.len());
        }
    }

    /// With a real network: a block of scores is as good as all of them.
    #[test]
    fn as_a_plain_loop_over_a_network() {
        let texts = reference("similarity");
        let texts: Vec<(String, String)> = strings(&texts["a"])
            .into_iter()
            .zip(strings(&texts["b"]))
            .collect();
        let encoder = encoder();
        let all = |side: fn(&(String, String)) -> &String| {
            let texts: Vec<&String> = texts.iter().map(side).collect();
            encoder.encode(&texts).unwrap()
        };
        let (first, second) = (all(|pair| &pair.0), all(|pair| &pair.1));
        let rows = |values| VectorsView::new(values, encoder.width()).unwrap();
        let (first, second) = (rows(first.values()), rows(second.values()));
        let matrix = similarity_matrix(first, second, Similarity::Cosine).unwrap();
        let ranks = plain_ranks(
            |pair, other| matrix[pair * texts.len() + other],
            texts.len(),
        );

        let scores = evaluator(&texts).evaluate(&encoder).unwrap();
        for ((name, value), expected) in scores.iter().zip(plain_scores(&ranks)) {
            assert!(
                (value - expected).abs() < 1e-12,
                "{name}: {value}, not {expected}"
            );
        }
        // The model is random, but not so random that no text finds its own.
        assert!(scores.get("mrr@10").unwrap() > 0.0);
    }

    #[test]
    fn scoring_can_be_broken_off() {
        let encoder = FakeEncoder::new(&[("a", [1.0, 0.0]), ("b", [0.0, 1.0])]);
        let evaluator = evaluator(&[named("a", "b"), named("b", "a")]);
        let mut calls = Vec::new();
        let error = evaluator.evaluate_with_progress(&encoder, &mut |progress| {
            calls.push((progress.done, progress.total));
            if calls.len() == 2 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        assert!(matches!(error, Err(EvaluationError::Interrupted)));
        assert_eq!(calls, [(2, 2), (2, 2)]);
    }

    #[test]
    fn no_pairs_are_refused() {
        assert_eq!(
            PairedEvaluator::new(Vec::new()).unwrap_err(),
            SetupError::Empty { what: "pairs" }
        );
    }
}
