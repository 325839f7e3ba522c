//! Progress lines of a run.

use std::collections::VecDeque;

use super::format::{duration, scientific, two_digits};
use super::history::StepRecord;

/// Minimum training time between two lines, in seconds.
const INTERVAL: f64 = 5.0;

/// Number of recent steps that estimate the time of the next ones.
const RECENT_STEPS: usize = 20;

/// Prints the state of a run from time to time:
///
/// `step 12/100  epoch 0.4/3  loss 0.4321  lr 1.2e-5  grad 0.81  1.9 s/step  438 tokens/s  00:02:40
/// left`
///
/// Loss and tokens/s are means since the previous line. The time of a step, and so the remaining time,
/// is the median of the last 20 steps, which ignores outliers such as the first steps, which compile
/// kernels. It does not include validations.
///
/// Its clock is the sum of the reported times of the steps.
#[derive(Clone, Debug)]
pub(crate) struct ProgressLine {
    total_steps: usize,
    epochs: usize,
    /// Seconds of the recent steps, the oldest first.
    recent: VecDeque<f64>,
    since_line: Interval,
    any_line: bool,
}

/// Sums since the previous line.
#[derive(Clone, Debug, Default)]
struct Interval {
    steps: usize,
    /// Sum over the steps.
    loss: f64,
    tokens: usize,
    seconds: f64,
}

impl ProgressLine {
    /// Progress of a run with these totals of optimiser steps and epochs, including those before a
    /// resumption.
    #[must_use]
    pub(crate) fn new(total_steps: usize, epochs: usize) -> Self {
        Self {
            total_steps,
            epochs,
            recent: VecDeque::with_capacity(RECENT_STEPS),
            since_line: Interval::default(),
            any_line: false,
        }
    }

    /// Records a step. Returns a line if one is due: for the first step, after at least 5 s, and for
    /// the last step of the run.
    pub(crate) fn line(&mut self, record: &StepRecord) -> Option<String> {
        self.take(record);
        let last = record.step >= self.total_steps;
        if self.any_line && self.since_line.seconds < INTERVAL && !last {
            return None;
        }
        self.any_line = true;
        let interval = std::mem::take(&mut self.since_line);
        Some(self.describe(record, &interval))
    }

    fn take(&mut self, record: &StepRecord) {
        self.since_line.steps += 1;
        self.since_line.loss += record.loss;
        self.since_line.tokens += record.tokens;
        self.since_line.seconds += record.seconds;
        if self.recent.len() == RECENT_STEPS {
            self.recent.pop_front();
        }
        self.recent.push_back(record.seconds);
    }

    fn describe(&self, record: &StepRecord, interval: &Interval) -> String {
        let step_seconds = self.step_seconds();
        let mut parts = vec![
            format!("step {}/{}", record.step, self.total_steps),
            format!("epoch {:.1}/{}", record.epoch, self.epochs),
            format!("loss {:.4}", interval.loss / interval.steps as f64),
            format!("lr {}", scientific(record.learning_rate)),
            format!("grad {}", two_digits(record.gradient_norm)),
            format!("{} s/step", two_digits(step_seconds)),
        ];
        if interval.seconds > 0.0 {
            let rate = interval.tokens as f64 / interval.seconds;
            parts.push(format!("{rate:.0} tokens/s"));
        }
        let steps_left = self.total_steps.saturating_sub(record.step);
        if steps_left > 0 {
            parts.push(format!(
                "{} left",
                duration(step_seconds * steps_left as f64)
            ));
        }
        parts.join("  ")
    }

    /// The median; for an even number of steps the mean of the middle two.
    fn step_seconds(&self) -> f64 {
        let mut seconds: Vec<f64> = self.recent.iter().copied().collect();
        seconds.sort_by(f64::total_cmp);
        let middle = seconds.len() / 2;
        match (seconds.get(middle), seconds.len() % 2) {
            (Some(&upper), 0) => (seconds[middle - 1] + upper) / 2.0,
            (Some(&only), _) => only,
            (None, _) => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(step: usize, seconds: f64, loss: f64) -> StepRecord {
        StepRecord {
            step,
            epoch: step as f64 * 0.03,
            loss,
            learning_rate: 1.2e-5,
            gradient_norm: 0.814,
            texts: 64,
            tokens: 832,
            seconds,
            peak_memory_bytes: None,
        }
    }

    /// The parts of a line, by their order.
    fn parts(line: &str) -> Vec<&str> {
        line.split("  ").collect()
    }

    #[test]
    fn a_line_says_everything() {
        let mut progress = ProgressLine::new(100, 3);
        assert_eq!(
            progress.line(&record(12, 1.9, 0.43214)).unwrap(),
            "step 12/100  epoch 0.4/3  loss 0.4321  lr 1.2e-5  grad 0.81  1.9 s/step  \
             438 tokens/s  00:02:47 left"
        );
    }

    #[test]
    fn lines_come_first_every_five_seconds_and_last() {
        let mut progress = ProgressLine::new(12, 1);
        let shown: Vec<usize> = (1..=12)
            .filter(|&step| progress.line(&record(step, 2.0, 1.0)).is_some())
            .collect();
        // 2 s a step: three of them are the first 5 s that are over.
        assert_eq!(shown, [1, 4, 7, 10, 12]);
    }

    #[test]
    fn a_resumed_run_begins_with_a_line() {
        let mut progress = ProgressLine::new(100, 1);
        assert!(progress.line(&record(51, 0.1, 1.0)).is_some());
        assert!(progress.line(&record(52, 0.1, 1.0)).is_none());
    }

    #[test]
    fn loss_and_speed_are_those_since_the_line_before() {
        let mut progress = ProgressLine::new(10, 1);
        progress.line(&record(1, 40.0, 9.0)).unwrap();
        assert_eq!(progress.line(&record(2, 2.0, 1.0)), None);
        assert_eq!(progress.line(&record(3, 2.0, 2.0)), None);
        let line = progress.line(&record(4, 4.0, 6.0)).unwrap();
        assert_eq!(parts(&line)[2], "loss 3.0000");
        // 3 × 832 tokens in 8 s.
        assert_eq!(parts(&line)[6], "312 tokens/s");
        // 2, 2, 4 and 40 s: the slow first step does not count six times more.
        assert_eq!(parts(&line)[5], "3.0 s/step");
        assert_eq!(parts(&line)[7], "00:00:18 left");
    }

    #[test]
    fn the_time_left_follows_the_last_twenty_steps() {
        let mut progress = ProgressLine::new(140, 1);
        for step in 1..=29 {
            progress.line(&record(step, 1.0, 1.0));
        }
        // Nine of twenty, ten, and then eleven steps took 6 s.
        let lines: Vec<String> = (30..=40)
            .map(|step| progress.line(&record(step, 6.0, 1.0)).unwrap())
            .collect();
        assert_eq!(parts(&lines[8])[5], "1.0 s/step");
        assert_eq!(parts(&lines[9])[5], "3.5 s/step");
        assert_eq!(parts(&lines[10])[5], "6.0 s/step");
        assert_eq!(parts(&lines[10])[7], "00:10:00 left");
    }

    #[test]
    fn nothing_is_left_after_the_last_step() {
        let mut progress = ProgressLine::new(2, 1);
        progress.line(&record(1, 0.1, 1.0));
        let line = progress.line(&record(2, 0.1, 1.0)).unwrap();
        assert!(line.ends_with(" tokens/s"), "{line}");
    }

    #[test]
    fn steps_that_take_no_time_have_no_speed() {
        let mut progress = ProgressLine::new(2, 1);
        assert_eq!(
            progress.line(&record(1, 0.0, f64::NAN)).unwrap(),
            "step 1/2  epoch 0.0/1  loss NaN  lr 1.2e-5  grad 0.81  0 s/step  0.0 s left"
        );
    }

    proptest! {
        /// Summed in the order of the clock itself: no tolerance is needed.
        #[test]
        fn two_lines_are_never_closer(seconds in prop::collection::vec(0.0..8.0_f64, 2..60)) {
            let mut progress = ProgressLine::new(seconds.len() + 1, 1);
            let mut since = 0.0;
            for (index, &seconds) in seconds.iter().enumerate() {
                since += seconds;
                let line = progress.line(&record(index + 1, seconds, 1.0));
                prop_assert_eq!(line.is_some(), index == 0 || since >= INTERVAL);
                if line.is_some() {
                    since = 0.0;
                }
            }
            prop_assert!(progress.line(&record(seconds.len() + 1, 0.0, 1.0)).is_some());
        }
    }
}
