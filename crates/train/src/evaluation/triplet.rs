//! Accuracy of triplets.

use std::ops::ControlFlow;

use model::Prompt;

use super::distinct::distinct;
use super::encoding::{Encoding, Progress, TextEncoder};
use super::error::{EvaluationError, SetupError};
use super::scores::Scores;
use super::{Description, Evaluator};

/// `cosine_accuracy`: the share of triplets whose positive is nearer to the anchor than the negative,
/// as in sentence-transformers' `TripletEvaluator`. A tie counts as half, the mean of both orders;
/// sentence-transformers counts it as wrong. A model with another similarity has its name in place of
/// `cosine`. Texts have the default prompt.
#[derive(Clone, Debug)]
pub(super) struct TripletEvaluator {
    texts: Vec<String>,
    anchors: Vec<usize>,
    positives: Vec<usize>,
    negatives: Vec<usize>,
}

impl TripletEvaluator {
    /// An evaluator over anchors, positives and negatives, of which there are as many.
    ///
    /// # Errors
    ///
    /// [`SetupError::Empty`] without triplets.
    pub(crate) fn new(columns: [Vec<String>; 3]) -> Result<Self, SetupError> {
        if columns[0].is_empty() {
            return Err(SetupError::Empty { what: "triplets" });
        }
        let (texts, [anchors, positives, negatives]) = distinct(columns);
        Ok(Self {
            texts,
            anchors,
            positives,
            negatives,
        })
    }
}

impl Evaluator for TripletEvaluator {
    fn evaluate_with_progress(
        &self,
        encoder: &dyn TextEncoder,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Scores, EvaluationError> {
        let mut encoding = Encoding::new(encoder, progress, self.texts.len());
        let vectors = encoding.encode(&self.texts, &Prompt::Default)?;
        let positive = vectors.pair_similarities(&self.anchors, &self.positives)?;
        let negative = vectors.pair_similarities(&self.anchors, &self.negatives)?;
        let right = positive.iter().zip(&negative).map(|(positive, negative)| {
            if positive == negative {
                0.5
            } else {
                f64::from(u8::from(positive > negative))
            }
        });
        let accuracy = right.sum::<f64>() / self.anchors.len() as f64;
        let metric = format!("{}_accuracy", vectors.similarity().name());
        Ok(Scores::new(metric, accuracy))
    }

    fn description(&self) -> Description {
        Description::Triplet {
            triplets: self.anchors.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::testing::{FakeEncoder, assert_reference, encoder, reference, strings};

    #[test]
    fn as_sentence_transformers() {
        let reference = reference("triplet");
        let columns = ["anchors", "positives", "negatives"].map(|side| strings(&reference[side]));
        let evaluator = TripletEvaluator::new(columns).unwrap();
        let scores = evaluator.evaluate(&encoder()).unwrap();
        assert_reference(&scores, &reference["result"]);
        assert_eq!(
            evaluator.description(),
            Description::Triplet { triplets: 20 }
        );
    }

    #[test]
    fn a_negative_that_is_as_near_counts_as_half() {
        let encoder = FakeEncoder::new(&[("a", [1.0, 0.0]), ("b", [1.0, 1.0]), ("c", [0.0, 1.0])]);
        let columns = [
            ["a", "a", "b", "c"],
            ["b", "c", "a", "b"],
            ["c", "b", "c", "a"],
        ];
        let columns = columns.map(|column| column.map(str::to_owned).to_vec());
        let evaluator = TripletEvaluator::new(columns).unwrap();
        // Right, wrong, a tie, right.
        assert_eq!(
            evaluator.evaluate(&encoder).unwrap(),
            Scores::new("cosine_accuracy", 0.625)
        );
        assert_eq!(encoder.encoded(), ["a", "b", "c"]);
    }

    #[test]
    fn no_triplets_are_refused() {
        assert_eq!(
            TripletEvaluator::new([const { Vec::new() }; 3]).unwrap_err(),
            SetupError::Empty { what: "triplets" }
        );
    }
}
