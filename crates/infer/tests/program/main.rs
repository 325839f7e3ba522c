//! The program as people run it, on the tiny model; and its readers and writers on every kind of
//! file.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may"
)]

mod bench;
mod catalogue;
mod embed;
#[cfg(unix)]
mod errors;
mod export;
mod help;
mod interruption;
mod search;
mod support;
#[path = "../../../model/tests/common/device.rs"]
mod test_device;
mod usage;
mod vectors;
