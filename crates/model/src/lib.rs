//! MPNet sentence embeddings on any [burn](https://burn.dev) backend.
//!
//! [`SentenceEncoder`] turns texts into vectors. Below it, and usable on their own: [`MpNet`], the
//! network, generic over the backend and differentiable; [`SentenceModel`], the network with
//! pooling and normalisation; [`Checkpoint`], the sentence-transformers folder;
//! [`SentenceTokenizer`]; [`hub`], which makes a name a folder.
//!
//! ```
//! use model::{Device, SentenceEncoder};
//!
//! let encoder = SentenceEncoder::builder()
//!     .device(Device::Auto)
//!     .batch_tokens(2048)
//!     .load("tests/fixtures/tiny-mpnet")?;
//! let vectors = encoder.encode(&["compact wireless keyboard", "Slim 75% Bluetooth keyboard"])?;
//! let cosine: f32 = std::iter::zip(&vectors.values()[..vectors.width()], &vectors.values()[vectors.width()..])
//!     .map(|(a, b)| a * b)
//!     .sum();
//! assert!(cosine > 0.0);
//! # Ok::<(), model::ModelError>(())
//! ```

// Some files of the tests are shared with those outside of this crate, which call it by its name.
#[cfg(test)]
extern crate self as model;

pub mod attention;
pub mod backend;
pub mod batch;
pub mod boxed_error;
mod bucket;
pub mod checkpoint;
mod concurrency;
pub mod config;
pub mod dropout;
pub mod embeddings;
pub mod error;
mod file;
#[doc(hidden)]
pub mod fuzzing;
pub mod guard;
pub mod hub;
pub mod layer;
mod linear;
pub mod low_rank;
pub mod network;
pub mod pooling;
pub mod relative_bias;
pub mod sentence_embeddings;
pub mod sentence_encoder;
pub mod sentence_model;
#[cfg(test)]
#[path = "../tests/common/device.rs"]
mod test_device;
#[cfg(test)]
mod testing;
pub mod threads;
pub mod tokenizer;

pub use backend::{BackendTask, Device, DeviceError};
pub use batch::{BatchLimit, TokenBatch};
pub use checkpoint::Checkpoint;
pub use config::MpNetConfig;
pub use dropout::with_dropout_seed;
pub use error::ModelError;
pub use kernels::cpu::{has_bf16_dot_product, uses_amx};
pub use kernels::{AdamWStep, EncoderOps, Precision, TrainingBackend, UnknownPrecision};
pub use low_rank::LowRankConfig;
pub use network::MpNet;
pub use pooling::PoolingMode;
pub use sentence_embeddings::Embeddings;
pub use sentence_encoder::{Progress, SentenceEncoder, SentenceEncoderBuilder};
pub use sentence_model::SentenceModel;
pub use threads::ThreadCount;
pub use tokenizer::{SentenceTokenizer, TokenIds};

/// The example of the README, run with the real model.
#[cfg(all(doctest, feature = "real-weights"))]
#[doc = include_str!("../../../README.md")]
struct Readme;

/// The examples of the guide for Rust, run with the real model.
#[cfg(all(doctest, feature = "real-weights"))]
#[doc = include_str!("../../../docs/src/guides/rust.md")]
struct Guide;
