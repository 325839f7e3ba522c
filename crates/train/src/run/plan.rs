//! Number of epochs and optimiser steps of a run.

use std::time::{Duration, Instant};

use program::Console;

use crate::error::TrainError;
use crate::loader::BatchLoader;
use crate::settings::Settings;
use crate::stop::Stop;
use crate::train::Plan;

/// Counting that takes longer prints a note.
const PATIENCE: Duration = Duration::from_secs(2);

/// Epochs and optimiser steps of a run.
///
/// The learning rate falls towards the last step, so the run must know their number in advance.
pub(super) fn plan(
    settings: &Settings,
    train: &BatchLoader,
    stop: &Stop,
    notes: Console,
) -> Result<Plan, TrainError> {
    let most = settings.max_steps.unwrap_or(usize::MAX);
    let (epochs, total_steps) = match train.batches_of_every_epoch() {
        Some(batches) => {
            let steps = batches.div_ceil(settings.accumulation);
            steps_if_uniform(settings.epochs, steps, most)
        }
        None => count_steps(settings, train, most, stop, notes)?,
    };
    if total_steps == 0 {
        return Err(TrainError::Usage(format!(
            "--drop-last leaves no batch: no {} training rows fit into one; lower --batch-size, or \
             leave --drop-last out",
            settings.batch_size
        )));
    }
    Ok(Plan {
        epochs,
        total_steps,
        accumulation: settings.accumulation,
        largest_norm: settings.largest_norm(),
        evaluate_every: settings.eval_steps,
        save_every: settings.save_steps,
    })
}

/// Epochs and total steps if every epoch has the same number of steps.
fn steps_if_uniform(epochs: usize, steps: usize, most: usize) -> (usize, usize) {
    if steps == 0 {
        return (epochs, 0);
    }
    let total = epochs.saturating_mul(steps).min(most);
    (epochs.min(total.div_ceil(steps)), total)
}

/// Epochs and total steps if the number of batches depends on the shuffle.
fn count_steps(
    settings: &Settings,
    train: &BatchLoader,
    most: usize,
    stop: &Stop,
    notes: Console,
) -> Result<(usize, usize), TrainError> {
    let begun = Instant::now();
    let mut told = false;
    let (mut epochs, mut total) = (0, 0_usize);
    while epochs < settings.epochs && total < most {
        stop.check()?;
        let steps = train.batches(epochs).len().div_ceil(settings.accumulation);
        total = total.saturating_add(steps);
        epochs += 1;
        if !told && begun.elapsed() > PATIENCE {
            told = true;
            notes.note(format_args!(
                "counting the batches of {} epochs, which differ without duplicates",
                settings.epochs
            ));
        }
    }
    Ok((epochs, total.min(most)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_that_are_alike_are_counted_at_once() {
        assert_eq!(steps_if_uniform(3, 4, usize::MAX), (3, 12));
        assert_eq!(steps_if_uniform(3, 4, 12), (3, 12));
        assert_eq!(steps_if_uniform(3, 4, 9), (3, 9));
        assert_eq!(steps_if_uniform(3, 4, 8), (2, 8));
        assert_eq!(steps_if_uniform(usize::MAX, 4, 5), (2, 5));
        assert_eq!(
            steps_if_uniform(100_000_000_000, 1 << 40, usize::MAX).1,
            usize::MAX
        );
        assert_eq!(steps_if_uniform(3, 0, 9), (3, 0));
    }
}
