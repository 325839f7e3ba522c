//! Correlation of cosines with similarity scores.

use std::ops::ControlFlow;

use model::Prompt;
use search::metrics;

use super::distinct::distinct;
use super::encoding::{Encoding, Progress, TextEncoder};
use super::error::{EvaluationError, SetupError};
use super::scores::Scores;
use super::{Description, Evaluator};

/// Correlation of the similarities of pairs with their scores: `spearman_cosine` (primary) and
/// `pearson_cosine`, as in sentence-transformers' `EmbeddingSimilarityEvaluator`. A model with another
/// similarity has its name in place of `cosine`. Texts have the default prompt. If all similarities
/// are equal, there is no correlation: both are NaN.
///
/// [`of_labels`](Self::of_labels) adds the average precision.
#[derive(Clone, Debug)]
pub(super) struct SimilarityEvaluator {
    texts: Vec<String>,
    first: Vec<usize>,
    second: Vec<usize>,
    scores: Vec<f64>,
    labelled: bool,
}

impl SimilarityEvaluator {
    /// An evaluator over pairs of a first and a second text, with a score each on any scale.
    ///
    /// # Errors
    ///
    /// Fewer than two pairs, or equal scores.
    pub(crate) fn new(columns: [Vec<String>; 2], scores: Vec<f64>) -> Result<Self, SetupError> {
        check(&scores)?;
        let (texts, [first, second]) = distinct(columns);
        Ok(Self {
            texts,
            first,
            second,
            scores,
            labelled: false,
        })
    }

    /// An evaluator over pairs with labels, above 0 for matching texts. The primary metric is `cosine_ap`,
    /// the average precision of the pairs by descending similarity, as in sentence-transformers'
    /// `BinaryClassificationEvaluator`.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub(crate) fn of_labels(
        columns: [Vec<String>; 2],
        labels: Vec<f64>,
    ) -> Result<Self, SetupError> {
        Ok(Self {
            labelled: true,
            ..Self::new(columns, labels)?
        })
    }
}

/// Checks that a correlation with scores is defined.
pub(super) fn check(scores: &[f64]) -> Result<(), SetupError> {
    let pairs = scores.len();
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

/// Sum over the distinct similarities, highest first, of the precision of all pairs down to it times
/// the share of the matching pairs that it adds, as scikit-learn's `average_precision_score`. If all
/// similarities are equal, it is the share of matching pairs.
fn average_precision(similarities: &[f64], labels: &[f64]) -> f64 {
    let mut pairs: Vec<(f64, bool)> = similarities
        .iter()
        .zip(labels)
        .map(|(&similarity, &label)| (similarity, label > 0.0))
        .collect();
    pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (mut sum, mut seen, mut found) = (0.0, 0, 0);
    for equal in pairs.chunk_by(|a, b| a.0 == b.0) {
        let matching = equal.iter().filter(|(_, matching)| *matching).count();
        seen += equal.len();
        found += matching;
        sum += matching as f64 * found as f64 / seen as f64;
    }
    sum / found as f64
}

/// How well similarities follow scores, or labels: Spearman's and Pearson's correlation under the first two names and, of
/// labels, first the average precision under the third.
pub(super) fn agreement(
    similarities: &[f64],
    scores: &[f64],
    labelled: bool,
    [spearman, pearson, precision]: [String; 3],
) -> Scores {
    let of_ranks = metrics::spearman(similarities, scores).unwrap_or(f64::NAN);
    let of_values = metrics::pearson(similarities, scores).unwrap_or(f64::NAN);
    let first = if labelled {
        Scores::new(precision, average_precision(similarities, scores)).with(spearman, of_ranks)
    } else {
        Scores::new(spearman, of_ranks)
    };
    first.with(pearson, of_values)
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
        let name = vectors.similarity().name();
        let names = [
            format!("spearman_{name}"),
            format!("pearson_{name}"),
            format!("{name}_ap"),
        ];
        Ok(agreement(&similarities, &self.scores, self.labelled, names))
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

    fn evaluator(rows: &[(&str, &str, f64)]) -> Result<SimilarityEvaluator, SetupError> {
        let column = |of: fn(&(&str, &str, f64)) -> String| rows.iter().map(of).collect();
        let columns = [
            column(|row| row.0.to_owned()),
            column(|row| row.1.to_owned()),
        ];
        SimilarityEvaluator::new(columns, rows.iter().map(|row| row.2).collect())
    }

    #[test]
    fn as_sentence_transformers() {
        let reference = reference("similarity");
        let columns = [strings(&reference["a"]), strings(&reference["b"])];
        let evaluator = SimilarityEvaluator::new(columns, numbers(&reference["gold"])).unwrap();
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
        let scores = evaluator(&rows).unwrap().evaluate(&encoder).unwrap();
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
        let scores = evaluator(&[("a", "a", 1.0), ("a", "a", 2.0)])
            .unwrap()
            .evaluate(&encoder)
            .unwrap();
        assert!(scores.iter().all(|(_, value)| value.is_nan()));
    }

    /// scikit-learn 1.9.1: `average_precision_score([0, 1, 1, 0, 1], scores)`.
    #[test]
    fn average_precision_is_that_of_scikit_learn() {
        let labels = [0.0, 1.0, 1.0, 0.0, 1.0];
        for (scores, expected) in [
            ([0.1, 0.4, 0.35, 0.8, -0.2], 0.5888888888888889),
            ([0.5, 0.5, 0.7, 0.2, 0.2], 0.7555555555555555),
            ([0.5; 5], 0.6),
        ] {
            let actual = average_precision(&scores, &labels);
            assert!((actual - expected).abs() < 1e-12, "{scores:?}: {actual}");
        }
    }

    #[test]
    fn what_has_no_correlation_is_refused() {
        let error = |rows: &[(&str, &str, f64)]| evaluator(rows).unwrap_err();
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
    }
}
