//! How a plan is computed: token ids in, a hidden state for every token out.
//!
//! Nothing here names an architecture, and nothing knows a file: [`EncoderConfig`](crate::parts::EncoderConfig) says
//! what a layer consists of.

pub(crate) mod attention;
pub(crate) mod dropout;
pub(crate) mod embeddings;
pub(crate) mod layer;
pub(crate) mod linear;
pub(crate) mod low_rank;
mod network;
mod relative_bias;

pub use network::{Encoder, MpNet};
