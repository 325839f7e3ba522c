//! The random 2-layer model of `fixtures/tiny-mpnet` on the device under test, without a network.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may"
)]

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/device.rs"]
mod test_device;

mod checkpoint;
mod gradients;
mod layers;
mod options;
mod precision;
mod router;
mod settings;
mod static_models;
mod tf32;
mod vectors;
