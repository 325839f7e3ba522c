//! The program `train`, run as a user runs it, on the tiny model.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers outside of test functions fail a test in this way"
)]

mod architectures;
mod click_log;
// `setsid` of util-linux gives a program its own terminal. The dashboard does not depend on the backend.
#[cfg(target_os = "linux")]
mod dashboard;
mod distill;
#[cfg(unix)]
mod errors;
mod evaluating;
mod formats;
mod guides;
mod health;
mod help;
mod inputs;
mod interruption;
mod mining;
mod recorded;
mod reranking;
mod resumption;
#[path = "../../../program/tests/common/snapshot.rs"]
mod snapshot;
#[cfg(unix)]
mod stops;
mod support;
mod tagging;
#[path = "../../../model/tests/common/device.rs"]
mod test_device;
mod training;
mod usage;
