//! An index on disk: what it answers, and what it keeps.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test may"
)]

mod answers;
mod background_merges;
mod common;
mod crash;
mod damage;
mod full_disk;
mod model;
mod operations;
mod rebuild;
mod refusals;
mod snapshots;
