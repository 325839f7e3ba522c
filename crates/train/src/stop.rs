//! Stops a run from outside.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use burn::train::Interrupter;

use crate::error::TrainError;

/// Part of a run, which determines the effect of a stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Reading rows and the model: the run ends, and has written nothing.
    Preparing,
    /// Training: the run ends after its step, with a checkpoint.
    Training,
    /// Writing the tuned model and the report: the run ends by itself.
    Finishing,
}

/// Stops a run from outside: the run writes a checkpoint and ends.
#[derive(Clone, Default)]
pub struct Stop {
    asked: Arc<AtomicBool>,
    phase: Arc<AtomicU8>,
    interrupter: Arc<Mutex<Option<Interrupter>>>,
}

impl Stop {
    /// Asks a run to end after its current step.
    pub(crate) fn ask(&self) {
        self.asked.store(true, Ordering::Relaxed);
        let interrupter = self
            .interrupter
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(interrupter) = &*interrupter {
            interrupter.stop(Some("interrupted"));
        }
    }

    /// Whether a stop was requested.
    #[must_use]
    pub(crate) fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// The part of the run.
    #[must_use]
    pub(crate) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) {
            0 => Phase::Preparing,
            1 => Phase::Training,
            _ => Phase::Finishing,
        }
    }

    /// Begins a part of the run.
    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    /// An error if a stop was requested before training began.
    pub(crate) fn check(&self) -> Result<(), TrainError> {
        if self.is_asked() {
            return Err(TrainError::InterruptedBefore);
        }
        Ok(())
    }

    /// Passes a stop on to burn.
    pub(crate) fn of(&self, interrupter: &Interrupter) {
        *self
            .interrupter
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(interrupter.clone());
        if self.is_asked() {
            interrupter.stop(Some("interrupted"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_before_training_is_an_error_and_phases_follow_each_other() {
        let stop = Stop::default();
        assert_eq!(stop.phase(), Phase::Preparing);
        stop.check().unwrap();
        for phase in [Phase::Training, Phase::Finishing] {
            stop.enter(phase);
            assert_eq!(stop.clone().phase(), phase);
        }
        stop.clone().ask();
        assert!(matches!(stop.check(), Err(TrainError::InterruptedBefore)));
    }
}
