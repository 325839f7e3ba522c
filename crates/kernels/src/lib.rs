//! The few operations that MPNet's encoder needs beyond what burn has, as an extension of burn's
//! backends.
//!
//! [`EncoderOps`] is a trait on top of [`Backend`](burn::tensor::backend::Backend). Every operation
//! has a default body of burn's own differentiable primitives, which the GPU backends, `ndarray` and
//! autodiff use, and which says what the operation means. `Flex`, burn's CPU backend, has bodies of
//! its own over [`cpu`], which are fast and give the same to rounding. A model calls the operation
//! and does not know which body runs.

pub mod cpu;
mod encoder_ops;
mod precision;
mod texts;

#[cfg(feature = "cpu")]
mod flex;

pub use cpu::{Activation, Int8Matrix, PackedLinear};
pub use encoder_ops::{EncoderOps, LinearWeights, Norm, TrainingBackend};
pub use precision::{Precision, UnknownPrecision};
pub use texts::Texts;

#[cfg(feature = "ndarray")]
impl EncoderOps for burn_ndarray::NdArray {}

#[cfg(feature = "wgpu")]
impl EncoderOps for burn_wgpu::Wgpu {}

#[cfg(feature = "cuda")]
impl EncoderOps for burn_cuda::Cuda {}
