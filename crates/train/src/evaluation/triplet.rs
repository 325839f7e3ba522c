//! Accuracy of triplets.

use std::ops::ControlFlow;

use model::Prompt;

use super::distinct::distinct;
use super::encoding::{Encoding, Progress, TextEncoder};
use super::error::{EvaluationError, SetupError};
use super::scores::Scores;
use super::{Description, Evaluator};

/// An anchor with a matching and a non-matching text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Triplet {
    /// Anchor.
    pub anchor: String,
    /// Text that matches the anchor.
    pub positive: String,
    /// Text that does not.
    pub negative: String,
}

/// `cosine_accuracy`: the share of triplets whose positive is strictly nearer to the anchor than
/// the negative, as in sentence-transformers' `TripletEvaluator`. Equal similarities count as wrong. A
/// model with another similarity has its name in place of `cosine`. Texts have the default prompt.
#[derive(Clone, Debug)]
pub struct TripletEvaluator {
    texts: Vec<String>,
    anchors: Vec<usize>,
    positives: Vec<usize>,
    negatives: Vec<usize>,
}

impl TripletEvaluator {
    /// An evaluator over triplets.
    ///
    /// # Errors
    ///
    /// [`SetupError::Empty`] without triplets.
    pub fn new(triplets: Vec<Triplet>) -> Result<Self, SetupError> {
        let count = triplets.len();
        if count == 0 {
            return Err(SetupError::Empty { what: "triplets" });
        }
        let mut texts = Vec::with_capacity(3 * count);
        let (mut positives, mut negatives) = (Vec::new(), Vec::new());
        for triplet in triplets {
            texts.push(triplet.anchor);
            positives.push(triplet.positive);
            negatives.push(triplet.negative);
        }
        texts.append(&mut positives);
        texts.append(&mut negatives);
        let (texts, mut anchors) = distinct(texts);
        let negatives = anchors.split_off(2 * count);
        let positives = anchors.split_off(count);
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
        let right = positive
            .iter()
            .zip(&negative)
            .filter(|(positive, negative)| positive > negative)
            .count();
        let accuracy = right as f64 / self.anchors.len() as f64;
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

    fn triplet([anchor, positive, negative]: [&str; 3]) -> Triplet {
        Triplet {
            anchor: anchor.to_owned(),
            positive: positive.to_owned(),
            negative: negative.to_owned(),
        }
    }

    #[test]
    fn as_sentence_transformers() {
        let reference = reference("triplet");
        let [anchors, positives, negatives] =
            ["anchors", "positives", "negatives"].map(|side| strings(&reference[side]));
        let triplets = anchors.iter().zip(&positives).zip(&negatives);
        let triplets = triplets.map(|((anchor, positive), negative)| {
            triplet([anchor.as_str(), positive.as_str(), negative.as_str()])
        });
        let evaluator = TripletEvaluator::new(triplets.collect()).unwrap();
        let scores = evaluator.evaluate(&encoder()).unwrap();
        assert_reference(&scores, &reference["result"]);
        assert_eq!(
            evaluator.description(),
            Description::Triplet { triplets: 20 }
        );
    }

    #[test]
    fn a_negative_that_is_as_near_is_a_mistake() {
        let encoder = FakeEncoder::new(&[("a", [1.0, 0.0]), ("b", [1.0, 1.0]), ("c", [0.0, 1.0])]);
        let rows = [
            ["a", "b", "c"],
            ["a", "c", "b"],
            ["b", "a", "c"],
            ["c", "b", "a"],
        ];
        let evaluator = TripletEvaluator::new(rows.map(triplet).to_vec()).unwrap();
        // Right, wrong, a tie, right.
        assert_eq!(
            evaluator.evaluate(&encoder).unwrap(),
            Scores::new("cosine_accuracy", 0.5)
        );
        assert_eq!(encoder.encoded(), ["a", "b", "c"]);
    }

    #[test]
    fn no_triplets_are_refused() {
        assert_eq!(
            TripletEvaluator::new(Vec::new()).unwrap_err(),
            SetupError::Empty { what: "triplets" }
        );
    }
}
