//! A service with the tiny model, asked over HTTP.

mod access;
mod connections;
mod documents;
mod embeddings;
mod engine;
mod errors;
mod reranking;
mod searching;
mod support;
