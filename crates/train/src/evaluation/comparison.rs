//! Comparison of the scores of two models.

use std::fmt;

use serde::Serialize;

use super::Description;
use super::scores::Scores;
use super::suite::SuiteScores;
use super::table::{TableRow, write_table};

/// Half a unit of the last printed decimal: smaller differences count as 0.
const SHOWN: f64 = 5e-5;

/// Scores of a suite before and after. As text it is a table that flags metrics that dropped.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// One row per metric, in the order of the suite.
    pub rows: Vec<ComparisonRow>,
    /// Evaluations with different data before and after, whose metrics cannot be compared.
    pub different_data: Vec<String>,
}

/// A metric before and after.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ComparisonRow {
    /// The name of the evaluation.
    pub evaluation: String,
    /// The metric.
    pub metric: String,
    /// Whether it is the primary metric of its evaluation.
    pub primary: bool,
    /// Its value before; `None` if not measured.
    pub before: Option<f64>,
    /// Its value after; `None` if not measured.
    pub after: Option<f64>,
}

impl ComparisonRow {
    /// After minus before; `None` if one was not measured.
    #[must_use]
    pub fn difference(&self) -> Option<f64> {
        Some(self.after? - self.before?)
    }

    /// Whether the metric dropped, in its first four decimals, or became NaN.
    #[must_use]
    pub fn is_worse(&self) -> bool {
        match (self.before, self.after) {
            (Some(before), Some(after)) => is_worse(before, after),
            _ => false,
        }
    }
}

/// Whether a metric dropped, in its first four decimals, or became NaN.
#[must_use]
pub fn is_worse(before: f64, after: f64) -> bool {
    after - before < -SHOWN || (after.is_nan() && !before.is_nan())
}

impl Comparison {
    pub(super) fn new(before: &SuiteScores, after: &SuiteScores) -> Self {
        let mut comparison = Self {
            rows: Vec::new(),
            different_data: Vec::new(),
        };
        for evaluation in &before.evaluations {
            let known = after
                .evaluations
                .iter()
                .find(|other| other.name == evaluation.name);
            let scores = known.map(|known| &known.scores);
            comparison.add(&evaluation.name, Some(&evaluation.scores), scores);
            if known.is_some_and(|known| !same_data(&known.data, &evaluation.data)) {
                comparison.different_data.push(evaluation.name.clone());
            }
        }
        let new = after
            .evaluations
            .iter()
            .filter(|evaluation| before.get(&evaluation.name).is_none());
        for evaluation in new {
            comparison.add(&evaluation.name, None, Some(&evaluation.scores));
        }
        comparison
    }

    /// Adds the metrics of an evaluation: those before, then new ones.
    fn add(&mut self, evaluation: &str, before: Option<&Scores>, after: Option<&Scores>) {
        let Some(shown) = before.or(after) else {
            return;
        };
        let mut metrics: Vec<&str> = shown.iter().map(|(metric, _)| metric).collect();
        for (metric, _) in after.iter().flat_map(|after| after.iter()) {
            if !metrics.contains(&metric) {
                metrics.push(metric);
            }
        }
        for metric in metrics {
            self.rows.push(ComparisonRow {
                evaluation: evaluation.to_owned(),
                metric: metric.to_owned(),
                primary: metric == shown.primary().0,
                before: before.and_then(|scores| scores.get(metric)),
                after: after.and_then(|scores| scores.get(metric)),
            });
        }
    }
}

/// Compares descriptions without cut-offs, which change the metrics but not the data.
fn same_data(a: &Description, b: &Description) -> bool {
    let without_cutoffs = |description: &Description| {
        let mut description = description.clone();
        if let Description::Retrieval { cutoffs, .. } = &mut description {
            *cutoffs = super::Cutoffs::default();
        }
        description
    };
    without_cutoffs(a) == without_cutoffs(b)
}

impl fmt::Display for Comparison {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value =
            |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.4}"));
        let rows = self.rows.iter().map(|row| TableRow {
            evaluation: &row.evaluation,
            metric: &row.metric,
            primary: row.primary,
            numbers: vec![
                value(row.before),
                value(row.after),
                row.difference().map_or("-".to_owned(), signed),
            ],
            note: if row.is_worse() { "worse" } else { "" },
        });
        write_table(formatter, &["before", "after", "difference"], rows)?;
        for name in &self.different_data {
            writeln!(
                formatter,
                "`{name}` has different data before and after: its metrics cannot be compared"
            )?;
        }
        Ok(())
    }
}

/// Four decimals with a sign, except for 0.
fn signed(difference: f64) -> String {
    if difference.abs() < SHOWN {
        format!("{:.4}", 0.0)
    } else {
        format!("{difference:+.4}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::NamedScores;

    fn named(name: &str, pairs: usize, scores: Scores) -> NamedScores {
        NamedScores {
            name: name.to_owned(),
            data: Description::Similarity { pairs },
            scores,
        }
    }

    fn comparison() -> Comparison {
        let before = SuiteScores {
            evaluations: vec![
                named("sts", 9, Scores::new("spearman", 0.5).with("pearson", 0.7)),
                named(
                    "products",
                    4,
                    Scores::new("ndcg", 0.25)
                        .with("mrr", 0.125)
                        .with("old", 1.0),
                ),
                named("dropped", 1, Scores::new("a", 0.0)),
            ],
        };
        let after = SuiteScores {
            evaluations: vec![
                named(
                    "sts",
                    9,
                    Scores::new("spearman", 0.49996).with("pearson", f64::NAN),
                ),
                named(
                    "products",
                    5,
                    Scores::new("ndcg", 0.5)
                        .with("mrr", 0.0625)
                        .with("new", -1.0),
                ),
                named("added", 1, Scores::new("a", 1.0)),
            ],
        };
        before.compare(&after)
    }

    #[test]
    fn dropped_metrics_are_flagged() {
        assert_eq!(
            comparison().to_string(),
            "\
evaluation  metric      before    after  difference
sts         spearman *  0.5000   0.5000      0.0000
            pearson     0.7000      NaN         NaN  worse
products    ndcg *      0.2500   0.5000     +0.2500
            mrr         0.1250   0.0625     -0.0625  worse
            old         1.0000        -           -
            new              -  -1.0000           -
dropped     a *         0.0000        -           -
added       a *              -   1.0000           -
`products` has different data before and after: its metrics cannot be compared
"
        );
    }

    #[test]
    fn rows_tell_the_same() {
        let comparison = comparison();
        let worse: Vec<&str> = comparison
            .rows
            .iter()
            .filter(|row| row.is_worse())
            .map(|row| row.metric.as_str())
            .collect();
        assert_eq!(worse, ["pearson", "mrr"]);
        assert_eq!(comparison.rows[2].difference(), Some(0.25));
        assert_eq!(comparison.different_data, ["products"]);
        let json = serde_json::to_value(&comparison.rows[3]).unwrap();
        let expected = serde_json::json!({"evaluation": "products", "metric": "mrr",
            "primary": false, "before": 0.125, "after": 0.0625});
        assert_eq!(json, expected);
    }
}
