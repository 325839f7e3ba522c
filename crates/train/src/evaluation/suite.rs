//! Several named evaluations.

use std::fmt;
use std::ops::ControlFlow;

use serde::Serialize;

use super::encoding::{Progress, TextEncoder};
use super::error::{EvaluationError, SetupError};
use super::scores::{ScoreChange, Scores, signed};
use super::{Description, Evaluator};

/// Named evaluators, which run in the order of their addition.
#[derive(Default)]
pub(crate) struct Suite {
    evaluators: Vec<(String, Box<dyn Evaluator>)>,
}

impl Suite {
    /// Adds an evaluation.
    ///
    /// # Errors
    ///
    /// [`SetupError::DuplicateName`] if an evaluation has that name.
    pub(crate) fn add(
        &mut self,
        name: String,
        evaluator: Box<dyn Evaluator>,
    ) -> Result<(), SetupError> {
        if self.evaluators.iter().any(|(known, _)| *known == name) {
            return Err(SetupError::DuplicateName { name });
        }
        self.evaluators.push((name, evaluator));
        Ok(())
    }

    /// Whether the suite is empty.
    pub(crate) fn is_empty(&self) -> bool {
        self.evaluators.is_empty()
    }

    /// Runs all evaluations. The progress callback gets the name of the current one, and can break to interrupt.
    ///
    /// # Errors
    ///
    /// The error of the first failing evaluation, with its name, and [`EvaluationError::Interrupted`] if
    /// the callback breaks.
    pub(crate) fn evaluate(
        &self,
        encoder: &dyn TextEncoder,
        progress: &mut dyn FnMut(&str, Progress) -> ControlFlow<()>,
    ) -> Result<SuiteScores, EvaluationError> {
        let scores = self.evaluators.iter().map(|(name, evaluator)| {
            let scores =
                evaluator.evaluate_with_progress(encoder, &mut |texts| progress(name, texts));
            Ok(NamedScores {
                name: name.clone(),
                data: evaluator.description(),
                scores: scores.map_err(|error| error.of(name))?,
            })
        });
        scores.collect::<Result<_, _>>().map(SuiteScores)
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
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct NamedScores {
    /// Its name.
    pub(crate) name: String,
    /// Kind and amount of the data.
    pub(crate) data: Description,
    /// The scores.
    #[serde(flatten)]
    pub(crate) scores: Scores,
}

/// Scores of a suite, in its order. In JSON a list of `{"name": …, "data": {…}, "primary": …, "metrics": {…}}`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct SuiteScores(pub(crate) Vec<NamedScores>);

impl SuiteScores {
    /// The scores of one evaluation.
    pub(crate) fn one(name: &str, data: Description, scores: Scores) -> Self {
        Self(vec![NamedScores {
            name: name.to_owned(),
            data,
            scores,
        }])
    }
}

/// Scores of a suite or, with those of another model, their comparison. As text it is a table that marks primary
/// metrics with `*` and flags metrics that dropped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ScoreTable<'a> {
    pub(crate) before: &'a SuiteScores,
    pub(crate) after: Option<&'a SuiteScores>,
}

impl fmt::Display for ScoreTable<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: &[&str] = match self.after {
            Some(_) => &["before", "after", "difference"],
            None => &["score"],
        };
        let header = ["evaluation", "metric"].iter().chain(numbers);
        let header = header.map(|&name| name.to_owned()).collect();
        let mut lines: Vec<(Vec<String>, &str)> = vec![(header, "")];
        let shown =
            |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.4}"));
        for (place, before) in self.before.0.iter().enumerate() {
            let after = self.after.and_then(|after| after.0.get(place));
            let changes = ScoreChange::all(Some(&before.scores), after.map(|after| &after.scores));
            // The first metric is the primary one.
            let names =
                std::iter::once((before.name.as_str(), " *")).chain(std::iter::repeat(("", "")));
            for (change, (name, mark)) in changes.iter().zip(names) {
                let mut line = vec![
                    name.to_owned(),
                    format!("{}{mark}", change.name),
                    shown(change.before),
                ];
                if after.is_some() {
                    let difference = change.difference().map_or("-".to_owned(), signed);
                    line.extend([shown(change.after), difference]);
                }
                lines.push((line, if change.is_worse() { "  worse" } else { "" }));
            }
        }
        let width = |column: usize| {
            let cells = lines.iter().map(|(line, _)| line[column].chars().count());
            cells.max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..numbers.len() + 2).map(width).collect();
        for (line, note) in &lines {
            for (column, (cell, &width)) in line.iter().zip(&widths).enumerate() {
                match column {
                    0 => write!(formatter, "{cell:<width$}")?,
                    1 => write!(formatter, "  {cell:<width$}")?,
                    _ => write!(formatter, "  {cell:>width$}")?,
                }
            }
            writeln!(formatter, "{note}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::testing::FakeEncoder;
    use crate::evaluation::{RetrievalEvaluator, TripletEvaluator};

    fn suite() -> Suite {
        let column = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        let triplets = [column(&["a"]), column(&["b"]), column(&["c"])];
        let pairs = [column(&["a", "c"]), column(&["b", "a"])];
        let triplets = TripletEvaluator::new(triplets).unwrap();
        let pairs = RetrievalEvaluator::of_pairs(pairs).unwrap();
        let mut suite = Suite::default();
        assert!(suite.is_empty());
        suite
            .add("near".to_owned(), Box::new(triplets.clone()))
            .unwrap();
        let error = suite
            .add("near".to_owned(), Box::new(triplets))
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "an evaluation named `near` already exists; give this one another name"
        );
        suite.add("long name".to_owned(), Box::new(pairs)).unwrap();
        suite
    }

    fn planted() -> FakeEncoder {
        FakeEncoder::new(&[("a", [1.0, 0.0]), ("b", [1.0, 1.0]), ("c", [0.0, 1.0])])
    }

    #[test]
    fn evaluations_run_in_order_and_by_name() {
        let mut seen = Vec::new();
        let scores = suite().evaluate(&planted(), &mut |name, texts| {
            seen.push((name.to_owned(), texts.done, texts.total));
            ControlFlow::Continue(())
        });
        let scores = scores.unwrap();
        let expected = [
            ("near", 3, 3),
            ("long name", 2, 4),
            ("long name", 4, 4),
            ("long name", 4, 4),
        ];
        assert_eq!(
            seen,
            expected.map(|(name, done, total)| (name.to_owned(), done, total))
        );
        // b is the second for a, a is the second for c.
        assert_eq!(
            ScoreTable {
                before: &scores,
                after: None
            }
            .to_string(),
            "\
evaluation  metric              score
near        cosine_accuracy *  1.0000
long name   ndcg@10 *          0.6309
            accuracy@1         0.0000
            mrr@10             0.5000
"
        );
        let json = serde_json::to_string(&scores).unwrap();
        let first = r#"[{"name":"near","data":{"kind":"triplet","triplets":1},"primary":"cosine_accuracy","metrics":{"cosine_accuracy":1.0}},"#;
        assert!(json.starts_with(first), "{json}");
    }

    #[test]
    fn a_failure_is_named_and_an_interruption_is_not() {
        let infinite = FakeEncoder::of(|_| [f32::INFINITY, 0.0]);
        let failed = suite().evaluate(&infinite, &mut |_, _| ControlFlow::Continue(()));
        let message = failed.unwrap_err().to_string();
        let start = "evaluation `near`: the model's vectors cannot be compared: row 0, column 0";
        assert!(message.starts_with(start), "{message}");
        let broken = suite().evaluate(&planted(), &mut |_, _| ControlFlow::Break(()));
        assert!(matches!(broken, Err(EvaluationError::Interrupted)));
    }

    #[test]
    fn dropped_metrics_are_flagged() {
        let suite = |sts: Scores, products: Scores| {
            let named = [("sts", sts), ("products", products)];
            let named = named.map(|(name, scores)| NamedScores {
                name: name.to_owned(),
                data: Description::Similarity { pairs: 9 },
                scores,
            });
            SuiteScores(named.to_vec())
        };
        let before = suite(
            Scores::new("spearman", 0.5).with("pearson", 0.7),
            Scores::new("ndcg", 0.25)
                .with("mrr", 0.125)
                .with("old", 1.0),
        );
        let after = suite(
            Scores::new("spearman", 0.49996).with("pearson", f64::NAN),
            Scores::new("ndcg", 0.5)
                .with("mrr", 0.0625)
                .with("new", -1.0),
        );
        let comparison = ScoreTable {
            before: &before,
            after: Some(&after),
        };
        assert_eq!(
            comparison.to_string(),
            "\
evaluation  metric      before    after  difference
sts         spearman *  0.5000   0.5000      0.0000
            pearson     0.7000      NaN         NaN  worse
products    ndcg *      0.2500   0.5000     +0.2500
            mrr         0.1250   0.0625     -0.0625  worse
            old         1.0000        -           -
            new              -  -1.0000           -
"
        );
    }
}
