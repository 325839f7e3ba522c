//! Training: gradients, optimiser, schedule, checkpoints and the training loop.

pub mod checkpoint;
pub(crate) mod dashboard;
pub mod failed_batch;
pub mod gradients;
pub mod optimizer;
pub(crate) mod recorder;
pub mod schedule;
pub(crate) mod strategy;
pub(crate) mod supervisor;
