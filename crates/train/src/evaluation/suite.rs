//! Several named evaluations.

use std::fmt;
use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use super::comparison::Comparison;
use super::encoding::{Progress, TextEncoder};
use super::error::{EvaluationError, SetupError};
use super::scores::Scores;
use super::table::{TableRow, write_table};
use super::{Description, Evaluator};

/// Named evaluators, which run in the order of their addition.
#[derive(Default)]
pub struct Suite {
    evaluators: Vec<(String, Box<dyn Evaluator>)>,
}

/// Progress of a suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SuiteProgress<'a> {
    /// Name of the current evaluation.
    pub name: &'a str,
    /// Its number, from 0.
    pub evaluation: usize,
    /// Number of evaluations.
    pub evaluations: usize,
    /// Progress of its texts.
    pub texts: Progress,
}

impl Suite {
    /// An empty suite.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an evaluation.
    ///
    /// # Errors
    ///
    /// [`SetupError::DuplicateName`] if an evaluation has that name.
    pub fn add(
        &mut self,
        name: impl Into<String>,
        evaluator: impl Evaluator + 'static,
    ) -> Result<(), SetupError> {
        let name = name.into();
        if self.evaluators.iter().any(|(known, _)| *known == name) {
            return Err(SetupError::DuplicateName { name });
        }
        self.evaluators.push((name, Box::new(evaluator)));
        Ok(())
    }

    /// Number of evaluations.
    #[must_use]
    pub fn len(&self) -> usize {
        self.evaluators.len()
    }

    /// Whether the suite is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.evaluators.is_empty()
    }

    /// The descriptions of all evaluations, by name.
    pub fn descriptions(&self) -> impl Iterator<Item = (&str, Description)> {
        self.evaluators
            .iter()
            .map(|(name, evaluator)| (name.as_str(), evaluator.description()))
    }

    /// Runs all evaluations.
    ///
    /// # Errors
    ///
    /// The error of the first failing evaluation, with its name.
    pub fn evaluate(&self, encoder: &dyn TextEncoder) -> Result<SuiteScores, EvaluationError> {
        self.evaluate_with_progress(encoder, &mut |_| ControlFlow::Continue(()))
    }

    /// [`evaluate`](Self::evaluate) with a progress callback, which can break to interrupt.
    ///
    /// # Errors
    ///
    /// As [`evaluate`](Self::evaluate), and [`EvaluationError::Interrupted`] if the callback
    /// breaks.
    pub fn evaluate_with_progress(
        &self,
        encoder: &dyn TextEncoder,
        progress: &mut dyn FnMut(SuiteProgress<'_>) -> ControlFlow<()>,
    ) -> Result<SuiteScores, EvaluationError> {
        let mut evaluations = Vec::with_capacity(self.evaluators.len());
        for (number, (name, evaluator)) in self.evaluators.iter().enumerate() {
            let scores = evaluator.evaluate_with_progress(encoder, &mut |texts| {
                progress(SuiteProgress {
                    name,
                    evaluation: number,
                    evaluations: self.evaluators.len(),
                    texts,
                })
            });
            evaluations.push(NamedScores {
                name: name.clone(),
                data: evaluator.description(),
                scores: scores.map_err(|error| error.of(name))?,
            });
        }
        Ok(SuiteScores { evaluations })
    }
}

impl EvaluationError {
    /// Adds the name of the evaluation, except to an interruption.
    fn of(self, name: &str) -> Self {
        match self {
            Self::Interrupted => Self::Interrupted,
            error => Self::Named {
                name: name.to_owned(),
                source: Box::new(error),
            },
        }
    }
}

/// Scores of one evaluation of a suite.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NamedScores {
    /// Its name.
    pub name: String,
    /// Kind and amount of the data.
    pub data: Description,
    /// The scores.
    #[serde(flatten)]
    pub scores: Scores,
}

/// Scores of a suite, in its order. As text it is a table that marks primary metrics with `*`; in
/// JSON a list of `{"name": …, "data": {…}, "primary": …, "metrics": {…}}`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SuiteScores {
    /// One per evaluation.
    pub evaluations: Vec<NamedScores>,
}

impl SuiteScores {
    /// The scores of the evaluation with that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Scores> {
        self.evaluations
            .iter()
            .find(|evaluation| evaluation.name == name)
            .map(|evaluation| &evaluation.scores)
    }

    /// The metric by which models are compared: the primary one of the first evaluation. `None` without
    /// evaluations.
    #[must_use]
    pub fn primary(&self) -> Option<f64> {
        let first = self.evaluations.first()?;
        Some(first.scores.primary().1)
    }

    /// Compares these scores with later ones.
    #[must_use]
    pub fn compare(&self, after: &Self) -> Comparison {
        Comparison::new(self, after)
    }
}

impl fmt::Display for SuiteScores {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = self.evaluations.iter().flat_map(|evaluation| {
            let primary = evaluation.scores.primary().0;
            evaluation
                .scores
                .iter()
                .map(move |(metric, value)| TableRow {
                    evaluation: &evaluation.name,
                    metric,
                    primary: metric == primary,
                    numbers: vec![format!("{value:.4}")],
                    note: "",
                })
        });
        write_table(formatter, &["score"], rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::testing::{FakeEncoder, named};
    use crate::evaluation::{Pair, PairedEvaluator, Triplet, TripletEvaluator};

    fn triplets() -> TripletEvaluator {
        let [anchor, positive, negative] = ["a", "b", "c"].map(str::to_owned);
        TripletEvaluator::new(vec![Triplet {
            anchor,
            positive,
            negative,
        }])
        .unwrap()
    }

    fn pairs() -> PairedEvaluator {
        let pairs = [named("a", "b"), named("c", "a")];
        let pairs = pairs.map(|(first, second)| Pair { first, second });
        PairedEvaluator::new(pairs.to_vec()).unwrap()
    }

    fn suite() -> Suite {
        let mut suite = Suite::new();
        suite.add("near", triplets()).unwrap();
        // A boxed evaluator is one too.
        let boxed: Box<dyn Evaluator> = Box::new(pairs());
        suite.add("long name", boxed).unwrap();
        suite
    }

    fn planted() -> FakeEncoder {
        FakeEncoder::new(&[("a", [1.0, 0.0]), ("b", [1.0, 1.0]), ("c", [0.0, 1.0])])
    }

    #[test]
    fn evaluations_run_in_order_and_by_name() {
        let suite = suite();
        assert_eq!((suite.len(), suite.is_empty()), (2, false));
        let mut seen = Vec::new();
        let scores = suite.evaluate_with_progress(&planted(), &mut |progress| {
            let SuiteProgress {
                evaluation, texts, ..
            } = progress;
            seen.push((
                progress.name.to_owned(),
                evaluation,
                texts.done,
                texts.total,
            ));
            ControlFlow::Continue(())
        });
        let scores = scores.unwrap();
        let expected = [("near", 0), ("long name", 1), ("long name", 1)];
        let expected = expected.map(|(name, number)| (name.to_owned(), number, 3, 3));
        assert_eq!(seen, expected);

        assert_eq!(scores.primary(), Some(1.0));
        assert_eq!(
            scores.get("near").unwrap().primary(),
            ("cosine_accuracy", 1.0)
        );
        // b is the second for a, a is the second for c.
        assert_eq!(scores.get("long name").unwrap().get("mrr@10"), Some(0.5));
        assert_eq!(scores.get("far"), None);
        assert_eq!(
            scores.to_string(),
            "\
evaluation  metric              score
near        cosine_accuracy *  1.0000
long name   ndcg@10 *          0.6309
            accuracy@1         0.0000
            mrr@10             0.5000
"
        );
    }

    #[test]
    fn scores_become_json_and_back() {
        let scores = suite().evaluate(&planted()).unwrap();
        let json = serde_json::to_string(&scores).unwrap();
        let first = r#"[{"name":"near","data":{"kind":"triplet","triplets":1},"#;
        assert!(json.starts_with(first), "{json}");
        let figures = r#""primary":"cosine_accuracy","metrics":{"cosine_accuracy":1.0}},"#;
        assert!(json.contains(figures), "{json}");
        assert_eq!(serde_json::from_str::<SuiteScores>(&json).unwrap(), scores);
    }

    #[test]
    fn a_name_is_given_once() {
        let error = suite().add("near", triplets()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "an evaluation named `near` already exists; give this one another name"
        );
    }

    #[test]
    fn a_failure_is_named_and_an_interruption_is_not() {
        let infinite = FakeEncoder::of(|_| [f32::INFINITY, 0.0]);
        let message = suite().evaluate(&infinite).unwrap_err().to_string();
        let start = "evaluation `near`: the model's vectors cannot be compared: row 0, column 0";
        assert!(message.starts_with(start), "{message}");
        let broken = suite().evaluate_with_progress(&planted(), &mut |_| ControlFlow::Break(()));
        assert!(matches!(broken, Err(EvaluationError::Interrupted)));
    }

    #[test]
    fn an_empty_suite_has_empty_scores() {
        let scores = Suite::new().evaluate(&planted()).unwrap();
        assert_eq!(scores, SuiteScores::default());
        assert_eq!(scores.primary(), None);
        assert_eq!(scores.to_string(), "evaluation  metric  score\n");
    }
}
