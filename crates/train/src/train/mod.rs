//! The training loop: epochs, accumulation, validation, checkpoints.
//!
//! The loop has neither tensors nor files. A `Learner` computes gradients and moves the weights, `Batches` are the
//! rows, and an `Observer` logs, validates and decides when to stop. `burn` makes the learner and the batches from
//! burn's `Learner`, `SupervisedTraining` and data loaders.
//!
//! | subject | module |
//! | --- | --- |
//! | loss and gradients of a batch | [`step`], `micro_batch`, `replica`, `backward` |
//! | clipping, optimiser, learning rate | [`gradients`], [`optimizer`], `schedule` |
//! | the state from which a run resumes | `checkpoint`, `recorder` |
//! | burn's shell and its dashboard | `burn`, `dashboard` |

mod backward;
pub(crate) mod burn;
pub(crate) mod checkpoint;
pub(crate) mod dashboard;
mod dropout;
pub mod gradients;
mod micro_batch;
pub mod optimizer;
mod parts;
pub(crate) mod recorder;
mod replica;
pub(crate) mod schedule;
pub mod step;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use ::burn::data::dataloader::{DataLoaderIterator, Progress};

use self::checkpoint::Position;
pub(crate) use self::parts::{
    BatchIterator, Batches, Learner, NotFinite, Observer, StepEvent, Update, Validated, Validation,
    Verdict,
};
use self::step::StepOutput;
use crate::batch::TrainingBatch;
use crate::error::TrainError;
use crate::evaluation::EvaluationError;
use crate::report::{StepRecord, peak_memory_bytes};

/// Length of a run, and the intervals of its actions.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) epochs: usize,
    /// Optimiser steps after which training ends, in any epoch.
    pub(crate) total_steps: usize,
    /// Batches per optimiser step.
    pub(crate) accumulation: usize,
    /// Norm to which gradients are clipped; `None` disables clipping.
    pub(crate) largest_norm: Option<f64>,
    /// Steps between validations, in addition to those at the end of an epoch.
    pub(crate) evaluate_every: Option<usize>,
    /// Steps between checkpoints; `None` writes one every [`CHECKPOINT_INTERVAL`].
    pub(crate) save_every: Option<usize>,
}

/// Maximum training time that a kill loses, besides a step or a validation. A checkpoint of a model of
/// 0.4 GB takes 1.3 GB, which a disk needs seconds to write.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(5 * 60);

/// Maximum number of batches of a validation loss. Scores use all rows; embedding them again for the
/// loss would double the time.
const VALIDATION_LOSS_BATCHES: usize = 16;

/// Why the loop ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Ending {
    /// All steps are done.
    Finished,
    /// The validation score stopped rising.
    Stopped(String),
    /// The user stopped the run; a checkpoint has been written.
    Interrupted,
}

/// Trains from `position` on, which is the end of training when it returns. `is_stopped` tells whether the user stopped
/// the run: it ends after the current step, with a checkpoint.
pub(crate) fn train<L: Learner, O: Observer<L::Model>>(
    plan: &Plan,
    learner: &mut L,
    batches: &dyn Batches,
    observer: &mut O,
    is_stopped: &dyn Fn() -> bool,
    position: &mut Position,
) -> Result<Ending, TrainError> {
    TrainingLoop {
        plan,
        learner,
        batches,
        observer,
        is_stopped,
        position,
        saved: Instant::now(),
        saved_step: None,
    }
    .run()
}

struct TrainingLoop<'a, L, O> {
    plan: &'a Plan,
    learner: &'a mut L,
    batches: &'a dyn Batches,
    observer: &'a mut O,
    is_stopped: &'a dyn Fn() -> bool,
    position: &'a mut Position,
    /// Time of the last checkpoint, or of the start of the run.
    saved: Instant,
    /// The step of the last checkpoint.
    saved_step: Option<usize>,
}

/// Result of one optimiser step.
struct StepResult {
    output: StepOutput,
    batches: usize,
    update: Update,
}

impl<L: Learner, O: Observer<L::Model>> TrainingLoop<'_, L, O> {
    fn run(&mut self) -> Result<Ending, TrainError> {
        if let Some(ending) = self.begin()? {
            return Ok(ending);
        }
        // A limit of steps may end a run within an epoch; a started epoch is completed with its
        // validation and checkpoint.
        while self.position.epoch < self.plan.epochs && (!self.is_done() || self.position.batch > 0)
        {
            if let Some(ending) = self.epoch()? {
                return Ok(ending);
            }
        }
        Ok(Ending::Finished)
    }

    /// Validates before the first step, and completes a validation that was interrupted.
    fn begin(&mut self) -> Result<Option<Ending>, TrainError> {
        let resumed = self.position.step > 0;
        let mut verdict = self.observer.verdict(self.position);
        if !resumed || self.position.validation_due {
            verdict = self.validate()?;
            if resumed && verdict != Verdict::Interrupted {
                self.save()?;
            }
        }
        Ok(match verdict {
            Verdict::Interrupted => Some(Ending::Interrupted),
            Verdict::Stop(reason) => Some(Ending::Stopped(reason)),
            Verdict::Continue => None,
        })
    }

    fn is_done(&self) -> bool {
        self.position.step >= self.plan.total_steps
    }

    /// One epoch, or the rest of an interrupted one.
    fn epoch(&mut self) -> Result<Option<Ending>, TrainError> {
        let source = self.batches;
        let mut batches = source.train(self.position.epoch, self.position.batch);
        let mut started = Instant::now();
        while !self.is_done() {
            let Some(result) = self.optimizer_step(&mut *batches)? else {
                break;
            };
            self.position.step += 1;
            self.position.batch += result.batches;
            let seconds = started.elapsed().as_secs_f64();
            self.position.seconds += seconds;
            self.report(&result, batches.progress(), seconds)?;

            let verdict = if self.evaluation_is_due() {
                self.validate()?
            } else {
                Verdict::Continue
            };
            if let Verdict::Stop(reason) = verdict {
                self.save()?;
                return Ok(Some(Ending::Stopped(reason)));
            }
            if verdict == Verdict::Interrupted || (self.is_stopped)() {
                self.save()?;
                return Ok(Some(Ending::Interrupted));
            }
            if self.checkpoint_is_due() {
                self.save()?;
            }
            self.learner.prune(self.position);
            started = Instant::now();
        }
        drop(batches);
        self.end_epoch()
    }

    fn end_epoch(&mut self) -> Result<Option<Ending>, TrainError> {
        let validated = self.evaluation_is_due();
        self.position.epoch += 1;
        self.position.batch = 0;
        self.learner.show_epoch_end(self.position.epoch);
        let verdict = if validated {
            Verdict::Continue
        } else {
            self.validate()?
        };
        let ending = match verdict {
            Verdict::Interrupted => Some(Ending::Interrupted),
            Verdict::Stop(reason) => Some(Ending::Stopped(reason)),
            Verdict::Continue if (self.is_stopped)() => Some(Ending::Interrupted),
            Verdict::Continue => None,
        };
        let last = self.is_done() || self.position.epoch >= self.plan.epochs;
        // An existing checkpoint of this step does not include the validation.
        let stale = self.saved_step == Some(self.position.step);
        if stale || self.checkpoint_is_due() || last || ending.is_some() {
            self.save()?;
        }
        Ok(ending)
    }

    fn evaluation_is_due(&self) -> bool {
        let every = self.plan.evaluate_every;
        every.is_some_and(|every| self.position.step.is_multiple_of(every))
    }

    fn checkpoint_is_due(&self) -> bool {
        match self.plan.save_every {
            Some(every) => self.position.step.is_multiple_of(every),
            None => self.saved.elapsed() >= CHECKPOINT_INTERVAL,
        }
    }

    /// One optimiser step over its batches; `None` if no batch is left.
    fn optimizer_step(
        &mut self,
        batches: &mut dyn DataLoaderIterator<TrainingBatch>,
    ) -> Result<Option<StepResult>, TrainError> {
        let batches: Vec<TrainingBatch> = batches.take(self.plan.accumulation).collect();
        if batches.is_empty() {
            return Ok(None);
        }
        let count = batches.len();
        let rows_of_step = batches.iter().map(TrainingBatch::weight).sum();
        let rows: Vec<usize> = batches
            .iter()
            .flat_map(|batch| batch.positions.iter().copied())
            .collect();
        let mut total = StepOutput::default();
        let mut begin = 0;
        for mut batch in batches {
            check_tokens(&batch)?;
            batch.rows_of_step = rows_of_step;
            let end = begin + batch.positions.len();
            let output = self.learner.accumulate(batch);
            if !output.loss.is_finite() {
                let what = ("loss", output.loss);
                let rows = &rows[begin..end];
                return Err(self.observer.not_finite(what, self.position, rows));
            }
            total = add(total, &output);
            begin = end;
        }
        let update = self.learner.update(self.plan.largest_norm);
        if !update.gradient_norm.is_finite() {
            let what = ("norm of the gradients", update.gradient_norm);
            return Err(self.observer.not_finite(what, self.position, &rows));
        }
        Ok(Some(StepResult {
            output: total,
            batches: count,
            update,
        }))
    }

    /// Reports a step to the observer.
    fn report(
        &mut self,
        result: &StepResult,
        rows: Progress,
        seconds: f64,
    ) -> Result<(), TrainError> {
        let share = rows.items_processed as f64 / rows.items_total.max(1) as f64;
        let record = StepRecord {
            step: self.position.step,
            epoch: self.position.epoch as f64 + share,
            loss: result.output.loss,
            learning_rate: result.update.learning_rate,
            gradient_norm: result.update.gradient_norm,
            texts: result.output.texts,
            tokens: result.output.tokens,
            seconds,
            peak_memory_bytes: peak_memory_bytes(),
        };
        let event = StepEvent {
            record: &record,
            output: &result.output,
            rows,
            epochs: self.epochs(),
        };
        self.observer.stepped(&event)?;
        self.learner.show_step(&event);
        Ok(())
    }

    /// The epoch, from 1, and how many there are.
    fn epochs(&self) -> Progress {
        let epoch = (self.position.epoch + 1).min(self.plan.epochs);
        Progress::new(epoch, self.plan.epochs)
    }

    /// Computes validation loss and scores.
    fn validate(&mut self) -> Result<Verdict, TrainError> {
        if !self.observer.validates() {
            self.position.validation_due = false;
            return Ok(Verdict::Continue);
        }
        // Until it is complete, so that a resumed run repeats an interrupted validation.
        self.position.validation_due = true;
        let model = self.learner.model();
        let mut mean = StepOutput::default();
        for batch in self.batches.validation().take(VALIDATION_LOSS_BATCHES) {
            check_tokens(&batch)?;
            mean = add(mean, &self.learner.loss(&model, batch));
            if (self.is_stopped)() {
                return Ok(Verdict::Interrupted);
            }
        }
        let loss = (mean.rows > 0).then_some(mean.loss);
        match self.observer.validate(&model, loss, self.position) {
            Err(TrainError::Evaluation(EvaluationError::Interrupted)) => Ok(Verdict::Interrupted),
            validation => {
                let Validation { verdict, score } = validation?;
                self.learner.show_validation(&Validated {
                    score,
                    loss,
                    step: self.position.step,
                    epoch: self.position.epoch,
                    epochs: self.epochs(),
                });
                Ok(verdict)
            }
        }
    }

    fn save(&mut self) -> Result<(), TrainError> {
        self.position.events = self.observer.events();
        self.learner.save(self.position)?;
        self.saved = Instant::now();
        self.saved_step = Some(self.position.step);
        Ok(())
    }
}

/// An error if the texts of a batch could not be tokenized.
fn check_tokens(batch: &TrainingBatch) -> Result<(), TrainError> {
    match &batch.failure {
        Some(failure) => Err(TrainError::Tokenize {
            source: Arc::clone(failure),
        }),
        None => Ok(()),
    }
}

/// Combines two outputs: means over rows, and sums.
fn add(total: StepOutput, next: &StepOutput) -> StepOutput {
    let rows = total.rows + next.rows;
    let weighted = total.loss * total.rows as f64 + next.loss * next.rows as f64;
    StepOutput {
        loss: weighted / rows.max(1) as f64,
        rows,
        texts: total.texts + next.texts,
        tokens: total.tokens + next.tokens,
        score: None,
        mean_cosine: match (total.mean_cosine, next.mean_cosine) {
            (Some(a), Some(b)) => Some(a.max(b)),
            (a, b) => a.or(b),
        },
    }
}
