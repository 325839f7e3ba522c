//! The speed of the model, measured while it works.

use std::time::Duration;

/// What a turn keeps of the weight of the turns before it: about the last ten count.
const KEPT: f64 = 0.9;

/// Tokens per second over the last turns.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rate {
    tokens: f64,
    seconds: f64,
}

impl Rate {
    pub(super) fn add(&mut self, tokens: usize, time: Duration) {
        self.tokens = self.tokens * KEPT + tokens as f64;
        self.seconds = self.seconds * KEPT + time.as_secs_f64();
    }

    /// Seconds that tokens take; 0 before the first turn.
    pub(super) fn seconds(&self, tokens: usize) -> f64 {
        if self.tokens > 0.0 {
            tokens as f64 * self.seconds / self.tokens
        } else {
            0.0
        }
    }

    /// Tokens that a time is enough for; as many as can be before the first turn.
    pub(super) fn tokens_in(&self, time: Duration) -> usize {
        if self.seconds > 0.0 {
            (self.tokens_per_second() * time.as_secs_f64()) as usize
        } else {
            usize::MAX
        }
    }

    pub(super) fn tokens_per_second(&self) -> f64 {
        if self.seconds > 0.0 {
            self.tokens / self.seconds
        } else {
            0.0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_turns_count_most() {
        let mut rate = Rate::default();
        assert_eq!((rate.seconds(100), rate.tokens_per_second()), (0.0, 0.0));
        assert_eq!(rate.tokens_in(Duration::from_secs(1)), usize::MAX);
        rate.add(1000, Duration::from_secs(1));
        assert_eq!((rate.seconds(500), rate.tokens_per_second()), (0.5, 1000.0));
        assert_eq!(rate.tokens_in(Duration::from_millis(100)), 100);
        for _ in 0..100 {
            rate.add(1000, Duration::from_secs(2));
        }
        // 0.9^100 is 2.7e-5 of the weight.
        assert!((rate.tokens_per_second() - 500.0).abs() < 0.1, "{rate:?}");
    }
}
