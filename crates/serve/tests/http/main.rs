//! A service with the tiny model, asked over HTTP.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test may"
)]

mod access;
mod attributes;
mod connections;
mod documents;
mod embeddings;
mod engine;
mod errors;
#[cfg(target_os = "linux")]
mod idle;
mod reranking;
mod searching;
mod support;
