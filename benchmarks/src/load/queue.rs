//! What a queue costs by theory.

use super::requests::Class;

/// Seconds that 99 of 100 queries wait for other queries at most, where they have a share of the service of their own.
///
/// The mean wait is that of Pollaczek and Khinchine for equal service times: half of the service time, times the load
/// over the rest of the time. Waits above zero are taken as exponentially distributed, as in the queue M/M/1. What a query
/// waits for the running turn of other work comes on top.
///
/// `rate` counts requests per second, `seconds` is the service time of a query.
pub(super) fn wait_of_queries(rate: f64, seconds: f64) -> f64 {
    let load = rate * Class::Query.share() * seconds;
    let mean = seconds / 2.0 * load / (1.0 - load);
    // P(wait > t) = load · exp(-load · t / mean), which is 0.01 here.
    (mean / load * (100.0 * load).ln()).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_grows_with_the_load() {
        // 62.5 requests/s, 50 of them queries: half of the time is busy, and the mean wait is half of the service time.
        let half = wait_of_queries(62.5, 0.01);
        assert!((half - 0.005 / 0.5 * 50f64.ln()).abs() < 1e-12, "{half}");
        assert!(wait_of_queries(100.0, 0.01) > half);
        // Fewer than one in a hundred finds the service busy.
        assert_eq!(wait_of_queries(0.1, 0.01), 0.0);
    }
}
