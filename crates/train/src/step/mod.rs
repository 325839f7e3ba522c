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

mod chunks;
mod lane;
mod layer_by_layer;
mod trainee;

pub use chunks::Activations;
pub use lane::DropoutRng;
pub use trainee::{StepOutput, StepSettings, TrainingModel};

#[cfg(test)]
mod tests;
#[cfg(all(test, feature = "cpu"))]
mod two_devices;
