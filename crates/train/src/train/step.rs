//! One training step: the vectors of a batch, the loss over them, and the gradients.
//!
//! The vector of a text does not depend on the other texts of the batch; only the loss looks at all
//! of them. So a step
//!
//! 1. sorts the texts of all columns by length and fills micro-batches, which limits padding and
//!    keeps the activations of a micro-batch in the cache of the CPU;
//! 2. runs the forward pass of the micro-batches in parallel on model replicas (threads of a CPU, or
//!    devices);
//! 3. computes the loss over all vectors and its gradient for each vector;
//! 4. runs the backward pass of the micro-batches from these gradients.
//!
//! The number of replicas does not depend on the machine, because it determines the micro-batches,
//! the dropout masks and the order of sums. More threads than replicas share the work within a
//! micro-batch.
//!
//! In-batch negatives thus come from the whole batch. [`Activations`] determines the memory between
//! passes 2 and 4; keeping only the vectors is GradCache (Gao et al., "Scaling Deep Contrastive
//! Learning Batch Size under Memory Limited Setup", 2021).

mod devices;
mod settings;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use burn::module::Module;
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::prelude::DeviceOps;
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use burn::train::{InferenceStep, ItemLazy, TrainOutput, TrainStep};
use model::backend::{EncoderOps, TrainingBackend};
use model::parts::SentenceModel;

use self::devices::map_on_devices;
pub use self::settings::StepSettings;
pub use super::dropout::DropoutRng;
pub use super::micro_batch::{Activations, Padding};
use super::micro_batch::{MicroBatch, assign_to_replicas, plan_micro_batches};
use super::replica::{Replica, select};
use crate::batch::TrainingBatch;
use crate::losses::Objective;
use crate::losses::collapse::{FEWEST_TEXTS, mean_pairwise_cosine};

/// Output of a step besides gradients.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct StepOutput {
    /// The loss.
    pub loss: f64,
    /// Number of rows of the batch, or of the tokens of a tagger that are scored: the loss is a mean over them.
    pub rows: usize,
    /// Number of embedded texts.
    pub texts: usize,
    /// Number of computed tokens: with padding on a GPU, without on a CPU.
    pub tokens: usize,
    /// The validation score, on the event that ends a validation.
    pub score: Option<f64>,
    /// Mean cosine between the different anchors of the batch, for losses without negatives; `None` below two.
    pub mean_cosine: Option<f32>,
}

impl ItemLazy for StepOutput {
    type ItemSync = Self;

    fn sync(self) -> Self {
        self
    }
}

/// A model in training.
#[derive(Module, Debug)]
pub struct TrainingModel<B: Backend> {
    /// The model.
    pub model: SentenceModel<B>,
    #[module(skip)]
    settings: Arc<StepSettings>,
}

impl<B: EncoderOps> TrainingModel<B> {
    /// A training model with these settings.
    #[must_use]
    pub fn new(model: SentenceModel<B>, settings: StepSettings) -> Self {
        Self {
            model,
            settings: Arc::new(settings),
        }
    }

    /// The micro-batches of every replica; no replica for an empty batch.
    fn micro_batches(&self, batch: &TrainingBatch, replicas: usize) -> Vec<Vec<MicroBatch>> {
        let settings = &self.settings;
        let micro_batches = plan_micro_batches(
            batch,
            settings.micro_batch,
            settings.padding,
            replicas,
            settings.pad_token_id,
        );
        assign_to_replicas(micro_batches, replicas)
    }
}

impl<B: TrainingBackend> TrainStep for TrainingModel<B> {
    type Input = TrainingBatch;
    type Output = StepOutput;

    /// Replicas compute on all devices of the settings; loss and gradients are on the device of the model.
    fn step(&self, batch: TrainingBatch) -> TrainOutput<StepOutput> {
        let settings = &self.settings;
        let devices: Vec<B::Device> = settings
            .devices
            .iter()
            .map(|&id| B::Device::from_id(id))
            .collect();
        let replicas = devices.len().max(1) * settings.replicas_per_device.max(1);
        let assigned = self.micro_batches(&batch, replicas);
        if assigned.is_empty() {
            return TrainOutput {
                grads: GradientsParams::new(),
                item: StepOutput::default(),
            };
        }
        let home = self.model.network.device();
        let mut replicas = self.replicas(assigned, &devices, &home);

        let of_devices = devices.len().max(1);
        let forward = replicas.iter_mut().collect();
        let vectors = map_on_devices::<B, _, _>(forward, of_devices, Replica::forward);
        let order: Vec<usize> = replicas.iter().flat_map(Replica::rows).collect();
        let vectors: Vec<_> = vectors
            .into_iter()
            .map(|rows| rows.to_device(&home))
            .collect();
        let vectors = select(Tensor::cat(vectors, 0), &inverse(&order));

        let (loss, of_vectors) = self.loss(&batch, vectors.clone());
        let tokens = replicas.iter().map(Replica::tokens).sum();

        // Back into the order of the replicas; each gets its part.
        let of_vectors = select(of_vectors, &order);
        let mut begin = 0;
        let work: Vec<_> = replicas
            .into_iter()
            .map(|replica| {
                let count = replica.rows().count();
                let part = of_vectors.clone().narrow(0, begin, count);
                begin += count;
                (replica, part)
            })
            .collect();
        let backward = |(replica, part): (Replica<B>, _)| replica.backward(part);
        let gradients = map_on_devices::<B, _, _>(work, of_devices, backward);
        let mut sum = GradientsAccumulator::<Self>::new();
        for gradients in gradients {
            sum.accumulate(self, gradients.to_device::<B, _>(&home, self));
        }
        TrainOutput {
            grads: sum.grads(),
            item: StepOutput {
                loss,
                rows: batch.weight(),
                texts: batch.texts.len(),
                tokens,
                score: None,
                mean_cosine: mean_cosine_of_anchors(&settings.objective, &batch, vectors),
            },
        }
    }
}

impl<B: TrainingBackend> TrainingModel<B> {
    fn replicas(
        &self,
        assigned: Vec<Vec<MicroBatch>>,
        devices: &[B::Device],
        home: &B::Device,
    ) -> Vec<Replica<B>> {
        let settings = &self.settings;
        let device = |index: usize| match devices {
            [] => home.clone(),
            devices => devices[index % devices.len()].clone(),
        };
        assigned
            .into_iter()
            .enumerate()
            .map(|(index, micro_batches)| {
                let device = device(index);
                Replica::new(
                    &self.model,
                    device,
                    micro_batches,
                    settings.activations,
                    settings.dropout_rng,
                )
            })
            .collect()
    }

    /// The loss of a batch, and its gradient for the vectors, `[texts, width]` or `[tokens, outputs]`, times the batch's share of the step. GradCache
    /// computes it for some rows at a time if it can, so that the logits of all rows are never held.
    fn loss(
        &self,
        batch: &TrainingBatch,
        vectors: Tensor<B::InnerBackend, 2>,
    ) -> (f64, Tensor<B::InnerBackend, 2>) {
        let (settings, rows) = (&self.settings, batch.rows);
        let in_blocks =
            settings.activations.is_grad_cache() && settings.objective.is_sum_over_rows();
        let at_once = if in_blocks {
            settings.loss_rows.max(1)
        } else {
            rows
        };
        let (mut value, mut sum) = (0.0, None);
        for begin in (0..rows).step_by(at_once) {
            let count = at_once.min(rows - begin);
            let leaf = Tensor::<B, 2>::from_inner(vectors.clone()).require_grad();
            let loss = objective(&settings.objective, batch, &leaf, begin..begin + count);
            let part = count as f64 / rows as f64;
            value += scalar(loss.clone()) * part;
            let share = batch.share() * part;
            let loss = if share < 1.0 { loss * share } else { loss };
            let gradients = loss.backward();
            if let Some(gradient) = leaf.grad(&gradients) {
                sum = Some(match sum {
                    Some(sum) => sum + gradient,
                    None => gradient,
                });
            }
        }
        (value, sum.unwrap_or_else(|| vectors.zeros_like()))
    }
}

impl<B: EncoderOps> InferenceStep for TrainingModel<B> {
    type Input = TrainingBatch;
    type Output = StepOutput;

    /// The loss of a batch, without dropout.
    fn step(&self, batch: TrainingBatch) -> StepOutput {
        let settings = &self.settings;
        let replicas = settings.replicas_per_device;
        let assigned = self.micro_batches(&batch, replicas);
        if assigned.is_empty() {
            return StepOutput::default();
        }
        let order: Vec<usize> = assigned
            .iter()
            .flatten()
            .flat_map(|micro_batch| micro_batch.rows.iter().copied())
            .collect();
        let tokens = assigned
            .iter()
            .flatten()
            .map(MicroBatch::computed_tokens::<B>)
            .sum();
        let vectors = map_on_devices::<B, _, _>(assigned, 1, |micro_batches| {
            let rows = micro_batches
                .iter()
                .map(|micro_batch| self.model.forward_batch(&micro_batch.tokens));
            Tensor::cat(rows.collect(), 0)
        });
        let vectors = select(Tensor::cat(vectors, 0), &inverse(&order));
        let loss = scalar(objective(
            &settings.objective,
            &batch,
            &vectors,
            0..batch.rows,
        ));
        StepOutput {
            loss,
            rows: batch.weight(),
            texts: batch.texts.len(),
            tokens,
            score: None,
            mean_cosine: mean_cosine_of_anchors(&settings.objective, &batch, vectors),
        }
    }
}

/// The mean loss of some rows over the vectors of a batch, ordered column by column. For a part of the rows the loss must
/// be a [sum over rows](Objective::is_sum_over_rows), whose candidates are those of the whole batch.
fn objective<B: EncoderOps>(
    objective: &Objective,
    batch: &TrainingBatch,
    vectors: &Tensor<B, 2>,
    part: Range<usize>,
) -> Tensor<B, 1> {
    let rows = batch.rows;
    let mut columns: Vec<Tensor<B, 2>> = match batch.scored_tokens {
        // The rows are tokens.
        Some(_) => vec![vectors.clone()],
        None => (0..batch.columns())
            .map(|column| vectors.clone().narrow(0, column * rows, rows))
            .collect(),
    };
    if let [anchors, positives, ..] = columns.as_mut_slice()
        && part.len() < rows
    {
        *anchors = anchors.clone().narrow(0, part.start, part.len());
        // A row's own positive is the candidate of its number.
        let of_part = |begin, end| positives.clone().narrow(0, begin, end - begin);
        let order = [(part.start, rows), (0, part.start)];
        let order = order.into_iter().filter(|(begin, end)| begin < end);
        *positives = Tensor::cat(order.map(|(begin, end)| of_part(begin, end)).collect(), 0);
    }
    let targets = batch.targets.as_ref().map(|targets| {
        let targets = TensorData::new(targets.clone(), [targets.len()]);
        Tensor::from_data(targets, &vectors.device())
    });
    objective.forward(&columns, targets.as_ref())
}

fn scalar<B: EncoderOps>(tensor: Tensor<B, 1>) -> f64 {
    tensor.into_data().iter::<f64>().next().unwrap_or(f64::NAN)
}

/// Mean cosine of the distinct anchors; `None` below [`FEWEST_TEXTS`], and for a loss with negatives, which does not
/// collapse: the cosine is for the note on a collapse. `vectors` are those of a batch, ordered column by column.
fn mean_cosine_of_anchors<B: EncoderOps>(
    objective: &Objective,
    batch: &TrainingBatch,
    vectors: Tensor<B, 2>,
) -> Option<f32> {
    objective.loss.better_choice()?;
    let anchors = distinct_anchors(batch);
    if anchors.len() < FEWEST_TEXTS {
        return None;
    }
    mean_pairwise_cosine(select(vectors, &anchors))
}

/// The first row of each distinct anchor: equal texts have equal vectors in any model.
fn distinct_anchors(batch: &TrainingBatch) -> Vec<usize> {
    let mut seen = HashSet::new();
    let anchors = batch.texts.iter().take(batch.rows).enumerate();
    anchors
        .filter(|(_, tokens)| seen.insert(tokens.as_slice()))
        .map(|(row, _)| row)
        .collect()
}

/// `inverse[order[i]] = i`.
fn inverse(order: &[usize]) -> Vec<usize> {
    let mut inverse = vec![0; order.len()];
    for (place, &text) in order.iter().enumerate() {
        inverse[text] = place;
    }
    inverse
}
