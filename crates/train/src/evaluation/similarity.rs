//! Correlation of cosines with similarity scores.

use std::ops::ControlFlow;

use model::Prompt;
use search::metrics;

use super::distinct::distinct;
use super::encoding::{Encoding, Progress, TextEncoder};
use super::error::{EvaluationError, SetupError};
use super::scores::Scores;
use super::{Description, Evaluator};

/// Two texts with a similarity score.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoredPair {
    /// First text.
    pub first: String,
    /// Second text.
    pub second: String,
    /// Similarity; finite, on any scale.
    pub score: f64,
}

/// Correlation of the similarities of pairs with their scores: `spearman_cosine` (primary) and
/// `pearson_cosine`, as in sentence-transformers' `EmbeddingSimilarityEvaluator`. A model with another
/// similarity has its name in place of `cosine`. Texts have the default prompt.
#[derive(Clone, Debug)]
pub struct SimilarityEvaluator {
    texts: Vec<String>,
    first: Vec<usize>,
    second: Vec<usize>,
    scores: Vec<f64>,
}

impl SimilarityEvaluator {
    /// An evaluator over pairs with scores.
    ///
    /// # Errors
    ///
    /// Fewer than two pairs, a score that is not finite, or equal scores.
    pub fn new(pairs: Vec<ScoredPair>) -> Result<Self, SetupError> {
        let scores: Vec<f64> = pairs.iter().map(|pair| pair.score).collect();
        check(&scores)?;
        let (mut texts, mut second) = (Vec::with_capacity(2 * pairs.len()), Vec::new());
        for pair in pairs {
            texts.push(pair.first);
            second.push(pair.second);
        }
        texts.append(&mut second);
        let (texts, mut first) = distinct(texts);
        let second = first.split_off(scores.len());
        Ok(Self {
            texts,
            first,
            second,
            scores,
        })
    }
}

fn check(scores: &[f64]) -> Result<(), SetupError> {
    let pairs = scores.len();
    if let Some(pair) = scores.iter().position(|score| !score.is_finite()) {
        let score = scores[pair];
        return Err(SetupError::ScoreNotFinite { pair, score });
    }
    match scores {
        [] => Err(SetupError::Empty {
            what: "pairs with a score",
        }),
        [_] => Err(SetupError::TooFewPairs { pairs }),
        [first, others @ ..] if others.iter().all(|score| score == first) => {
            let score = *first;
            Err(SetupError::EqualScores { pairs, score })
        }
        _ => Ok(()),
    }
}

impl Evaluator for SimilarityEvaluator {
    fn evaluate_with_progress(
        &self,
        encoder: &dyn TextEncoder,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Scores, EvaluationError> {
        let mut encoding = Encoding::new(encoder, progress, self.texts.len());
        let vectors = encoding.encode(&self.texts, &Prompt::Default)?;
        let similarities: Vec<f64> = vectors
            .pair_similarities(&self.first, &self.second)?
            .into_iter()
            .map(f64::from)
            .collect();
        let spearman = metrics::spearman(&similarities, &self.scores);
        let pearson = metrics::pearson(&similarities, &self.scores);
        let name = |metric: &str| format!("{metric}_{}", vectors.similarity().name());
        Ok(Scores::new(name("spearman"), spearman.unwrap_or(f64::NAN))
            .with(name("pearson"), pearson.unwrap_or(f64::NAN)))
    }

    fn description(&self) -> Description {
        Description::Similarity {
            pairs: self.scores.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::testing::{
        FakeEncoder, assert_reference, encoder, numbers, reference, strings,
    };

    fn pairs(rows: &[(&str, &str, f64)]) -> Vec<ScoredPair> {
        rows.iter()
            .map(|&(first, second, score)| ScoredPair {
                first: first.to_owned(),
                second: second.to_owned(),
                score,
            })
            .collect()
    }

    #[test]
    fn as_sentence_transformers() {
        let reference = reference("similarity");
        let (a, b) = (strings(&reference["a"]), strings(&reference["b"]));
        let pairs: Vec<ScoredPair> = a
            .into_iter()
            .zip(b)
            .zip(numbers(&reference["gold"]))
            .map(|((first, second), score)| ScoredPair {
                first,
                second,
                score,
            })
            .collect();
        let evaluator = SimilarityEvaluator::new(pairs).unwrap();
        let scores = evaluator.evaluate(&encoder()).unwrap();
        assert_reference(&scores, &reference["result"]);
        assert_eq!(scores.primary().0, "spearman_cosine");
        assert_eq!(
            evaluator.description(),
            Description::Similarity { pairs: 20 }
        );
    }

    #[test]
    fn a_text_is_embedded_once() {
        let encoder = FakeEncoder::new(&[("a", [1.0, 0.0]), ("b", [1.0, 1.0]), ("c", [0.0, 1.0])]);
        let rows = [("a", "a", 5.0), ("a", "b", 3.0), ("c", "a", 0.0)];
        let scores = SimilarityEvaluator::new(pairs(&rows))
            .unwrap()
            .evaluate(&encoder)
            .unwrap();
        assert_eq!(encoder.encoded(), ["a", "c", "b"]);
        // The ranks agree; their correlation is rounded in f64.
        assert!((scores.get("spearman_cosine").unwrap() - 1.0).abs() < 1e-12);
        // Cosines of 1, the root of a half and 0 against 5, 3 and 0, in f32.
        let cosines = [1.0, 0.5f64.sqrt(), 0.0];
        let expected = metrics::pearson(&cosines, &[5.0, 3.0, 0.0]).unwrap();
        assert!((scores.get("pearson_cosine").unwrap() - expected).abs() < 1e-6);
    }

    #[test]
    fn cosines_that_do_not_vary_have_no_correlation() {
        let encoder = FakeEncoder::new(&[("a", [1.0, 0.0])]);
        let scores = SimilarityEvaluator::new(pairs(&[("a", "a", 1.0), ("a", "a", 2.0)]))
            .unwrap()
            .evaluate(&encoder)
            .unwrap();
        assert!(scores.iter().all(|(_, value)| value.is_nan()));
    }

    #[test]
    fn what_has_no_correlation_is_refused() {
        let error = |rows: &[(&str, &str, f64)]| SimilarityEvaluator::new(pairs(rows)).unwrap_err();
        assert!(matches!(error(&[]), SetupError::Empty { .. }));
        assert_eq!(
            error(&[("a", "b", 1.0)]),
            SetupError::TooFewPairs { pairs: 1 }
        );
        assert_eq!(
            error(&[("a", "b", 1.0), ("a", "c", 1.0)]),
            SetupError::EqualScores {
                pairs: 2,
                score: 1.0
            }
        );
        let nan = error(&[("a", "b", 1.0), ("a", "c", f64::NAN)]);
        assert!(matches!(nan, SetupError::ScoreNotFinite { pair: 1, .. }));
    }
}
