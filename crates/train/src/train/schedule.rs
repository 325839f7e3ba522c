//! The learning rate of every optimiser step.

use burn::lr_scheduler::LrScheduler;
use burn::optim::LearningRate;
use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};

/// Learning rate after the warm-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Decay {
    /// Falls to 0 linearly (`get_linear_schedule_with_warmup` of transformers)
    #[default]
    Linear,
    /// Stays constant
    Constant,
}

/// A linear rise from 0 over the warm-up, then [`Decay`].
///
/// As in transformers the first step of a warm-up has learning rate 0. Each call of
/// [`step`](LrScheduler::step) belongs to one optimiser step, with any number of batches.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Schedule {
    /// Peak learning rate.
    pub peak: f64,
    /// Optimiser steps of the warm-up.
    pub warmup_steps: usize,
    /// Total optimiser steps; after them a linear decay stays at 0.
    pub total_steps: usize,
    /// Learning rate after the warm-up.
    pub decay: Decay,
    steps_done: usize,
}

impl Schedule {
    /// A schedule before its first step.
    #[must_use]
    pub(crate) fn new(peak: f64, warmup_steps: usize, total_steps: usize, decay: Decay) -> Self {
        Self {
            peak,
            warmup_steps,
            total_steps,
            decay,
            steps_done: 0,
        }
    }

    /// Number of warm-up steps for a share of all steps, rounded up as in transformers, except that at least one step
    /// follows: a run of one step trains.
    #[must_use]
    pub(crate) fn warmup_steps(total_steps: usize, share: f64) -> usize {
        let steps = (total_steps as f64 * share).ceil() as usize;
        steps.min(total_steps.saturating_sub(1))
    }

    fn factor(&self) -> f64 {
        let step = self.steps_done as f64;
        if self.steps_done < self.warmup_steps {
            return step / self.warmup_steps as f64;
        }
        match self.decay {
            Decay::Constant => 1.0,
            Decay::Linear => {
                let falling = self.total_steps.saturating_sub(self.warmup_steps).max(1);
                ((self.total_steps as f64 - step) / falling as f64).max(0.0)
            }
        }
    }
}

impl LrScheduler for Schedule {
    type Record<B: Backend> = usize;

    fn step(&mut self) -> LearningRate {
        let rate = self.peak * self.factor();
        self.steps_done += 1;
        rate
    }

    fn to_record<B: Backend>(&self) -> Self::Record<B> {
        self.steps_done
    }

    fn load_record<B: Backend>(mut self, record: Self::Record<B>) -> Self {
        self.steps_done = record;
        self
    }
}

#[cfg(test)]
mod tests {
    use model::backend::EncoderOps;

    use super::*;
    use crate::test_device::on_test_device;

    fn rates(mut schedule: Schedule, steps: usize) -> Vec<f64> {
        (0..steps).map(|_| schedule.step()).collect()
    }

    #[test]
    fn rises_and_falls_as_in_transformers() {
        // get_linear_schedule_with_warmup(optimizer, 2, 6) at a learning rate of 1.
        let expected = [0.0, 0.5, 1.0, 0.75, 0.5, 0.25, 0.0, 0.0];
        assert_eq!(rates(Schedule::new(1.0, 2, 6, Decay::Linear), 8), expected);
        assert_eq!(
            rates(Schedule::new(2.0, 2, 6, Decay::Constant), 4),
            [0.0, 1.0, 2.0, 2.0]
        );
    }

    #[test]
    fn the_warm_up_is_rounded_up_as_in_transformers() {
        // TrainingArguments(warmup_ratio=0.1).get_warmup_steps(n)
        for (steps, expected) in [
            (0, 0),
            (1, 0),
            (2, 1),
            (9, 1),
            (10, 1),
            (11, 2),
            (15, 2),
            (100, 10),
        ] {
            assert_eq!(Schedule::warmup_steps(steps, 0.1), expected, "{steps}");
        }
        assert_eq!(Schedule::warmup_steps(15, 0.0), 0);
        // The learning rates of transformers at 2e-5 over 9 steps: 0, 2e-5, 1.75e-5, …
        let schedule = Schedule::new(2e-5, Schedule::warmup_steps(9, 0.1), 9, Decay::Linear);
        for (rate, expected) in rates(schedule, 3).into_iter().zip([0.0, 2e-5, 1.75e-5]) {
            assert!(
                (rate - expected).abs() < 1e-18,
                "{rate}, expected {expected}"
            );
        }
    }

    #[test]
    fn without_a_warm_up_it_begins_at_the_top() {
        assert_eq!(
            rates(Schedule::new(1.0, 0, 2, Decay::Linear), 3),
            [1.0, 0.5, 0.0]
        );
    }

    #[test]
    fn resumes_where_it_stopped() {
        fn body<B: EncoderOps>(_: &B::Device) {
            let mut schedule = Schedule::new(1.0, 2, 6, Decay::Linear);
            schedule.step();
            let record = schedule.to_record::<B>();
            let resumed = Schedule::new(1.0, 2, 6, Decay::Linear).load_record::<B>(record);
            assert_eq!(rates(resumed, 5), rates(schedule, 5));
        }
        on_test_device!(body);
    }
}
