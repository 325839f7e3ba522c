//! Parquet files, written by the crate that reads them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may"
)]

mod columns;
mod damage;
mod round_trip;
mod values;
mod writer;
