//! Fine-tuning of an encoder, and evaluation of the result.
//!
//! | subject | module |
//! | --- | --- |
//! | rows of texts and their batches | [`data`] |
//! | token ids of batches, tokenized ahead of time | [`batch`], `loader` |
//! | loss functions | [`losses`] |
//! | training loop, step, optimiser, checkpoints | [`mod@train`] |
//! | evaluators and metrics | [`evaluation`] |
//! | hard negatives | `mining` |
//! | log, report and model card of a run | [`report`] |
//! | a run, from its settings to the tuned model | `config`, `settings`, [`run`] |

pub mod batch;
pub mod cli;
pub mod commands;
mod config;
pub mod data;
mod download;
mod error;
pub mod evaluation;
mod loader;
pub mod losses;
mod mining;
pub mod random;
pub mod report;
pub mod run;
mod settings;
mod shell;
pub mod stop;
pub mod train;

pub use error::TrainError;

#[cfg(test)]
#[path = "../../model/tests/common/device.rs"]
mod test_device;
#[cfg(test)]
mod testing;
