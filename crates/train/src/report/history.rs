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
mod tests {
    use proptest::prelude::*;

    use super::super::metrics_log::MetricsLog;
    use super::*;
    use crate::error::TrainError;

    fn step(step: usize) -> StepRecord {
        StepRecord {
            step,
            epoch: 0.5,
            loss: 0.25,
            learning_rate: 0.001,
            gradient_norm: 1.5,
            texts: 64,
            tokens: 4096,
            seconds: 0.75,
            peak_memory_bytes: Some(1 << 30),
        }
    }

    fn evaluation(step: usize) -> EvaluationRecord {
        EvaluationRecord {
            step,
            epoch: 1.0,
            primary: "ndcg@10".to_owned(),
            scores: vec![("ndcg@10".to_owned(), 0.5), ("accuracy@1".to_owned(), 0.25)],
            loss: Some(0.125),
            seconds: 3.0,
        }
    }

    fn json(event: &Event) -> String {
        serde_json::to_string(event).unwrap()
    }

    fn read(content: &[u8]) -> Result<History, TrainError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        std::fs::write(&path, content).unwrap();
        MetricsLog::resume(&path, usize::MAX).map(MetricsLog::into_history)
    }

    #[test]
    fn a_line_is_an_object_that_names_its_event() {
        assert_eq!(
            json(&Event::Step(step(3))),
            "{\"event\":\"step\",\"step\":3,\"epoch\":0.5,\"loss\":0.25,\"learning_rate\":0.001,\
             \"gradient_norm\":1.5,\"texts\":64,\"tokens\":4096,\"seconds\":0.75,\
             \"peak_memory_bytes\":1073741824}"
        );
        assert_eq!(
            json(&Event::Evaluation(evaluation(3))),
            "{\"event\":\"evaluation\",\"step\":3,\"epoch\":1.0,\"primary\":\"ndcg@10\",\
             \"scores\":{\"ndcg@10\":0.5,\"accuracy@1\":0.25},\"loss\":0.125,\"seconds\":3.0}"
        );
        let note = Event::Note {
            step: 3,
            text: "two\nlines".to_owned(),
        };
        assert_eq!(
            json(&note),
            "{\"event\":\"note\",\"step\":3,\"text\":\"two\\nlines\"}"
        );
    }

    #[test]
    fn events_come_back_in_their_order() {
        let events = [
            Event::Evaluation(evaluation(0)),
            Event::Step(step(1)),
            Event::Note {
                step: 1,
                text: "a note".to_owned(),
            },
            Event::Step(step(2)),
        ];
        let content: String = events.iter().map(|event| json(event) + "\n").collect();
        let history = read(content.as_bytes()).unwrap();
        assert_eq!(history.events, events);
        let steps: Vec<usize> = history.steps().map(|record| record.step).collect();
        assert_eq!(steps, [1, 2]);
        assert_eq!(history.evaluations().count(), 1);
        assert_eq!(history.notes().collect::<Vec<_>>(), ["a note"]);
        let positions: Vec<usize> = events.iter().map(Event::step).collect();
        assert_eq!(positions, [0, 1, 1, 2]);
    }

    #[test]
    fn what_is_not_finite_is_null_and_comes_back_as_nan() {
        let mut record = step(1);
        record.loss = f64::INFINITY;
        record.gradient_norm = f64::NAN;
        record.peak_memory_bytes = None;
        let line = json(&Event::Step(record));
        assert!(line.contains("\"loss\":null,"), "{line}");
        assert!(!line.contains("peak_memory_bytes"), "{line}");
        let mut scored = evaluation(1);
        scored.scores[0].1 = f64::NEG_INFINITY;
        scored.loss = Some(f64::NAN);
        let mut without = evaluation(2);
        without.loss = None;
        let lines = [
            line,
            json(&Event::Evaluation(scored)),
            json(&Event::Evaluation(without)),
        ];

        let history = read(lines.join("\n").as_bytes()).unwrap();
        let back = history.steps().next().unwrap();
        assert!(back.loss.is_nan() && back.gradient_norm.is_nan());
        assert_eq!((back.epoch, back.peak_memory_bytes), (0.5, None));
        let evaluations: Vec<_> = history.evaluations().collect();
        assert!(evaluations[0].scores[0].1.is_nan());
        assert_eq!(evaluations[0].scores[1].1, 0.25);
        assert!(evaluations[0].loss.unwrap().is_nan());
        assert_eq!(evaluations[1].loss, None);
    }

    #[test]
    fn a_last_line_may_be_cut_off_anywhere() {
        let whole = json(&Event::Step(step(1))) + "\n";
        let last = json(&Event::Note {
            step: 1,
            text: "Größe".to_owned(),
        });
        for length in 0..last.len() {
            let mut content = whole.clone().into_bytes();
            content.extend_from_slice(&last.as_bytes()[..length]);
            let history = read(&content).unwrap();
            assert_eq!(history.events.len(), 1, "cut after {length} bytes");
        }
        // Only the line break is missing.
        assert_eq!(
            read((whole.clone() + &last).as_bytes())
                .unwrap()
                .events
                .len(),
            2
        );
        // A file system may have filled the end with zeros.
        let history = read((whole + "\0\0\0\0").as_bytes()).unwrap();
        assert_eq!(history.events.len(), 1);
    }

    #[test]
    fn another_damaged_line_is_named() {
        let good = json(&Event::Step(step(1)));
        let without_loss = good.replace("\"loss\":0.25,", "");
        for (content, expected) in [
            (format!("{good}\n{{\"event\":\"st\n{good}\n"), 2),
            (format!("{good}\n\n{{\"event\":\n"), 3),
            (format!("{good}\n{without_loss}\n"), 2),
            ("{\"event\":\"pause\",\"step\":1}".to_owned(), 1),
            (format!("{good}{good}\n"), 1),
        ] {
            match read(content.as_bytes()) {
                Err(TrainError::Log { line, .. }) => assert_eq!(line, expected, "{content}"),
                other => panic!("{content}: {other:?}"),
            }
        }
    }

    #[test]
    fn empty_lines_and_unknown_fields_are_passed_over() {
        let good = json(&Event::Step(step(1)));
        let newer = good.replace('}', ",\"temperature\":61}");
        let history = read(format!("\n{good}\r\n \n{newer}\n").as_bytes()).unwrap();
        assert_eq!(history.events, [Event::Step(step(1)), Event::Step(step(1))]);
        assert_eq!(read(b"").unwrap(), History::default());
    }

    proptest! {
        #[test]
        fn any_step_survives(
            number in 1_usize..1 << 40,
            floats in prop::array::uniform5(1e-12..1e6_f64),
            counts in prop::array::uniform2(0_usize..1 << 40),
            memory in prop::option::of(any::<u64>()),
        ) {
            let record = StepRecord {
                step: number,
                epoch: floats[0],
                loss: floats[1],
                learning_rate: floats[2],
                gradient_norm: floats[3],
                texts: counts[0],
                tokens: counts[1],
                seconds: floats[4],
                peak_memory_bytes: memory,
            };
            let line = json(&Event::Step(record.clone()));
            let Event::Step(back) = serde_json::from_str(&line).unwrap() else {
                panic!("{line}");
            };
            let read =
                [back.epoch, back.loss, back.learning_rate, back.gradient_norm, back.seconds];
            prop_assert_eq!(read, floats);
            prop_assert_eq!(
                (back.step, back.texts, back.tokens, back.peak_memory_bytes),
                (number, counts[0], counts[1], memory)
            );
        }
    }
}
