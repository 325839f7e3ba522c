//! The program `train`, run as a user runs it, on the tiny model.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers outside of test functions fail a test in this way"
)]

// `setsid` of util-linux gives a program its own terminal. The dashboard does not depend on the backend.
#[cfg(all(target_os = "linux", any(feature = "cpu", feature = "ndarray")))]
mod dashboard;
#[cfg(unix)]
mod errors;
mod evaluating;
// Which rows a file gives does not depend on the backend, and a software GPU compiles its kernels for each run.
#[cfg(any(feature = "cpu", feature = "ndarray"))]
mod formats;
mod help;
mod inputs;
mod interruption;
mod support;
mod training;
mod usage;
