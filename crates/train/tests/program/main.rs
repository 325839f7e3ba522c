//! The program `train`, run as a user runs it, on the tiny model.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers outside of test functions fail a test in this way"
)]

mod evaluating;
mod inputs;
mod interruption;
mod support;
mod training;
mod usage;
