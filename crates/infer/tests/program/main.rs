//! The program as people run it, on the tiny model; and its readers and writers on every kind of
//! file.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may"
)]

mod attribute_search;
mod attributes;
mod bench;
mod catalogue;
mod embed;
#[cfg(unix)]
mod errors;
mod exit_codes;
mod export;
mod help;
mod index;
mod interruption;
mod json;
mod pt;
mod rerank;
#[cfg(unix)]
mod resume;
mod router;
mod search;
#[cfg(unix)]
mod serve;
mod settings;
mod shards;
#[path = "../../../program/tests/common/snapshot.rs"]
mod snapshot;
mod static_model;
mod stdin;
mod support;
mod terminal;
#[path = "../../../model/tests/common/device.rs"]
mod test_device;
mod usage;
mod vectors;
mod weights;
