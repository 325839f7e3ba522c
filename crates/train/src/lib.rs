//! Fine-tuning of MPNet, and the measure of what it gained.
//!
//! | word | module |
//! | --- | --- |
//! | rows of texts, and which of them form a batch | [`data`] |
//! | token ids of a batch, in order and ahead of time | [`batch`], [`loader`] |
//! | what is minimised | [`losses`] |
//! | vectors, loss and gradients of a batch | [`step`] |
//! | optimiser, schedule, checkpoints, the loop | [`training`] |
//! | how good a model is | [`evaluation`] |
//! | what a run leaves behind | [`report`] |
//! | from settings to a tuned model | [`options`], [`settings`], [`fit`] |

mod adapter;
pub mod batch;
pub mod cli;
pub mod commands;
pub mod data;
mod download;
pub mod error;
pub mod evaluation;
pub mod fit;
pub mod loader;
pub mod losses;
pub mod options;
pub mod random;
pub mod report;
pub mod settings;
mod shell;
pub mod step;
pub mod training;

pub use error::TrainError;

#[cfg(test)]
mod testing;
