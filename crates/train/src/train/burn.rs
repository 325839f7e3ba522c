//! The training loop inside burn's `SupervisedTraining`: its learner, data loaders, checkpoints, events and dashboard.
//!
//! The loop replaces those of burn 0.21 (`ExecutionStrategy`), which
//!
//! 1. sum accumulated gradients instead of averaging them, and drop those of an epoch's last batches if these do not fill
//!    an accumulation;
//! 2. move the learning rate with every batch instead of every optimiser step;
//! 3. write checkpoints and look at validation scores only between epochs;
//! 4. give each of several devices its own batch, without the in-batch negatives of the others.
//!
//! burn's interfaces shape the rest of this file: a strategy returns only a model, so the result is left in a slot; a
//! failed write looks like a request to stop; `DataLoader::iter` has no argument for the batch to begin with.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use burn::data::dataloader::Progress;
use burn::module::AutodiffModule;
use burn::optim::GradientsAccumulator;
use burn::train::logger::InMemoryMetricLogger;
use burn::train::metric::LearningRateMetric;
use burn::train::metric::store::EventStoreClient;
use burn::train::renderer::tui::TuiMetricsRendererWrapper;
use burn::train::{
    EventProcessorTraining, InferenceStep, Interrupter, LearnerEvent, LearningCheckpointer,
    LearningComponentsMarker, SupervisedLearningStrategy, SupervisedTraining,
    SupervisedTrainingEventProcessor, TrainLoader, TrainingComponents, TrainingItem,
    TrainingStrategy, ValidLoader,
};
use guard::guarded;
use model::backend::TrainingBackend;

use super::checkpoint::{Best, CheckpointFolder, Position};
use super::dashboard::{Loss, NoDashboard, Score, interruptible};
use super::gradients::{clip, norm};
use super::optimizer::AdamWOptimizer;
use super::recorder::{CheckpointRecorder, CheckpointWriter, SaveOnRequest};
use super::schedule::Schedule;
use super::step::{StepOutput, TrainingModel};
use super::{
    BatchIterator, Batches, Ending, Learner, Observer, Plan, StepEvent, Update, Validated, train,
};
use crate::batch::TrainingBatch;
use crate::error::TrainError;
use crate::loader::{BatchLoader, ResumePoint};
use crate::stop::{Phase, Stop};

/// The component types of burn's learner.
type Components<B> =
    LearningComponentsMarker<B, Schedule, TrainingModel<B>, AdamWOptimizer<TrainingModel<B>, B>>;

/// A model without gradients.
type Evaluated<B> = TrainingModel<<B as burn::tensor::backend::AutodiffBackend>::InnerBackend>;

/// A run that is ready to train.
pub(crate) struct Training<'a, B: TrainingBackend, O> {
    pub(crate) device: B::Device,
    pub(crate) model: TrainingModel<B>,
    pub(crate) optimizer: AdamWOptimizer<TrainingModel<B>, B>,
    pub(crate) schedule: Schedule,
    pub(crate) plan: Plan,
    pub(crate) start: Position,
    pub(crate) train: BatchLoader,
    pub(crate) valid: BatchLoader,
    pub(crate) observer: O,
    /// The output folder; `None` without checkpoints.
    pub(crate) output: Option<&'a Path>,
    pub(crate) dashboard: bool,
    pub(crate) stop: &'a Stop,
}

/// A run that has ended.
pub(crate) struct Trained<B: TrainingBackend, O> {
    pub(crate) ending: Result<Ending, TrainError>,
    pub(crate) position: Position,
    pub(crate) model: Evaluated<B>,
    pub(crate) observer: O,
}

impl<B, O> Training<'_, B, O>
where
    B: TrainingBackend,
    O: Observer<Evaluated<B>> + Send + 'static,
{
    /// Trains.
    ///
    /// # Errors
    ///
    /// The device failed: burn panics then. All other errors are in [`Trained::ending`].
    pub(crate) fn run(self) -> Result<Trained<B, O>, TrainError> {
        let interrupter = Interrupter::new();
        self.stop.of(&interrupter);
        let scratch = tempfile::tempdir().map_err(TrainError::io("temporary folder"))?;
        let recorder = CheckpointRecorder::default();
        let result = Arc::new(Mutex::new(None));
        let strategy = Strategy {
            device: self.device,
            resume_point: self.train.resume_point(),
            checkpoints: self.output.map(CheckpointFolder::of_run),
            writer: recorder.writer(),
            begin: Mutex::new(Some((self.plan.clone(), self.start, self.observer))),
            result: Arc::clone(&result),
        };
        let folder = self.output.unwrap_or(scratch.path());
        let mut training =
            SupervisedTraining::new(folder, Arc::new(self.train), Arc::new(self.valid))
                .num_epochs(self.plan.epochs)
                .metric_train_numeric(Loss::new("Loss"))
                .metric_train_numeric(LearningRateMetric::new())
                .metric_valid_numeric(Loss::new("Loss"))
                .metric_valid_numeric(Score::new("Score"))
                .with_metric_logger(InMemoryMetricLogger::default())
                .with_application_logger(None)
                .with_checkpointing_strategy(SaveOnRequest)
                .with_interrupter(interrupter.clone())
                .with_training_strategy(TrainingStrategy::Custom(Arc::new(strategy)));
        if self.output.is_some() {
            training = training.with_file_checkpointer(recorder);
        }
        let training = if self.dashboard {
            training.renderer(interruptible(|| {
                TuiMetricsRendererWrapper::new(interrupter, None)
            }))
        } else {
            training.renderer(NoDashboard)
        };
        let learner =
            burn::train::Learner::<Components<B>>::new(self.model, self.optimizer, self.schedule);
        self.stop.enter(Phase::Training);
        let trained = guarded(|| Ok::<_, TrainError>(training.launch(learner)));
        self.stop.enter(Phase::Finishing);
        let model = trained.map_err(failed)?.model;
        let ended = result.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some((ending, position, observer)) = ended else {
            return Err(failed("burn did not start the training".into()));
        };
        Ok(Trained {
            ending,
            position,
            model,
            observer,
        })
    }
}

/// The error of a panic, with its place: burn's messages often say nothing by themselves.
fn failed(panic: guard::BoxedError) -> TrainError {
    TrainError::Compute {
        source: match guard::place_of_last_panic() {
            Some(place) => format!("{panic} ({place})").into(),
            None => panic,
        },
    }
}

/// Where the loop leaves its result.
type Slot<O> = Arc<Mutex<Option<(Result<Ending, TrainError>, Position, O)>>>;

struct Strategy<B: TrainingBackend, O> {
    device: B::Device,
    resume_point: Arc<ResumePoint>,
    checkpoints: Option<CheckpointFolder>,
    writer: CheckpointWriter,
    /// `None` once the loop has taken it.
    begin: Mutex<Option<(Plan, Position, O)>>,
    result: Slot<O>,
}

impl<B, O> SupervisedLearningStrategy<Components<B>> for Strategy<B, O>
where
    B: TrainingBackend,
    O: Observer<Evaluated<B>> + Send + 'static,
{
    fn fit(
        &self,
        components: TrainingComponents<Components<B>>,
        mut learner: burn::train::Learner<Components<B>>,
        train_loader: TrainLoader<Components<B>>,
        valid_loader: ValidLoader<Components<B>>,
        _starting_epoch: usize,
    ) -> (
        TrainingModel<B>,
        SupervisedTrainingEventProcessor<Components<B>>,
    ) {
        let begin = self
            .begin
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some((plan, start, mut observer)) = begin else {
            return (learner.model(), components.event_processor);
        };
        if let (Some(checkpointer), true) = (&components.checkpointer, start.step > 0) {
            // `SupervisedTraining::checkpoint` would read onto the backend's default device, and on
            // WGPU tensors cannot leave a device again.
            learner = checkpointer.load_checkpoint(learner, &self.device, start.step);
        }
        learner.fork(&self.device);
        let mut learner = BurnLearner {
            learner,
            gradients: GradientsAccumulator::new(),
            checkpointer: components.checkpointer,
            store: components.event_store,
            checkpoints: self.checkpoints.clone(),
            writer: self.writer.clone(),
            pruned: start.best,
            processor: components.event_processor,
        };
        let batches = Loaders::<B> {
            resume_point: Arc::clone(&self.resume_point),
            train: train_loader,
            valid: valid_loader,
        };
        let mut position = start;
        let interrupter = components.interrupter;
        let is_stopped = || interrupter.should_stop();
        let ending = train(
            &plan,
            &mut learner,
            &batches,
            &mut observer,
            &is_stopped,
            &mut position,
        );
        // Waits for the last checkpoint to be written.
        drop(learner.checkpointer.take());
        let ending = ending.and_then(|ending| self.writer.check().map(|()| ending));
        learner.prune(&position);
        *self.result.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((ending, position, observer));
        (learner.learner.model(), learner.processor)
    }
}

/// burn's learner with its checkpoints.
struct BurnLearner<B: TrainingBackend> {
    learner: burn::train::Learner<Components<B>>,
    /// Gradients of the step.
    gradients: GradientsAccumulator<TrainingModel<B>>,
    /// `None` without an output folder.
    checkpointer: Option<LearningCheckpointer<Components<B>>>,
    store: Arc<EventStoreClient>,
    checkpoints: Option<CheckpointFolder>,
    writer: CheckpointWriter,
    /// The best validation when superfluous files were last removed.
    pruned: Option<Best>,
    /// Passes events on to the dashboard.
    processor: SupervisedTrainingEventProcessor<Components<B>>,
}

impl<B: TrainingBackend> Learner for BurnLearner<B> {
    type Model = Evaluated<B>;

    fn accumulate(&mut self, batch: TrainingBatch) -> StepOutput {
        let result = self.learner.train_step(batch);
        self.gradients
            .accumulate(&self.learner.model(), result.grads);
        result.item
    }

    fn update(&mut self, largest_norm: Option<f64>) -> Update {
        let model = self.learner.model();
        let mut gradients = self.gradients.grads();
        let gradient_norm = norm::<B, _>(&model, &gradients);
        if gradient_norm.is_finite() {
            if let Some(largest) = largest_norm {
                gradients = clip::<B, _>(&model, gradients, gradient_norm, largest);
            }
            // Frees a copy of the weights while the optimiser runs: burn's learner makes its own.
            drop(model);
            self.learner.lr_step();
            self.learner.optimizer_step(gradients);
        }
        Update {
            gradient_norm,
            learning_rate: self.learner.lr_current(),
        }
    }

    fn model(&self) -> Evaluated<B> {
        self.learner.model().valid()
    }

    fn loss(&self, model: &Evaluated<B>, batch: TrainingBatch) -> StepOutput {
        InferenceStep::step(model, batch)
    }

    fn save(&mut self, position: &Position) -> Result<(), TrainError> {
        if let (Some(checkpoints), Some(checkpointer)) = (&self.checkpoints, &mut self.checkpointer)
        {
            // burn reports a failed write as an interrupt, and the next write would fail too.
            self.writer.begin()?;
            checkpoints.write_position(position)?;
            checkpointer.checkpoint(&self.learner, position.step, &self.store);
        }
        Ok(())
    }

    /// Only when there is a new one: it reads the folder.
    fn prune(&mut self, position: &Position) {
        let best = position.best;
        if let Some(checkpoints) = &self.checkpoints
            && (self.writer.completed() || best != self.pruned)
        {
            checkpoints.prune(best);
            self.pruned = best;
        }
    }

    fn show_step(&mut self, event: &StepEvent<'_>) {
        let item = TrainingItem::new(
            event.output.clone(),
            event.rows.clone(),
            event.epochs.clone(),
            Some(event.record.step),
            Some(event.record.learning_rate),
        );
        self.processor
            .process_train(LearnerEvent::ProcessedItem(item));
    }

    fn show_validation(&mut self, validation: &Validated) {
        let output = StepOutput {
            score: validation.score,
            loss: validation.loss.unwrap_or(f64::NAN),
            ..StepOutput::default()
        };
        let (step, epochs) = (Some(validation.step), validation.epochs.clone());
        let item = TrainingItem::new(output, Progress::new(1, 1), epochs, step, None);
        self.processor
            .process_valid(LearnerEvent::ProcessedItem(item));
        self.processor
            .process_valid(LearnerEvent::EndEpoch(validation.epoch));
    }

    fn show_epoch_end(&mut self, epoch: usize) {
        self.processor.process_train(LearnerEvent::EndEpoch(epoch));
    }
}

/// burn's data loaders.
struct Loaders<B: TrainingBackend> {
    resume_point: Arc<ResumePoint>,
    train: TrainLoader<Components<B>>,
    valid: ValidLoader<Components<B>>,
}

impl<B: TrainingBackend> Batches for Loaders<B> {
    fn train(&self, epoch: usize, batch: usize) -> BatchIterator<'_> {
        self.resume_point.set(epoch, batch);
        self.train.iter()
    }

    fn validation(&self) -> BatchIterator<'_> {
        self.valid.iter()
    }
}
