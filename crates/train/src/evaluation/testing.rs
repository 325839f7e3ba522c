//! Shared helpers of the evaluator tests.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Mutex;

use model::{Device, ModelError, Prompt, SentenceEncoder};
use serde_json::Value;

use super::{Scores, TextEncoder};
use crate::testing::{json_fixture, tiny_model};

/// The random model on the best backend that is compiled in.
pub(super) fn encoder() -> SentenceEncoder {
    SentenceEncoder::from_pretrained(tiny_model().to_str().unwrap(), Device::Auto).unwrap()
}

/// Data of one evaluator, and its results from sentence-transformers.
pub(super) fn reference(evaluator: &str) -> Value {
    json_fixture("tiny_evaluators.json")[evaluator].take()
}

pub(super) fn strings(value: &Value) -> Vec<String> {
    serde_json::from_value(value.clone()).unwrap()
}

pub(super) fn numbers(value: &Value) -> Vec<f64> {
    serde_json::from_value(value.clone()).unwrap()
}

/// Every metric of the reference, to 1e-6: vectors are equal to about 1e-7.
///
/// With AMX vectors are equal to 1e-5, and cosines and their correlation to 2e-5. For metrics of ranks
/// that still means equal ranks: on these data (12 queries, 3 relevant documents each, 20 pairs)
/// exchanging two neighbours changes nDCG, MRR, Spearman and the accuracies by at least 4e-4. Only MAP
/// has smaller steps, down to 1.5e-5 for a second relevant document beyond rank 52.
#[track_caller]
pub(super) fn assert_reference(scores: &Scores, reference: &Value) {
    let reference: HashMap<String, f64> = serde_json::from_value(reference.clone()).unwrap();
    assert!(!reference.is_empty());
    let tolerance = if model::backend::uses_amx() {
        2e-5
    } else {
        1e-6
    };
    for (metric, expected) in reference {
        let Some(value) = scores.get(&metric) else {
            panic!("{metric} was not measured: {scores:?}");
        };
        assert!(
            (value - expected).abs() <= tolerance,
            "{metric} is {value}, expected {expected}"
        );
    }
}

/// Eight directions, an eighth of a turn apart; texts are numbers.
pub(super) fn direction(text: &str) -> [f32; 2] {
    let directions = [
        [1.0, 0.0],
        [1.0, 1.0],
        [0.0, 1.0],
        [-1.0, 1.0],
        [-1.0, 0.0],
        [-1.0, -1.0],
        [0.0, -1.0],
        [1.0, -1.0],
    ];
    directions[text.parse::<usize>().unwrap() % 8]
}

/// Eighths of a turn between two texts.
pub(super) fn turn(a: usize, b: usize) -> usize {
    let turn = (a % 8).abs_diff(b % 8);
    turn.min(8 - turn)
}

type VectorOf = Box<dyn Fn(&str) -> [f32; 2]>;

/// An encoder with known vectors, which remembers what it embedded.
pub(super) struct FakeEncoder {
    vector: VectorOf,
    encoded: Mutex<Vec<String>>,
}

impl FakeEncoder {
    pub(super) fn of(vector: impl Fn(&str) -> [f32; 2] + 'static) -> Self {
        Self {
            vector: Box::new(vector),
            encoded: Mutex::default(),
        }
    }

    pub(super) fn new(vectors: &[(&str, [f32; 2])]) -> Self {
        let vectors: HashMap<String, [f32; 2]> = vectors
            .iter()
            .map(|&(text, vector)| (text.to_owned(), vector))
            .collect();
        Self::of(move |text| vectors[text])
    }

    /// All texts so far, in order.
    pub(super) fn encoded(&self) -> Vec<String> {
        self.encoded.lock().unwrap().clone()
    }
}

impl TextEncoder for FakeEncoder {
    fn width(&self) -> usize {
        2
    }

    fn encode_texts(
        &self,
        texts: &[&str],
        _prompt: &Prompt,
        progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<Vec<f32>, ModelError> {
        let mut encoded = self.encoded.lock().unwrap();
        encoded.extend(texts.iter().map(|&text| text.to_owned()));
        if progress(texts.len()).is_break() {
            return Err(ModelError::Interrupted);
        }
        Ok(texts.iter().flat_map(|text| (self.vector)(text)).collect())
    }
}
