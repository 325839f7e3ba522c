//! The model as burn's learner sees it.

use std::collections::HashSet;
use std::sync::Arc;

use burn::module::Module;
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::prelude::DeviceOps;
use burn::tensor::backend::{Backend, DeviceId};
use burn::tensor::{Tensor, TensorData};
use burn::train::{InferenceStep, ItemLazy, TrainOutput, TrainStep};
use model::batch::BatchLimit;
use model::{Device, SentenceModel};
use model::{EncoderOps, TrainingBackend};

use super::chunks::{Activations, deal, plan};
use super::lane::{Dropping, Lane, select};
use crate::batch::TrainingBatch;
use crate::losses::Objective;
use crate::losses::collapse::{FEWEST_TEXTS, mean_pairwise_cosine};

/// How a step goes about its work.
#[derive(Clone, Debug)]
pub struct StepSettings {
    /// What is minimised.
    pub objective: Objective,
    /// The token that fills up shorter texts.
    pub pad_token_id: u32,
    /// The largest chunk.
    pub chunk: BatchLimit,
    /// What is kept between the forward and the backward pass.
    pub activations: Activations,
    /// Where the random numbers of dropout come from.
    pub dropping: Dropping,
    /// Chunks computed at the same time on each device; with another number a run comes to other
    /// weights.
    pub lanes_per_device: usize,
    /// Devices of the training backend that share a batch; empty for the model's own.
    pub devices: Vec<DeviceId>,
}

/// The most tokens of a chunk on a processor, as in `SentenceEncoder`: `cargo xtask bench train --
/// --chunk-tokens N` finds neither half nor twice as many faster.
const CHUNK_TOKENS_CPU: usize = 1_024;

/// On a GPU a chunk is a batch, unless it is larger than this.
const CHUNK_TOKENS_GPU: usize = 65_536;

/// Chunks computed side by side on a processor, unless told otherwise: each lane has gradients of its
/// own, as large as the model.
///
/// Not as many as there are threads: lanes decide what is in a chunk, which dropout masks it gets and
/// in which order gradients are added up, so a run would come to other weights on another machine.
/// More threads than lanes share the work within a chunk.
const LANES_CPU: usize = 2;

impl StepSettings {
    /// What suits a device; everything is kept between the passes.
    #[must_use]
    pub fn for_device(device: Device, objective: Objective, pad_token_id: u32) -> Self {
        let gpu = device.is_gpu();
        Self {
            objective,
            pad_token_id,
            chunk: BatchLimit {
                tokens: if gpu {
                    CHUNK_TOKENS_GPU
                } else {
                    CHUNK_TOKENS_CPU
                },
                texts: usize::MAX,
            },
            activations: Activations::Kept,
            dropping: if gpu {
                Dropping::Device
            } else {
                Dropping::Thread
            },
            lanes_per_device: if gpu { 1 } else { LANES_CPU },
            devices: Vec::new(),
        }
    }
}

/// What a step gives beside gradients.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct StepOutput {
    /// The loss.
    pub loss: f64,
    /// Rows of the batch.
    pub rows: usize,
    /// Texts that were embedded.
    pub texts: usize,
    /// Tokens, padding included.
    pub tokens: usize,
    /// The validation score, on the event that ends a validation.
    pub score: Option<f64>,
    /// Mean cosine between the different anchors of the batch; `None` below two.
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
pub struct Trainee<B: Backend> {
    /// The model.
    pub model: SentenceModel<B>,
    #[module(skip)]
    settings: Arc<StepSettings>,
}

impl<B: EncoderOps> Trainee<B> {
    /// Trains `model` in that way.
    #[must_use]
    pub fn new(model: SentenceModel<B>, settings: StepSettings) -> Self {
        Self {
            model,
            settings: Arc::new(settings),
        }
    }
}

impl<B: TrainingBackend> TrainStep for Trainee<B> {
    type Input = TrainingBatch;
    type Output = StepOutput;

    fn step(&self, batch: TrainingBatch) -> TrainOutput<StepOutput> {
        let settings = &self.settings;
        let lanes = self.lane_count();
        let chunks = plan(&batch, settings.chunk, lanes, settings.pad_token_id);
        if chunks.is_empty() {
            return TrainOutput {
                grads: GradientsParams::new(),
                item: StepOutput::default(),
            };
        }
        let home = self.model.network.device();
        let mut lanes = self.lanes(deal(chunks, lanes), &home);

        let vectors = side_by_side(lanes.iter_mut().collect(), Lane::forward);
        let order: Vec<usize> = lanes.iter().flat_map(Lane::texts).collect();
        let vectors: Vec<_> = vectors
            .into_iter()
            .map(|rows| rows.to_device(&home))
            .collect();
        let vectors = select(Tensor::cat(vectors, 0), &inverse(&order));

        let (loss, of_vectors) = self.loss(&batch, vectors.clone());
        let tokens = lanes.iter().map(Lane::tokens).sum();

        // Back into the order of the lanes, and to each lane its part.
        let of_vectors = select(of_vectors, &order);
        let mut begin = 0;
        let work: Vec<_> = lanes
            .into_iter()
            .map(|lane| {
                let count = lane.texts().count();
                let part = of_vectors.clone().narrow(0, begin, count);
                begin += count;
                (lane, part)
            })
            .collect();
        let gradients = side_by_side(work, |(lane, part)| lane.backward(part));
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
                mean_cosine: mean_cosine_of_anchors(&batch, vectors),
            },
        }
    }
}

impl<B: TrainingBackend> Trainee<B> {
    fn lane_count(&self) -> usize {
        self.settings.devices.len().max(1) * self.settings.lanes_per_device.max(1)
    }

    fn lanes(&self, dealt: Vec<Vec<super::chunks::Chunk>>, home: &B::Device) -> Vec<Lane<B>> {
        let settings = &self.settings;
        let devices: Vec<B::Device> = settings
            .devices
            .iter()
            .map(|&id| B::Device::from_id(id))
            .collect();
        let device = |index: usize| match devices.as_slice() {
            [] => home.clone(),
            devices => devices[index % devices.len()].clone(),
        };
        dealt
            .into_iter()
            .enumerate()
            .map(|(index, chunks)| {
                let device = device(index);
                Lane::new(
                    &self.model,
                    device,
                    chunks,
                    settings.activations,
                    settings.dropping,
                )
            })
            .collect()
    }

    /// The loss of a batch, and its gradient for every vector `[texts, width]`.
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

impl<B: EncoderOps> InferenceStep for Trainee<B> {
    type Input = TrainingBatch;
    type Output = StepOutput;

    /// The loss of a batch, without dropout.
    fn step(&self, batch: TrainingBatch) -> StepOutput {
        let settings = &self.settings;
        let lanes = settings.lanes_per_device;
        let chunks = plan(&batch, settings.chunk, lanes, settings.pad_token_id);
        if chunks.is_empty() {
            return StepOutput::default();
        }
        let dealt = deal(chunks, lanes);
        let order: Vec<usize> = dealt
            .iter()
            .flatten()
            .flat_map(|chunk| chunk.texts.iter().copied())
            .collect();
        let tokens = dealt
            .iter()
            .flatten()
            .map(|chunk| chunk.tokens.texts() * chunk.tokens.length())
            .sum();
        let vectors = side_by_side(dealt, |chunks| {
            let rows = chunks
                .iter()
                .map(|chunk| self.model.forward_batch(&chunk.tokens));
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
            mean_cosine: mean_cosine_of_anchors(&batch, vectors),
        }
    }
}

/// The loss over the vectors of a batch, which stand column by column.
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

/// Over anchors that differ, where there are enough to tell anything; of the vectors of a batch, column by column.
fn mean_cosine_of_anchors<B: EncoderOps>(
    batch: &TrainingBatch,
    vectors: Tensor<B, 2>,
) -> Option<f32> {
    let anchors = different_anchors(batch);
    if anchors.len() < FEWEST_TEXTS {
        return None;
    }
    mean_pairwise_cosine(select(vectors, &anchors))
}

/// The rows of a batch whose anchors differ: equal texts have one vector in any model.
fn different_anchors(batch: &TrainingBatch) -> Vec<usize> {
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

/// Does `work` for every item at the same time; results in the order of the items.
fn side_by_side<T: Send, R: Send>(items: Vec<T>, work: impl Fn(T) -> R + Sync) -> Vec<R> {
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
