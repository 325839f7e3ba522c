//! Events of a run.

use serde::{Deserialize, Serialize};

use crate::evaluation::Scores;

/// One optimiser step.
///
/// In JSON a NaN or infinite number is `null`, which is read back as NaN.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// Number of the optimiser step, from 1.
    pub step: usize,
    /// Passes over the training rows after this step, as a fraction.
    #[serde(deserialize_with = "number::or_nan")]
    pub epoch: f64,
    /// Training loss of the step, the mean over its rows.
    #[serde(deserialize_with = "number::or_nan")]
    pub loss: f64,
    /// Learning rate of the step.
    #[serde(deserialize_with = "number::or_nan")]
    pub learning_rate: f64,
    /// Euclidean norm of all gradients, before clipping.
    #[serde(deserialize_with = "number::or_nan")]
    pub gradient_norm: f64,
    /// Number of texts of the step.
    pub texts: usize,
    /// Number of tokens that the step computed: with padding on a GPU, without on a CPU.
    pub tokens: usize,
    /// Duration of the step in seconds.
    #[serde(deserialize_with = "number::or_nan")]
    pub seconds: f64,
    /// Peak memory of the process so far, in bytes; `None` if the system does not report it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_memory_bytes: Option<u64>,
}

/// One validation of the model.
///
/// In JSON the scores are an object, in order; a NaN or infinite number is `null`, which is read back
/// as NaN.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvaluationRecord {
    /// Number of optimiser steps of the model; 0 for the base model.
    pub step: usize,
    /// Passes over the training rows of the model.
    #[serde(deserialize_with = "number::or_nan")]
    pub epoch: f64,
    /// Name of the primary score, by which models are compared; one of `scores`.
    pub primary: String,
    /// All scores by name; higher is better.
    #[serde(with = "scores")]
    pub scores: Vec<(String, f64)>,
    /// Validation loss over at most 16 batches; `None` if the loss does not accept the rows.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "number::some_or_nan"
    )]
    pub loss: Option<f64>,
    /// Duration in seconds.
    #[serde(deserialize_with = "number::or_nan")]
    pub seconds: f64,
}

impl EvaluationRecord {
    /// The scores; `None` if the primary one is not among them.
    pub(crate) fn scores(&self) -> Option<Scores> {
        let all = self.scores.iter().cloned();
        let (primary, others): (Vec<_>, Vec<_>) = all.partition(|(name, _)| *name == self.primary);
        let (name, value) = primary.into_iter().next()?;
        let mut scores = Scores::new(name, value);
        scores.extend(others);
        Some(scores)
    }
}

/// A line of the log: a JSON object whose `event` is `step`, `evaluation` or `note`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event {
    /// An optimiser step.
    Step(StepRecord),
    /// A validation.
    Evaluation(EvaluationRecord),
    /// A note for the reader of the report.
    Note {
        /// The last optimiser step before it.
        step: usize,
        /// One sentence.
        text: String,
    },
}

#[cfg(test)]
impl Event {
    /// The optimiser step of the event; 0 before the first.
    pub(crate) fn step(&self) -> usize {
        match self {
            Self::Step(record) => record.step,
            Self::Evaluation(record) => record.step,
            Self::Note { step, .. } => *step,
        }
    }
}

/// The events of a run, the oldest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// All events.
    pub events: Vec<Event>,
}

impl History {
    /// The optimiser steps.
    pub(crate) fn steps(&self) -> impl Iterator<Item = &StepRecord> {
        self.events.iter().filter_map(|event| match event {
            Event::Step(record) => Some(record),
            _ => None,
        })
    }

    /// The validations.
    pub(crate) fn evaluations(&self) -> impl Iterator<Item = &EvaluationRecord> {
        self.events.iter().filter_map(|event| match event {
            Event::Evaluation(record) => Some(record),
            _ => None,
        })
    }

    /// The texts of the notes.
    pub(crate) fn notes(&self) -> impl Iterator<Item = &str> {
        self.events.iter().filter_map(|event| match event {
            Event::Note { text, .. } => Some(text.as_str()),
            _ => None,
        })
    }
}

/// Numbers for which JSON has `null` if they are NaN or infinite.
mod number {
    use serde::{Deserialize, Deserializer};

    pub(super) fn or_nan<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
    }

    /// For numbers whose entry may be missing.
    pub(super) fn some_or_nan<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<f64>, D::Error> {
        or_nan(deserializer).map(Some)
    }
}

/// Names with numbers, as an object in order.
mod scores {
    use std::fmt;

    use serde::de::{MapAccess, Visitor};
    use serde::{Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        scores: &[(String, f64)],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_map(scores.iter().map(|(name, value)| (name, value)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<(String, f64)>, D::Error> {
        deserializer.deserialize_map(ScoresVisitor)
    }

    struct ScoresVisitor;

    impl<'de> Visitor<'de> for ScoresVisitor {
        type Value = Vec<(String, f64)>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("an object of scores")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut scores = Vec::new();
            while let Some((name, value)) = map.next_entry::<String, Option<f64>>()? {
                scores.push((name, value.unwrap_or(f64::NAN)));
            }
            Ok(scores)
        }
    }
}

#[cfg(test)]
mod tests;
