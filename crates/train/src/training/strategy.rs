//! The training loop, as a strategy of burn's `SupervisedTraining`.
//!
//! It replaces the loops of burn 0.21 (`ExecutionStrategy`), which
//!
//! 1. sum accumulated gradients instead of averaging them;
//! 2. move the learning rate with every batch instead of every optimiser step;
//! 3. drop the gradients of an epoch's last batches if these do not fill an accumulation;
//! 4. write checkpoints only between epochs;
//! 5. look at validation scores only between epochs;
//! 6. give each of several devices its own batch, without the in-batch negatives of the others.
//!
//! The learner, its optimiser and schedule, the data loaders, the checkpoints and the dashboard are
//! burn's.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use burn::data::dataloader::{DataLoaderIterator, Progress};
use burn::module::AutodiffModule;
use burn::train::metric::store::EventStoreClient;
use burn::train::{
    EventProcessorTraining, InferenceStep, Interrupter, Learner, LearnerEvent,
    LearningCheckpointer, LearningComponentsMarker, SupervisedLearningStrategy,
    SupervisedTrainingEventProcessor, TrainLoader, TrainingComponents, TrainingItem, ValidLoader,
};
use model::backend::TrainingBackend;

use super::checkpoint::{Best, CheckpointFolder, Position};
use super::gradients::{GradientMean, clip, norm};
use super::optimizer::AdamWOptimizer;
use super::recorder::CheckpointWriter;
use super::schedule::Schedule;
use super::supervisor::{Supervisor, Verdict};
use crate::batch::TrainingBatch;
use crate::error::TrainError;
use crate::evaluation::EvaluationError;
use crate::loader::ResumePoint;
use crate::report::StepRecord;
use crate::shell::quoted;
use crate::step::{StepOutput, TrainingModel};

/// The component types of burn's learner.
pub(crate) type Components<B> =
    LearningComponentsMarker<B, Schedule, TrainingModel<B>, AdamWOptimizer<TrainingModel<B>, B>>;

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

/// Result of the loop besides the model.
pub(crate) type Outcome = Result<(Ending, Position), TrainError>;

pub(crate) struct StepStrategy<B: TrainingBackend> {
    pub(crate) device: B::Device,
    pub(crate) plan: Plan,
    pub(crate) start: Position,
    pub(crate) cursor: Arc<ResumePoint>,
    pub(crate) checkpoints: Option<CheckpointFolder>,
    /// The writes of the checkpoints.
    pub(crate) writer: CheckpointWriter,
    /// `None` once the loop has taken it.
    pub(crate) supervisor: Mutex<Option<Supervisor<B>>>,
    pub(crate) outcome: Arc<Mutex<Option<Outcome>>>,
}

impl<B: TrainingBackend> SupervisedLearningStrategy<Components<B>> for StepStrategy<B> {
    fn fit(
        &self,
        components: TrainingComponents<Components<B>>,
        mut learner: Learner<Components<B>>,
        train: TrainLoader<Components<B>>,
        valid: ValidLoader<Components<B>>,
        _starting_epoch: usize,
    ) -> (
        TrainingModel<B>,
        SupervisedTrainingEventProcessor<Components<B>>,
    ) {
        if let (Some(checkpointer), true) = (&components.checkpointer, self.start.step > 0) {
            // `SupervisedTraining::checkpoint` would read onto the backend's default device, and on
            // WGPU tensors cannot leave a device again.
            learner = checkpointer.load_checkpoint(learner, &self.device, self.start.step);
        }
        learner.fork(&self.device);
        let taken = self
            .supervisor
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(supervisor) = taken else {
            return (learner.model(), components.event_processor);
        };
        let mut training = TrainingLoop {
            plan: &self.plan,
            cursor: &self.cursor,
            checkpoints: self.checkpoints.as_ref(),
            writer: &self.writer,
            pruned: self.start.best,
            supervisor,
            learner,
            train,
            valid,
            processor: components.event_processor,
            checkpointer: components.checkpointer,
            store: components.event_store,
            interrupter: components.interrupter,
            position: self.start.clone(),
            saved: Instant::now(),
            saved_step: None,
        };
        let ending = training.run();
        let position = training.position.clone();
        // Waits for the last checkpoint to be written.
        drop(training.checkpointer.take());
        let ending = ending.and_then(|ending| self.writer.check().map(|()| ending));
        if let Some(checkpoints) = training.checkpoints {
            checkpoints.prune(position.best);
        }
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(ending.map(|ending| (ending, position)));
        (training.learner.model(), training.processor)
    }
}

struct TrainingLoop<'a, B: TrainingBackend> {
    plan: &'a Plan,
    cursor: &'a ResumePoint,
    checkpoints: Option<&'a CheckpointFolder>,
    writer: &'a CheckpointWriter,
    /// The best validation when superfluous files were last removed.
    pruned: Option<Best>,
    supervisor: Supervisor<B>,
    learner: Learner<Components<B>>,
    train: TrainLoader<Components<B>>,
    valid: ValidLoader<Components<B>>,
    processor: SupervisedTrainingEventProcessor<Components<B>>,
    checkpointer: Option<LearningCheckpointer<Components<B>>>,
    store: Arc<EventStoreClient>,
    interrupter: Interrupter,
    position: Position,
    /// Time of the last checkpoint, or of the start of the run.
    saved: Instant,
    /// The step of the last checkpoint.
    saved_step: Option<usize>,
}

/// Result of one optimiser step.
struct StepResult {
    output: StepOutput,
    batches: usize,
    gradient_norm: f64,
}

impl<B: TrainingBackend> TrainingLoop<'_, B> {
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
        let mut verdict = self.supervisor.verdict(&self.position);
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
        self.cursor.set(self.position.epoch, self.position.batch);
        let loader = Arc::clone(&self.train);
        let mut batches = loader.iter();
        let mut started = Instant::now();
        while !self.is_done() {
            let Some(result) = self.optimizer_step(&mut *batches)? else {
                break;
            };
            self.position.step += 1;
            self.position.batch += result.batches;
            let seconds = started.elapsed().as_secs_f64();
            self.position.seconds += seconds;
            self.record(&result, batches.progress(), seconds)?;

            let verdict = if self.evaluation_is_due() {
                self.validate()?
            } else {
                Verdict::Continue
            };
            if let Verdict::Stop(reason) = verdict {
                self.save()?;
                return Ok(Some(Ending::Stopped(reason)));
            }
            if verdict == Verdict::Interrupted || self.interrupter.should_stop() {
                self.save()?;
                return Ok(Some(Ending::Interrupted));
            }
            if self.checkpoint_is_due() {
                self.save()?;
            }
            self.prune();
            started = Instant::now();
        }
        drop(batches);
        self.end_epoch()
    }

    fn end_epoch(&mut self) -> Result<Option<Ending>, TrainError> {
        let validated = self.evaluation_is_due();
        self.processor
            .process_train(LearnerEvent::EndEpoch(self.position.epoch + 1));
        self.position.epoch += 1;
        self.position.batch = 0;
        let verdict = if validated {
            Verdict::Continue
        } else {
            self.validate()?
        };
        let ending = match verdict {
            Verdict::Interrupted => Some(Ending::Interrupted),
            Verdict::Stop(reason) => Some(Ending::Stopped(reason)),
            Verdict::Continue if self.interrupter.should_stop() => Some(Ending::Interrupted),
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
        let mut mean = GradientMean::<TrainingModel<B>>::default();
        let mut total = StepOutput::default();
        let mut count = 0;
        let mut positions = Vec::new();
        let model = self.learner.model();
        while count < self.plan.accumulation {
            let Some(batch) = batches.next() else { break };
            if let Some(failure) = &batch.failure {
                return Err(TrainError::Tokenize {
                    source: Arc::clone(failure),
                });
            }
            positions.extend_from_slice(&batch.positions);
            let own = positions.len() - batch.positions.len();
            let result = self.learner.train_step(batch);
            let output = result.item;
            if !output.loss.is_finite() {
                let step = self.position.step + 1;
                return Err(TrainError::NonFinite {
                    step,
                    loss: output.loss,
                    advice: self.recovery_advice(),
                    batch: self.supervisor.failed_batch(step, &positions[own..]),
                });
            }
            mean.add::<B>(&model, result.grads, output.rows);
            total = add(total, &output);
            count += 1;
        }
        if count == 0 {
            return Ok(None);
        }
        let mut gradients = mean.take::<B>(&model);
        let gradient_norm = norm::<B, _>(&model, &gradients);
        if !gradient_norm.is_finite() {
            let step = self.position.step + 1;
            return Err(TrainError::NonFiniteGradient {
                step,
                norm: gradient_norm,
                advice: self.recovery_advice(),
                batch: self.supervisor.failed_batch(step, &positions),
            });
        }
        if let Some(largest) = self.plan.largest_norm {
            gradients = clip::<B, _>(&model, gradients, gradient_norm, largest);
        }
        // Frees a copy of the weights while the optimiser runs: burn's `Learner` makes its own.
        drop(model);
        self.learner.lr_step();
        self.learner.optimizer_step(gradients);
        Ok(Some(StepResult {
            output: total,
            batches: count,
            gradient_norm,
        }))
    }

    /// Advice for a run with a NaN or infinite loss: resuming it would fail again.
    fn recovery_advice(&self) -> String {
        let best = self.checkpoints.zip(self.position.best);
        let best = best.map(|(checkpoints, best)| checkpoints.best_model(best.step));
        match best.filter(|model| model.is_dir()) {
            Some(model) => format!(
                "start a new run with another --output and a lower --lr or a longer --warmup; the best \
                 weights so far can be its --model {}",
                quoted(&model.to_string_lossy())
            ),
            None => "start a new run with another --output and a lower --lr or a longer --warmup"
                .to_owned(),
        }
    }

    /// Reports a step to the log, the progress line and the dashboard.
    fn record(
        &mut self,
        result: &StepResult,
        progress: Progress,
        seconds: f64,
    ) -> Result<(), TrainError> {
        let share = progress.items_processed as f64 / progress.items_total.max(1) as f64;
        let record = StepRecord {
            step: self.position.step,
            epoch: self.position.epoch as f64 + share,
            loss: result.output.loss,
            learning_rate: self.learner.lr_current(),
            gradient_norm: result.gradient_norm,
            texts: result.output.texts,
            tokens: result.output.tokens,
            seconds,
            peak_memory_bytes: crate::report::peak_memory_bytes(),
        };
        self.supervisor.step(&record, &result.output)?;
        self.processor
            .process_train(LearnerEvent::ProcessedItem(TrainingItem::new(
                result.output.clone(),
                progress,
                self.global_progress(),
                Some(self.position.step),
                Some(self.learner.lr_current()),
            )));
        Ok(())
    }

    fn global_progress(&self) -> Progress {
        let epoch = (self.position.epoch + 1).min(self.plan.epochs);
        Progress::new(epoch, self.plan.epochs)
    }

    /// Computes validation loss and scores.
    fn validate(&mut self) -> Result<Verdict, TrainError> {
        if !self.supervisor.validates() {
            self.position.validation_due = false;
            return Ok(Verdict::Continue);
        }
        // Until it is complete, so that a resumed run repeats an interrupted validation.
        self.position.validation_due = true;
        let model = self.learner.model().valid();
        let mut mean = StepOutput::default();
        let loader = Arc::clone(&self.valid);
        for batch in loader.iter().take(VALIDATION_LOSS_BATCHES) {
            if let Some(failure) = &batch.failure {
                return Err(TrainError::Tokenize {
                    source: Arc::clone(failure),
                });
            }
            mean = add(mean, &InferenceStep::step(&model, batch));
            if self.interrupter.should_stop() {
                return Ok(Verdict::Interrupted);
            }
        }
        let loss = (mean.rows > 0).then_some(mean.loss);
        let validated = self
            .supervisor
            .validate(&model.model, loss, &mut self.position);
        let (verdict, score) = match validated {
            Err(TrainError::Evaluation(EvaluationError::Interrupted)) => {
                return Ok(Verdict::Interrupted);
            }
            validated => validated?,
        };
        let output = StepOutput {
            score,
            loss: loss.unwrap_or(f64::NAN),
            ..mean
        };
        let epoch = self.position.epoch;
        self.processor
            .process_valid(LearnerEvent::ProcessedItem(TrainingItem::new(
                output,
                Progress::new(1, 1),
                self.global_progress(),
                Some(self.position.step),
                None,
            )));
        self.processor.process_valid(LearnerEvent::EndEpoch(epoch));
        Ok(verdict)
    }

    /// Removes superfluous checkpoints and best models, when there are new ones: it reads the folder.
    fn prune(&mut self) {
        let best = self.position.best;
        if let Some(checkpoints) = self.checkpoints
            && (self.writer.completed() || best != self.pruned)
        {
            checkpoints.prune(best);
            self.pruned = best;
        }
    }

    fn save(&mut self) -> Result<(), TrainError> {
        let (Some(checkpoints), Some(checkpointer)) = (self.checkpoints, &mut self.checkpointer)
        else {
            return Ok(());
        };
        // burn reports a failed write as an interrupt, and the next write would fail too.
        self.writer.begin()?;
        self.position.events = self.supervisor.events();
        checkpoints.write_position(&self.position)?;
        checkpointer.checkpoint(&self.learner, self.position.step, &self.store);
        self.saved = Instant::now();
        self.saved_step = Some(self.position.step);
        Ok(())
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
