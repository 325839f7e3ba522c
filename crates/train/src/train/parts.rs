//! The parts of a run that the loop knows: who moves the weights, where batches come from, and who watches.

use burn::data::dataloader::{DataLoaderIterator, Progress};

use super::checkpoint::Position;
use super::step::StepOutput;
use crate::batch::TrainingBatch;
use crate::error::TrainError;
use crate::report::StepRecord;

/// The weights, their optimiser and their checkpoints.
pub(crate) trait Learner {
    /// A model that is evaluated, without dropout.
    type Model;

    /// Computes the gradients of a batch, and adds them to those of the step.
    fn accumulate(&mut self, batch: TrainingBatch) -> StepOutput;

    /// Moves the weights along the gradients of the step, clipped to `largest_norm`. If their norm is not finite, it moves
    /// nothing.
    fn update(&mut self, largest_norm: Option<f64>) -> Update;

    /// The model as it is now.
    fn model(&self) -> Self::Model;

    /// The loss of a batch.
    fn loss(&self, model: &Self::Model, batch: TrainingBatch) -> StepOutput;

    /// Writes a checkpoint, maybe after this returns.
    fn save(&mut self, position: &Position) -> Result<(), TrainError>;

    /// Removes superfluous checkpoints and best models.
    fn prune(&mut self, position: &Position);

    /// Shows a step on a dashboard.
    fn show_step(&mut self, _event: &StepEvent<'_>) {}

    /// Shows a validation on a dashboard.
    fn show_validation(&mut self, _validation: &Validated) {}

    /// Shows the end of an epoch, which counts from 1, on a dashboard.
    fn show_epoch_end(&mut self, _epoch: usize) {}
}

/// A moved model.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Update {
    /// Norm of the gradients before clipping.
    pub(crate) gradient_norm: f64,
    pub(crate) learning_rate: f64,
}

/// The rows of a run, in batches.
pub(crate) trait Batches {
    /// The batches of an epoch, from batch number `batch` on; both count from 0.
    fn train(&self, epoch: usize, batch: usize) -> BatchIterator<'_>;

    /// The batches of the validation loss.
    fn validation(&self) -> BatchIterator<'_>;
}

pub(crate) type BatchIterator<'a> = Box<dyn DataLoaderIterator<TrainingBatch> + 'a>;

/// Sees all that happens, and decides whether the run continues.
pub(crate) trait Observer<M> {
    /// After an optimiser step.
    fn stepped(&mut self, event: &StepEvent<'_>) -> Result<(), TrainError>;

    /// Whether [`validate`](Self::validate) does anything.
    fn validates(&self) -> bool;

    /// Validates a model with this validation loss, before the first step and whenever it is due.
    /// [`EvaluationError::Interrupted`] leaves the validation due.
    fn validate(
        &mut self,
        model: &M,
        loss: Option<f64>,
        position: &mut Position,
    ) -> Result<Validation, TrainError>;

    /// Whether the validations so far end the run.
    fn verdict(&self, position: &Position) -> Verdict;

    /// Number of events in the log.
    fn events(&self) -> usize;

    /// The error for a loss or gradient that is not finite, with the rows of the batch.
    fn not_finite(&self, what: NotFinite, position: &Position, rows: &[usize]) -> TrainError;
}

/// An optimiser step.
pub(crate) struct StepEvent<'a> {
    pub(crate) record: &'a StepRecord,
    pub(crate) output: &'a StepOutput,
    /// Rows of this epoch.
    pub(crate) rows: Progress,
    pub(crate) epochs: Progress,
}

/// A validation for a dashboard.
pub(crate) struct Validated {
    pub(crate) score: Option<f64>,
    pub(crate) loss: Option<f64>,
    pub(crate) step: usize,
    /// The epoch, from 0.
    pub(crate) epoch: usize,
    pub(crate) epochs: Progress,
}

/// Result of a validation.
#[derive(Clone, Debug)]
pub(crate) struct Validation {
    pub(crate) verdict: Verdict,
    /// The primary score.
    pub(crate) score: Option<f64>,
}

/// A number of a step that is NaN or infinite: its name and value.
pub(crate) type NotFinite = (&'static str, f64);

/// Whether the run continues.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verdict {
    Continue,
    /// Stops, for this reason.
    Stop(String),
    /// The user stopped the validation: it has no score.
    Interrupted,
}
