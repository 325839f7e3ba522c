//! Sentence embeddings by MPNet, BERT and their kin on any [burn](https://burn.dev) backend.
//!
//! [`SentenceEncoder`] turns texts into vectors. Its parts can be used separately: [`SentenceTokenizer`];
//! [`Encoder`], the network, generic over the backend and differentiable; [`Checkpoint`], the
//! sentence-transformers folder. [`hub`] finds a model by its name. [`backend`] and [`parts`] hold the other
//! items of programs that train or convert a model.
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

// The tests inside and outside of this crate share files that call it by its name.
#[cfg(test)]
extern crate self as model;

mod architecture;
pub mod backend;
mod batch;
mod boxed_error;
mod bucket;
mod checkpoint;
mod concurrency;
mod encoder;
mod error;
mod file;
#[doc(hidden)]
pub mod fuzzing;
mod heads;
pub mod hub;
mod modules;
mod prompt;
mod router_error;
mod routes;
mod sentence_embeddings;
mod sentence_encoder;
mod sentence_model;
mod static_embedding;
#[cfg(test)]
#[path = "../tests/common/device.rs"]
mod test_device;
#[cfg(test)]
mod testing;
pub mod threads;
mod tokenizer;

pub use backend::Device;
pub use checkpoint::Checkpoint;
pub use encoder::{Encoder, MpNet};
pub use error::ModelError;
pub use heads::builder::HeadBuilder;
pub use heads::pair_score::{PairScorer, PairScores};
pub use heads::token_tags::{
    Span, Tag, TagLabels, TagOptions, TaggedTexts, Tagger, TaggerSettings, TokenLogits,
};
pub use kernels::Precision;
pub use prompt::{Prompt, Prompts};
pub use router_error::RouterError;
pub use sentence_embeddings::Embeddings;
pub use sentence_encoder::{
    EncodeOptions, Route, SentenceEncoder, SentenceEncoderBuilder, TokenizedTexts,
};
pub use static_embedding::{StaticFolder, StaticFormat};
pub use tokenizer::{Piece, SentenceTokenizer, TruncationSide};

/// The parts of an encoder, for programs that train or convert a model.
///
/// [`SentenceModel`](parts::SentenceModel) is the network with pooling and normalisation, and
/// [`TokenBatch`](parts::TokenBatch) its input.
pub mod parts {
    pub use crate::architecture::{
        AttentionOutputDropout, Biases, EncoderConfig, LocalAttention, NormOrder, Positions, Rotary,
    };
    pub use crate::batch::{BatchCost, BatchLimit, BatchPlan, TokenBatch, plan_batches};
    pub use crate::bucket::padded_length;
    pub use crate::encoder::attention::{
        AttentionAdapters, AttentionContext, Layout, SelfAttention,
    };
    pub use crate::encoder::dropout::{Dropout, with_device_dropout, with_dropout_seed};
    pub use crate::encoder::layer::EncoderLayer;
    pub use crate::encoder::low_rank::{LowRank, LowRankConfig};
    pub use crate::modules::pooling::PoolingMode;
    pub use crate::sentence_encoder::Progress;
    pub use crate::sentence_model::SentenceModel;
    pub use crate::tokenizer::{PairTokenIds, PlacedTokens, TokenIds};
}

/// The example of the README, run with the real model.
#[cfg(all(doctest, feature = "real-weights"))]
#[doc = include_str!("../../../README.md")]
struct Readme;

/// The examples of the guide for Rust, run with the real model.
#[cfg(all(doctest, feature = "real-weights"))]
#[doc = include_str!("../../../docs/src/guides/rust.md")]
struct Guide;
