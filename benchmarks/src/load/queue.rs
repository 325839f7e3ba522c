//! What a queue costs by theory.

use std::collections::BTreeMap;

use super::requests::Class;

/// The longest turn of the service in seconds: the time that a query may find the service busy with one request.
const TURN: f64 = 0.1;

/// Seconds that 99 of 100 queries wait at most, in a queue that takes queries first and never breaks off a turn.
///
/// The mean wait of the first class is Cobham's ("Priority assignment in waiting line problems", 1954): the work that an
/// arrival finds in service, over the share of time that its own class leaves. The requests of the other classes are
/// served in turns. Waits above zero are taken as exponentially distributed, as in the queue M/M/1.
///
/// `rate` counts requests per second, `seconds` is the service time of a request of each class.
pub(super) fn wait_of_queries(rate: f64, seconds: &BTreeMap<Class, f64>) -> f64 {
    let load = |class: &Class| rate * class.share() * seconds.get(class).copied().unwrap_or(0.0);
    let (mut busy, mut found) = (0.0, 0.0);
    for (class, time) in seconds {
        busy += load(class);
        found += load(class) * time.min(TURN) / 2.0;
    }
    let mean = found / (1.0 - load(&Class::Query));
    // P(wait > t) = busy · exp(-busy · t / mean), which is 0.01 here.
    (mean / busy * (100.0 * busy).ln()).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A class alone with exponential waits: 100 · 0.5 · exp(-0.5 · t / mean) = 1.
    #[test]
    fn the_wait_grows_with_the_load_and_the_turn() {
        let seconds = BTreeMap::from([(Class::Query, 0.01)]);
        // 62.5 requests/s, 50 of them queries: half of the time is busy.
        let alone = wait_of_queries(62.5, &seconds);
        let mean = 0.5 * 0.01 / 2.0 / 0.5;
        assert!((alone - mean / 0.5 * 50f64.ln()).abs() < 1e-12, "{alone}");
        let seconds = BTreeMap::from([(Class::Query, 0.01), (Class::Titles, 0.04)]);
        let beside_titles = wait_of_queries(62.5, &seconds);
        assert!(beside_titles > alone, "{beside_titles} {alone}");
        // Nobody waits in an empty queue.
        assert_eq!(wait_of_queries(0.1, &seconds), 0.0);
    }
}
