//! Scores of an evaluation.

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

/// Half a unit of the last printed decimal: smaller differences count as 0.
const SHOWN: f64 = 5e-5;

/// Named metrics, of which higher is better. Models are compared by the primary metric. It comes first,
/// the others follow in the order of the evaluator.
///
/// An undefined metric is NaN, for example the correlation with cosines that are all equal. In JSON,
/// where a NaN is `null`, scores are `{"primary": "a", "metrics": {"a": 0.5, "b": 0.25}}`.
#[derive(Clone, Debug, PartialEq)]
pub struct Scores {
    primary: (String, f64),
    others: Vec<(String, f64)>,
}

impl Scores {
    /// Scores with only a primary metric.
    #[must_use]
    pub(crate) fn new(primary: impl Into<String>, value: f64) -> Self {
        Self {
            primary: (primary.into(), value),
            others: Vec::new(),
        }
    }

    /// Adds a metric.
    #[must_use]
    pub(crate) fn with(mut self, metric: impl Into<String>, value: f64) -> Self {
        self.others.push((metric.into(), value));
        self
    }

    /// The primary metric and its value.
    #[must_use]
    pub(crate) fn primary(&self) -> (&str, f64) {
        (&self.primary.0, self.primary.1)
    }

    /// All metrics and their values, the primary one first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, f64)> {
        std::iter::once(&self.primary)
            .chain(&self.others)
            .map(|(metric, value)| (metric.as_str(), *value))
    }

    /// The value of a metric, if it was measured.
    #[must_use]
    pub fn get(&self, metric: &str) -> Option<f64> {
        self.iter()
            .find(|(name, _)| *name == metric)
            .map(|(_, value)| value)
    }
}

impl Extend<(String, f64)> for Scores {
    fn extend<I: IntoIterator<Item = (String, f64)>>(&mut self, metrics: I) {
        self.others.extend(metrics);
    }
}

impl Serialize for Scores {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        /// A map that keeps its order.
        struct Metrics<'a>(&'a Scores);
        impl Serialize for Metrics<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_map(self.0.iter())
            }
        }
        let mut fields = serializer.serialize_struct("Scores", 2)?;
        fields.serialize_field("primary", &self.primary.0)?;
        fields.serialize_field("metrics", &Metrics(self))?;
        fields.end()
    }
}

/// A score before and after; `None` where it was not measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ScoreChange<'a> {
    pub(crate) name: &'a str,
    pub(crate) before: Option<f64>,
    pub(crate) after: Option<f64>,
}

impl<'a> ScoreChange<'a> {
    /// The scores before in order, then new ones: models with different similarities have other names of metrics.
    pub(crate) fn all(before: Option<&'a Scores>, after: Option<&'a Scores>) -> Vec<Self> {
        let value = |scores: Option<&Scores>, name| scores.and_then(|scores| scores.get(name));
        let old = before.into_iter().flat_map(Scores::iter);
        let new = after.into_iter().flat_map(Scores::iter);
        let new = new.filter(|(name, _)| value(before, name).is_none());
        let change = |(name, _)| Self {
            name,
            before: value(before, name),
            after: value(after, name),
        };
        old.chain(new).map(change).collect()
    }

    /// After minus before.
    pub(crate) fn difference(&self) -> Option<f64> {
        Some(self.after? - self.before?)
    }

    /// Whether the score dropped, in its first four decimals, or became NaN.
    pub(crate) fn is_worse(&self) -> bool {
        self.before.zip(self.after).is_some_and(|(before, after)| {
            after - before < -SHOWN || (after.is_nan() && !before.is_nan())
        })
    }

    /// Whether the score rose, in its first four decimals.
    pub(crate) fn is_better(&self) -> bool {
        self.difference()
            .is_some_and(|difference| difference > SHOWN)
    }
}

/// Four decimals with a sign, except for 0.
pub(crate) fn signed(difference: f64) -> String {
    if difference.abs() <= SHOWN {
        "0.0000".to_owned()
    } else {
        format!("{difference:+.4}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_keeps_order_and_undefined_metrics() {
        let scores = Scores::new("z@10", 0.5).with("b", f64::NAN).with("a", 0.25);
        let json = serde_json::to_string(&scores).unwrap();
        assert_eq!(
            json,
            r#"{"primary":"z@10","metrics":{"z@10":0.5,"b":null,"a":0.25}}"#
        );
        assert_eq!((scores.get("a"), scores.get("c")), (Some(0.25), None));
    }
}
