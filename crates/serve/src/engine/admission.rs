//! What is accepted: as much work as the models do in the time that a request may wait.

use std::time::Duration;

use super::queue::Queue;
use super::rate::Rate;
use super::work::WorkKind;
use super::{Limits, Priority};
use crate::problem::{Kind, Problem};

/// What waits, and how fast it is computed.
#[derive(Default)]
pub(super) struct State {
    pub(super) queue: Queue,
    /// Of each kind of work: texts and pairs are read by different models.
    rates: [Rate; 2],
    /// Tokens of pairs that are admitted, and do not wait yet.
    pub(super) reserved_pairs: usize,
}

impl State {
    pub(super) fn rate(&self, kind: WorkKind) -> Rate {
        self.rates[kind as usize]
    }

    pub(super) fn rate_mut(&mut self, kind: WorkKind) -> &mut Rate {
        &mut self.rates[kind as usize]
    }

    /// Seconds of work in front of a request.
    fn seconds_before(&self, priority: Priority) -> f64 {
        let seconds = |priority| -> f64 {
            let of_kind = |kind| self.rate(kind).seconds(self.queue.tokens(kind, priority));
            WorkKind::ALL.map(of_kind).into_iter().sum()
        };
        let interactive = seconds(Priority::Interactive);
        match priority {
            // Every third turn is for bulk work.
            Priority::Interactive => interactive * 1.5,
            Priority::Bulk => interactive + seconds(Priority::Bulk),
        }
    }

    /// Refuses a request while more waits in front of it than the limit of its priority.
    pub(super) fn admit(&self, priority: Priority, limits: &Limits) -> Result<(), Problem> {
        refuse_above(limits, priority, self.seconds_before(priority))
    }

    /// Refuses a search with a reranker likewise. What other searches have reserved counts too, and only for them: a search
    /// must not wait behind its own pairs.
    pub(super) fn admit_pairs(&self, priority: Priority, limits: &Limits) -> Result<(), Problem> {
        let reserved = self.rate(WorkKind::Pairs).seconds(self.reserved_pairs);
        refuse_above(limits, priority, self.seconds_before(priority) + reserved)
    }
}

fn refuse_above(limits: &Limits, priority: Priority, seconds: f64) -> Result<(), Problem> {
    let most = limits.queue_seconds[priority as usize];
    if seconds <= most {
        return Ok(());
    }
    let wait = Duration::from_secs_f64(seconds - most).max(Duration::from_millis(50));
    let message = format!("{seconds:.1} s of work wait already; try again later");
    Err(Problem::new(Kind::Overloaded(wait), message))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::super::queue::tests::{encoder, score, work};
    use super::*;

    #[test]
    fn pairs_count_by_the_speed_of_the_reranker() {
        let mut state = State::default();
        let second = Duration::from_secs(1);
        state.rate_mut(WorkKind::Texts).add(1000, second);
        state.rate_mut(WorkKind::Pairs).add(10, second);
        let now = Instant::now();
        // Three tokens for each of 10 texts.
        state.queue.push(work(&encoder(), Priority::Bulk, 10, now));
        let of_texts = state.seconds_before(Priority::Bulk);
        assert!((of_texts - 0.03).abs() < 1e-12, "{of_texts}");
        // And for each of 10 pairs.
        state.queue.push(score(10, now));
        let of_both = state.seconds_before(Priority::Bulk);
        assert!((of_both - 3.03).abs() < 1e-12, "{of_both}");
        // They wait behind it.
        assert_eq!(state.seconds_before(Priority::Interactive), 0.0);
        let limits = |seconds| Limits {
            turn_tokens: 64,
            queue_seconds: [1.0, seconds],
            request_timeout: second,
            batch_limit: second,
            turn_pause: Duration::ZERO,
            in_turn: || {},
        };
        assert!(state.admit(Priority::Bulk, &limits(3.1)).is_ok());
        let refused = state.admit(Priority::Bulk, &limits(1.03));
        assert!(
            matches!(&refused, Err(Problem { kind: Kind::Overloaded(wait), .. })
                if (1990..=2010).contains(&wait.as_millis())),
            "{refused:?}"
        );
        // What other searches have reserved counts for searches alone: two seconds more.
        state.reserved_pairs = 20;
        assert!(state.admit(Priority::Bulk, &limits(3.1)).is_ok());
        assert!(state.admit_pairs(Priority::Bulk, &limits(3.1)).is_err());
        assert!(state.admit_pairs(Priority::Bulk, &limits(5.1)).is_ok());
    }
}
