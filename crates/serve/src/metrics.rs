//! What `/metrics` tells, under the names of text-embeddings-inference where it has one: dashboards and scaling rules
//! exist for them.

use std::time::Duration;

use prometheus::{
    Encoder, Gauge, Histogram, HistogramOpts, IntCounter, IntCounterVec, Opts, Registry,
    TextEncoder,
};

use crate::problem::Kind;

/// Counters of a service.
pub(crate) struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    successes: IntCounterVec,
    failures: IntCounterVec,
    request_duration: Histogram,
    tokenization_duration: Histogram,
    queue_duration: Histogram,
    inference_duration: Histogram,
    batch_size: Histogram,
    batch_tokens: Histogram,
    batch_duration: Histogram,
    pub(crate) queue_size: Gauge,
    pub(crate) queue_tokens: Gauge,
    pub(crate) tokens_per_second: Gauge,
    pub(crate) pair_tokens_per_second: Gauge,
    pub(crate) connections: Gauge,
    pub(crate) refused: IntCounter,
    memory: Gauge,
}

/// Seconds from 0.1 ms to 100 s.
fn seconds() -> Vec<f64> {
    prometheus::exponential_buckets(1e-4, 2.0, 20).unwrap_or_default()
}

/// Whole numbers from 1 to 32,768.
fn numbers() -> Vec<f64> {
    prometheus::exponential_buckets(1.0, 2.0, 16).unwrap_or_default()
}

impl Metrics {
    /// # Errors
    ///
    /// When two counters have one name.
    pub(crate) fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let labelled = |name: &str, help: &str, label: &str| {
            let counter = IntCounterVec::new(Opts::new(name, help), &[label])?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let histogram = |name: &str, help: &str, buckets: Vec<f64>| {
            let histogram = Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets))?;
            registry.register(Box::new(histogram.clone()))?;
            Ok::<_, prometheus::Error>(histogram)
        };
        let gauge = |name: &str, help: &str| {
            let gauge = Gauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        let refused = IntCounter::new(
            "te_request_shed",
            "Requests refused because too much waited",
        )?;
        registry.register(Box::new(refused.clone()))?;
        Ok(Self {
            requests: labelled("te_request_count", "Requests, by route", "method")?,
            successes: labelled(
                "te_request_success",
                "Requests with a result, by route",
                "method",
            )?,
            failures: labelled(
                "te_request_failure",
                "Requests without a result, by reason",
                "err",
            )?,
            request_duration: histogram("te_request_duration", "Seconds of a request", seconds())?,
            tokenization_duration: histogram(
                "te_request_tokenization_duration",
                "Seconds until a request was tokenized",
                seconds(),
            )?,
            queue_duration: histogram(
                "te_request_queue_duration",
                "Seconds of a request in the queue",
                seconds(),
            )?,
            inference_duration: histogram(
                "te_request_inference_duration",
                "Seconds from the first turn of a request to its last",
                seconds(),
            )?,
            batch_size: histogram("te_batch_next_size", "Texts of a turn", numbers())?,
            batch_tokens: histogram("te_batch_next_tokens", "Tokens of a turn", numbers())?,
            batch_duration: histogram("te_batch_duration", "Seconds of a turn", seconds())?,
            queue_size: gauge("te_queue_size", "Requests that wait")?,
            queue_tokens: gauge("te_queue_tokens", "Tokens that wait")?,
            tokens_per_second: gauge("te_tokens_per_second", "Speed of the last turns")?,
            pair_tokens_per_second: gauge(
                "te_rerank_tokens_per_second",
                "Speed of the reranker in its last turns",
            )?,
            connections: gauge("te_connections", "Open connections")?,
            memory: gauge("process_resident_memory_bytes", "Memory of the process")?,
            refused,
            registry,
        })
    }

    /// Counts a request that has ended.
    pub(crate) fn request(&self, route: &str, problem: Option<Kind>, time: Duration) {
        self.requests.with_label_values(&[route]).inc();
        match problem {
            None => self.successes.with_label_values(&[route]).inc(),
            Some(kind) => {
                self.failures.with_label_values(&[kind.name()]).inc();
                if matches!(kind, Kind::Overloaded(_)) {
                    self.refused.inc();
                }
            }
        }
        self.request_duration.observe(time.as_secs_f64());
    }

    /// Counts the parts of a request that was computed, in seconds.
    pub(crate) fn computed(&self, tokenization: f64, queue: f64, inference: f64) {
        self.tokenization_duration.observe(tokenization);
        self.queue_duration.observe(queue);
        self.inference_duration.observe(inference);
    }

    /// Counts a turn of the engine.
    pub(crate) fn batch(&self, texts: usize, tokens: usize, time: Duration) {
        self.batch_size.observe(texts as f64);
        self.batch_tokens.observe(tokens as f64);
        self.batch_duration.observe(time.as_secs_f64());
    }

    /// The text form of Prometheus.
    pub(crate) fn text(&self) -> String {
        if let Some(bytes) = resident_memory() {
            self.memory.set(bytes as f64);
        }
        let mut text = Vec::new();
        // Writing to memory does not fail.
        let _ = TextEncoder::new().encode(&self.registry.gather(), &mut text);
        String::from_utf8(text).unwrap_or_default()
    }
}

/// Memory of this process in bytes, where the system tells.
fn resident_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}
