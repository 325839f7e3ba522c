//! Settings of a training step, and their defaults for a device.

use burn::tensor::backend::DeviceId;
use model::Device;
use model::parts::{BatchCost, BatchLimit};

use super::{Activations, DropoutRng, Padding};
use crate::losses::Objective;

/// Settings of a training step.
#[derive(Clone, Debug)]
pub struct StepSettings {
    /// Loss to minimise.
    pub objective: Objective,
    /// Token that pads shorter texts.
    pub pad_token_id: u32,
    /// Maximum size of a micro-batch.
    pub micro_batch: BatchLimit,
    /// What padding costs; `None` on a CPU, which computes none.
    pub padding: Option<Padding>,
    /// Activations kept between the forward and the backward pass.
    pub activations: Activations,
    /// Source of the random numbers of dropout.
    pub dropout_rng: DropoutRng,
    /// Model replicas per device, at least 1; they compute micro-batches in parallel. Another number
    /// changes the result.
    pub replicas_per_device: usize,
    /// Rows of a batch whose loss GradCache computes at a time, if the loss is a sum over rows; at least 1.
    pub loss_rows: usize,
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

/// Rows whose loss GradCache computes at a time: with 16,384 candidates a matrix of logits takes 128 MiB.
pub(crate) const LOSS_ROWS: usize = 2_048;

impl StepSettings {
    /// Defaults for a device, with all activations stored. Texts have at most `longest` tokens.
    #[must_use]
    pub fn for_device(
        device: Device,
        objective: Objective,
        pad_token_id: u32,
        longest: usize,
    ) -> Self {
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
            padding: gpu.then_some(Padding {
                cost: BatchCost::GPU,
                longest,
            }),
            activations: Activations::Stored,
            dropout_rng: if gpu {
                DropoutRng::Device
            } else {
                DropoutRng::Host
            },
            replicas_per_device: if gpu { 1 } else { REPLICAS_CPU },
            loss_rows: LOSS_ROWS,
            devices: Vec::new(),
        }
    }
}
