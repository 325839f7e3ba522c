//! The model with its training step, as burn's learner uses it.

use std::collections::HashSet;
use std::sync::Arc;

use burn::module::Module;
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::prelude::DeviceOps;
use burn::tensor::backend::{Backend, DeviceId};
use burn::tensor::{Tensor, TensorData};
use burn::train::{InferenceStep, ItemLazy, TrainOutput, TrainStep};
use model::Device;
use model::backend::{EncoderOps, TrainingBackend};
use model::parts::SentenceModel;
use model::parts::{BatchCost, BatchLimit};

use super::chunks::{Activations, assign_to_replicas, plan_micro_batches};
use super::lane::{DropoutRng, Replica, select};
use crate::batch::TrainingBatch;
use crate::losses::Objective;
use crate::losses::collapse::{FEWEST_TEXTS, mean_pairwise_cosine};

/// Settings of a training step.
#[derive(Clone, Debug)]
pub struct StepSettings {
    /// Loss to minimise.
    pub objective: Objective,
    /// Token that pads shorter texts.
    pub pad_token_id: u32,
    /// Maximum size of a micro-batch.
    pub micro_batch: BatchLimit,
    /// What micro-batches cost where padding is computed; none on a CPU.
    pub batch_cost: Option<BatchCost>,
    /// Activations kept between the forward and the backward pass.
    pub activations: Activations,
    /// Source of the random numbers of dropout.
    pub dropout_rng: DropoutRng,
    /// Model replicas per device, at least 1; they compute micro-batches in parallel. Another number
    /// changes the result.
    pub replicas_per_device: usize,
    /// Devices of the training backend that share a batch; empty for the device of the model.
    pub devices: Vec<DeviceId>,
}

/// Maximum number of tokens of a micro-batch on a CPU, as in `SentenceEncoder`. Neither half nor twice
/// as many was faster in the benchmark of training steps.
const MICRO_BATCH_TOKENS_CPU: usize = 1_024;

/// Maximum number of tokens of a micro-batch on a GPU.
const MICRO_BATCH_TOKENS_GPU: usize = 65_536;

/// Default number of model replicas on a CPU. Each has a gradient buffer as large as the model.
///
/// A constant instead of the number of threads: replicas determine the micro-batches, their dropout
/// masks and the order in which gradients are added, so the result would depend on the machine. More
/// threads than replicas share the work within a micro-batch.
const REPLICAS_CPU: usize = 2;

impl StepSettings {
    /// Defaults for a device, with all activations stored.
    #[must_use]
    pub fn for_device(device: Device, objective: Objective, pad_token_id: u32) -> Self {
        let gpu = device.is_gpu();
        Self {
            objective,
            pad_token_id,
            micro_batch: BatchLimit {
                tokens: if gpu {
                    MICRO_BATCH_TOKENS_GPU
                } else {
                    MICRO_BATCH_TOKENS_CPU
                },
                texts: usize::MAX,
            },
            // A step computes each token about three times as long as encoding does, and each launch too.
            batch_cost: gpu.then_some(BatchCost::GPU),
            activations: Activations::Stored,
            dropout_rng: if gpu {
                DropoutRng::Device
            } else {
                DropoutRng::Host
            },
            replicas_per_device: if gpu { 1 } else { REPLICAS_CPU },
            devices: Vec::new(),
        }
    }
}

/// Output of a step besides gradients.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct StepOutput {
    /// The loss.
    pub loss: f64,
    /// Number of rows of the batch.
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
        let micro_batches = plan_micro_batches(
            &batch,
            settings.micro_batch,
            settings.batch_cost,
            replicas,
            settings.pad_token_id,
        );
        if micro_batches.is_empty() {
            return TrainOutput {
                grads: GradientsParams::new(),
                item: StepOutput::default(),
            };
        }
        let home = self.model.network.device();
        let assigned = assign_to_replicas(micro_batches, replicas);
        let mut replicas = self.replicas(assigned, &devices, &home);

        let vectors = parallel_map(replicas.iter_mut().collect(), Replica::forward);
        let order: Vec<usize> = replicas.iter().flat_map(Replica::texts).collect();
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
                let count = replica.texts().count();
                let part = of_vectors.clone().narrow(0, begin, count);
                begin += count;
                (replica, part)
            })
            .collect();
        let gradients = parallel_map(work, |(replica, part)| replica.backward(part));
        let mut sum = GradientsAccumulator::<Self>::new();
        for gradients in gradients {
            sum.accumulate(self, gradients.to_device::<B, _>(&home, self));
        }
        TrainOutput {
            grads: sum.grads(),
            item: StepOutput {
                loss,
                rows: batch.rows,
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
        assigned: Vec<Vec<super::chunks::MicroBatch>>,
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

    /// The loss of a batch, and its gradient for the vectors, `[texts, width]`.
    fn loss(
        &self,
        batch: &TrainingBatch,
        vectors: Tensor<B::InnerBackend, 2>,
    ) -> (f64, Tensor<B::InnerBackend, 2>) {
        let vectors = Tensor::<B, 2>::from_inner(vectors).require_grad();
        let loss = objective(&self.settings.objective, batch, &vectors);
        let value = scalar(loss.clone());
        let gradients = loss.backward();
        let of_vectors = vectors
            .grad(&gradients)
            .unwrap_or_else(|| vectors.inner().zeros_like());
        (value, of_vectors)
    }
}

impl<B: EncoderOps> InferenceStep for TrainingModel<B> {
    type Input = TrainingBatch;
    type Output = StepOutput;

    /// The loss of a batch, without dropout.
    fn step(&self, batch: TrainingBatch) -> StepOutput {
        let settings = &self.settings;
        let replicas = settings.replicas_per_device;
        let micro_batches = plan_micro_batches(
            &batch,
            settings.micro_batch,
            settings.batch_cost,
            replicas,
            settings.pad_token_id,
        );
        if micro_batches.is_empty() {
            return StepOutput::default();
        }
        let assigned = assign_to_replicas(micro_batches, replicas);
        let order: Vec<usize> = assigned
            .iter()
            .flatten()
            .flat_map(|micro_batch| micro_batch.texts.iter().copied())
            .collect();
        let tokens = assigned
            .iter()
            .flatten()
            .map(super::chunks::MicroBatch::computed_tokens::<B>)
            .sum();
        let vectors = parallel_map(assigned, |micro_batches| {
            let rows = micro_batches
                .iter()
                .map(|micro_batch| self.model.forward_batch(&micro_batch.tokens));
            Tensor::cat(rows.collect(), 0)
        });
        let vectors = select(Tensor::cat(vectors, 0), &inverse(&order));
        let loss = scalar(objective(&settings.objective, &batch, &vectors));
        StepOutput {
            loss,
            rows: batch.rows,
            texts: batch.texts.len(),
            tokens,
            score: None,
            mean_cosine: mean_cosine_of_anchors(&settings.objective, &batch, vectors),
        }
    }
}

/// The loss over the vectors of a batch, ordered column by column.
fn objective<B: EncoderOps>(
    objective: &Objective,
    batch: &TrainingBatch,
    vectors: &Tensor<B, 2>,
) -> Tensor<B, 1> {
    let rows = batch.rows;
    let columns: Vec<Tensor<B, 2>> = (0..batch.columns())
        .map(|column| vectors.clone().narrow(0, column * rows, rows))
        .collect();
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

/// Runs `work` for all items in parallel, one thread each; results are in the order of the items.
fn parallel_map<T: Send, R: Send>(items: Vec<T>, work: impl Fn(T) -> R + Sync) -> Vec<R> {
    let mut items = items;
    let Some(last) = items.pop() else {
        return Vec::new();
    };
    std::thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = items
            .into_iter()
            .map(|item| scope.spawn(move || work(item)))
            .collect();
        let last = work(last);
        let mut results: Vec<R> = threads
            .into_iter()
            .map(|thread| match thread.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            })
            .collect();
        results.push(last);
        results
    })
}
