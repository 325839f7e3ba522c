//! One training step: the vectors of a batch, the loss over them, and the gradients.
//!
//! The texts of a batch need not go through the network together: the vector of a text does not
//! depend on the others, only the loss looks at all of them. So a step
//!
//! 1. sorts the texts of all columns by length and fills chunks (little is padded, and the
//!    activations of a chunk stay in the processor's cache);
//! 2. computes the vectors of the chunks, side by side on several lanes (threads of a
//!    processor, or devices);
//! 3. takes the loss over all vectors and its gradient for each vector;
//! 4. carries those gradients back through the chunks.
//!
//! How many lanes there are does not depend on the machine: chunks, dropout masks and the order of
//! sums follow from it. More threads than lanes share the work within a chunk.
//!
//! In-batch negatives thus come from the whole batch, whatever it was cut into. What is kept between
//! 2 and 4 decides the memory, see [`Activations`]; forgetting everything is GradCache (Gao et al.,
//! "Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup", 2021).

mod chunks;
mod lane;
mod layer_by_layer;
mod trainee;

pub use chunks::Activations;
pub use lane::Dropping;
pub use trainee::{StepOutput, StepSettings, Trainee};

#[cfg(test)]
mod tests;
