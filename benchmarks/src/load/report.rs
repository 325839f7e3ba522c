//! The figures of a rate, a line of JSON.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::Asked;
use super::client::Outcome;
use super::requests::Class;

/// The figures of a rate.
#[derive(Serialize)]
pub(super) struct Report {
    name: String,
    /// Requests per second that were due.
    rate: f64,
    asked: usize,
    answered: usize,
    refused: usize,
    failed: usize,
    /// Answered requests per second.
    answered_per_second: f64,
    /// Answered texts per second.
    texts_per_second: f64,
    /// Tokens per second that the service computed: requests of different sizes have one measure.
    pub(super) tokens_per_second: f64,
    /// What the service can do, in requests per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) capacity: Option<f64>,
    /// Milliseconds to an answer, by class.
    answers: BTreeMap<&'static str, Percentiles>,
    /// Milliseconds to a refusal.
    refusals: Percentiles,
    /// Bytes of the service before and behind.
    pub(super) memory: [f64; 2],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bulk_texts_per_second: Option<f64>,
}

/// Latencies in milliseconds.
#[derive(Serialize)]
struct Percentiles {
    count: usize,
    p50: f64,
    p90: f64,
    p99: f64,
    most: f64,
}

impl Percentiles {
    fn of(latencies: impl Iterator<Item = Duration>) -> Self {
        let mut sorted: Vec<f64> = latencies
            .map(|latency| latency.as_secs_f64() * 1e3)
            .collect();
        sorted.sort_by(f64::total_cmp);
        // The smallest value that this share does not exceed.
        let at = |share: f64| {
            let rank = (share * sorted.len() as f64).ceil().max(1.0) as usize;
            sorted.get(rank - 1).copied().unwrap_or(f64::NAN)
        };
        Self {
            count: sorted.len(),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            most: at(1.0),
        }
    }
}

impl Report {
    pub(super) fn new(name: &str, rate: f64, asked: &[Asked], time: Duration) -> Self {
        let count = |outcome| asked.iter().filter(|one| one.outcome == outcome).count();
        let answered = || asked.iter().filter(|one| one.outcome == Outcome::Answered);
        let texts: usize = answered().map(|one| one.class.texts()).sum();
        // The last answers come behind the last request.
        let longest = answered().map(|one| one.latency).max().unwrap_or_default();
        let seconds = (time + longest).as_secs_f64();
        let by_class = Class::ALL.into_iter().filter_map(|class| {
            let of_class = answered().filter(|one| one.class == class);
            let percentiles = Percentiles::of(of_class.map(|one| one.latency));
            (percentiles.count > 0).then_some((class.name(), percentiles))
        });
        let refused = asked.iter().filter(|one| one.outcome == Outcome::Refused);
        Self {
            name: name.to_owned(),
            rate,
            asked: asked.len(),
            answered: count(Outcome::Answered),
            refused: count(Outcome::Refused),
            failed: count(Outcome::Failed),
            answered_per_second: count(Outcome::Answered) as f64 / seconds,
            texts_per_second: texts as f64 / seconds,
            tokens_per_second: f64::NAN,
            capacity: None,
            answers: by_class.collect(),
            refusals: Percentiles::of(refused.map(|one| one.latency)),
            memory: [f64::NAN; 2],
            bulk_texts_per_second: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let latencies = (1..=200).map(Duration::from_millis);
        let found = Percentiles::of(latencies);
        assert_eq!(
            (found.p50, found.p90, found.p99, found.most),
            (100.0, 180.0, 198.0, 200.0)
        );
        assert!(Percentiles::of(std::iter::empty()).p99.is_nan());
    }
}
