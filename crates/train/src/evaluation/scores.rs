//! Scores of an evaluation.

use std::fmt;
use std::iter;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Named metrics, of which higher is better. Models are compared by the primary metric. It comes first,
/// the others follow in the order of the evaluator.
///
/// An undefined metric is NaN, for example the correlation with cosines that are all equal. In JSON, where a NaN is `null`, scores are
/// `{"primary": "a", "metrics": {"a": 0.5, "b": 0.25}}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "Written", try_from = "Written")]
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
        iter::once(&self.primary)
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

/// Serialized form.
#[derive(Serialize, Deserialize)]
struct Written {
    primary: String,
    metrics: MetricMap,
}

/// A map that keeps its order.
struct MetricMap(Vec<(String, f64)>);

impl From<Scores> for Written {
    fn from(scores: Scores) -> Self {
        let primary = scores.primary.0.clone();
        let metrics = iter::once(scores.primary).chain(scores.others).collect();
        Self {
            primary,
            metrics: MetricMap(metrics),
        }
    }
}

/// The primary metric is not among the metrics.
#[derive(Debug, thiserror::Error)]
#[error("the primary metric `{0}` is not among the metrics")]
struct PrimaryMissing(String);

impl TryFrom<Written> for Scores {
    type Error = PrimaryMissing;

    fn try_from(written: Written) -> Result<Self, PrimaryMissing> {
        let mut others = written.metrics.0;
        match others.iter().position(|(name, _)| *name == written.primary) {
            Some(position) => Ok(Self {
                primary: others.remove(position),
                others,
            }),
            None => Err(PrimaryMissing(written.primary)),
        }
    }
}

impl Serialize for MetricMap {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl<'de> Deserialize<'de> for MetricMap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MetricMapVisitor)
    }
}

struct MetricMapVisitor;

impl<'de> Visitor<'de> for MetricMapVisitor {
    type Value = MetricMap;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object of metrics and their values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<MetricMap, A::Error> {
        let mut metrics = Vec::new();
        while let Some((name, value)) = map.next_entry::<String, Option<f64>>()? {
            metrics.push((name, value.unwrap_or(f64::NAN)));
        }
        Ok(MetricMap(metrics))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_keeps_order_and_undefined_figures() {
        let scores = Scores::new("z@10", 0.5).with("b", f64::NAN).with("a", 0.25);
        let json = serde_json::to_string(&scores).unwrap();
        assert_eq!(
            json,
            r#"{"primary":"z@10","metrics":{"z@10":0.5,"b":null,"a":0.25}}"#
        );
        let back: Scores = serde_json::from_str(&json).unwrap();
        assert_eq!(back.primary(), ("z@10", 0.5));
        let names: Vec<&str> = back.iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["z@10", "b", "a"]);
        assert!(back.get("b").unwrap().is_nan());
        assert_eq!((back.get("a"), back.get("c")), (Some(0.25), None));
    }

    #[test]
    fn scores_without_their_primary_metric_are_refused() {
        let error = serde_json::from_str::<Scores>(r#"{"primary":"a","metrics":{"b":1.0}}"#);
        let message = error.unwrap_err().to_string();
        assert!(
            message.contains("the primary metric `a` is not among the metrics"),
            "{message}"
        );
    }
}
