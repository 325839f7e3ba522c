//! Scores of an evaluation.

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

/// Half a unit of the last printed decimal: smaller differences count as 0.
pub(super) const SHOWN: f64 = 5e-5;

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
    pub fn new(primary: impl Into<String>, value: f64) -> Self {
        Self {
            primary: (primary.into(), value),
            others: Vec::new(),
        }
    }

    /// Adds a metric.
    #[must_use]
    pub fn with(mut self, metric: impl Into<String>, value: f64) -> Self {
        self.others.push((metric.into(), value));
        self
    }

    /// The primary metric and its value.
    #[must_use]
    pub fn primary(&self) -> (&str, f64) {
        (&self.primary.0, self.primary.1)
    }

    /// All metrics and their values, the primary one first.
    pub fn iter(&self) -> impl Iterator<Item = (&str, f64)> {
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

/// Whether a metric dropped, in its first four decimals, or became NaN.
#[must_use]
pub fn is_worse(before: f64, after: f64) -> bool {
    after - before < -SHOWN || (after.is_nan() && !before.is_nan())
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
