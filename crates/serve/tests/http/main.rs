//! A service with the tiny model, asked over HTTP.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may"
)]

mod access;
mod attributes;
mod connections;
mod documents;
mod embeddings;
mod engine;
mod errors;
mod reranking;
mod searching;
mod support;
