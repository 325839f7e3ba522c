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
    /// Requests that the service took and did not answer, because it stopped.
    stopping: usize,
    unreachable: usize,
    failed: usize,
    /// Answered requests per second.
    answered_per_second: f64,
    /// Answered texts per second.
    texts_per_second: f64,
    /// Tokens per second that the service computed: requests of different sizes have one measure.
    pub(super) tokens_per_second: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) capacity: Option<Capacity>,
    /// Milliseconds to an answer, by class.
    answers: BTreeMap<&'static str, Percentiles>,
    /// Milliseconds to a refusal.
    refusals: Percentiles,
    /// Bytes of the service before and behind.
    pub(super) memory: [f64; 2],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bulk_texts_per_second: Option<f64>,
    /// Whether the service was ended meanwhile.
    #[serde(skip)]
    pub(super) is_stopped: bool,
}

/// What the service can do, which a rate is a multiple of.
#[derive(Serialize)]
pub(super) struct Capacity {
    pub(super) factor: f64,
    pub(super) requests_per_second: f64,
    pub(super) tokens_per_second: f64,
    /// Milliseconds that 99 of 100 queries take at most, where they find the service idle.
    pub(super) unloaded_p99: f64,
    /// Milliseconds that 99 of 100 queries wait at most at this rate, by theory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) queue_p99: Option<f64>,
}

/// A turn of the service in milliseconds, which a query may have to wait for.
const TURN: f64 = 100.0;

/// Milliseconds of a query beside bulk work, at most.
const BESIDE_BULK: f64 = 250.0;

/// The accepted work at ten times the capacity, over the capacity, at least.
const WORK_UNDER_OVERLOAD: f64 = 0.9;

/// Milliseconds to a refusal at ten times the capacity, at most.
const REFUSAL: f64 = 10.0;

/// Memory behind a rate over that before, at most.
const MEMORY: f64 = 1.05;

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
            stopping: count(Outcome::Stopping),
            unreachable: count(Outcome::Unreachable),
            failed: count(Outcome::Failed),
            answered_per_second: count(Outcome::Answered) as f64 / seconds,
            texts_per_second: texts as f64 / seconds,
            tokens_per_second: f64::NAN,
            capacity: None,
            answers: by_class.collect(),
            refusals: Percentiles::of(refused.map(|one| one.latency)),
            memory: [f64::NAN; 2],
            bulk_texts_per_second: None,
            is_stopped: false,
        }
    }

    pub(super) fn p99_of_queries(&self) -> f64 {
        let queries = self.answers.get(Class::Query.name());
        queries.map_or(f64::NAN, |queries| queries.p99)
    }

    /// The limits that these figures break, a sentence each.
    pub(super) fn broken_limits(&self) -> Vec<String> {
        let mut limits = vec![
            ("failed requests", self.failed as f64, 0.0),
            (
                "accepted requests without an answer",
                self.stopping as f64,
                0.0,
            ),
        ];
        if self.is_stopped {
            // Requests came before and behind the end.
            let without = |count: usize| f64::from(u8::from(count == 0));
            limits.push(("no answer before the end", without(self.answered), 0.0));
            limits.push(("no end", without(self.unreachable), 0.0));
        } else {
            limits.push(("requests without a service", self.unreachable as f64, 0.0));
        }
        if self.bulk_texts_per_second.is_some() {
            limits.push(("p99 of queries in ms", self.p99_of_queries(), BESIDE_BULK));
        }
        if let Some(capacity) = &self.capacity {
            if let Some(queue) = capacity.queue_p99 {
                let limit = capacity.unloaded_p99 + TURN + queue;
                limits.push(("p99 of queries in ms", self.p99_of_queries(), limit));
            }
            if capacity.factor >= 10.0 {
                let work = self.tokens_per_second / capacity.tokens_per_second;
                let idle = (1.0 - work, 1.0 - WORK_UNDER_OVERLOAD);
                limits.push(("share of the capacity that is idle", idle.0, idle.1));
                limits.push(("p99 of refusals in ms", self.refusals.p99, REFUSAL));
            }
            let growth = self.memory[1] / self.memory[0];
            limits.push(("growth of the memory", growth, MEMORY));
        }
        // A figure that is missing is NaN and holds no limit.
        let broken = limits
            .into_iter()
            .filter(|&(_, value, limit)| value.is_nan() || value > limit);
        broken
            .map(|(what, value, limit)| format!("{}: {what}: {value:.2} > {limit:.2}", self.name))
            .collect()
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

    #[test]
    fn limits_are_checked() {
        let asked = |outcome, milliseconds| Asked {
            class: Class::Query,
            outcome,
            latency: Duration::from_millis(milliseconds),
        };
        let time = Duration::from_secs(1);
        let report = |milliseconds| {
            let asked = [
                asked(Outcome::Answered, milliseconds),
                asked(Outcome::Refused, milliseconds),
            ];
            let mut report = Report::new("r", 20.0, &asked, time);
            report.tokens_per_second = 95.0;
            report.memory = [100.0, 101.0];
            report.capacity = Some(Capacity {
                factor: 10.0,
                requests_per_second: 2.0,
                tokens_per_second: 100.0,
                unloaded_p99: 5.0,
                queue_p99: Some(5.0),
            });
            report
        };
        assert_eq!(report(9).broken_limits(), Vec::<String>::new());
        assert_eq!(
            report(111).broken_limits(),
            [
                "r: p99 of queries in ms: 111.00 > 110.00",
                "r: p99 of refusals in ms: 111.00 > 10.00"
            ]
        );
        let mut stopped = report(9);
        (stopped.capacity, stopped.is_stopped) = (None, true);
        assert_eq!(stopped.broken_limits(), ["r: no end: 1.00 > 0.00"]);
        let mut idle = report(9);
        idle.tokens_per_second = 80.0;
        idle.memory = [100.0, f64::NAN];
        assert_eq!(idle.broken_limits().len(), 2);
    }
}
