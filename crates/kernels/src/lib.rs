//! The few operations that MPNet's encoder needs beyond what burn has, as an extension of burn's
//! backends.
//!
//! [`EncoderOps`] is a trait on top of [`Backend`](burn::tensor::backend::Backend). Every operation
//! has a default body of burn's own primitives, which the GPU backends and `ndarray` use, and which
//! says what the operation means. `Flex`, burn's CPU backend, has bodies of its own over [`cpu`],
//! which are fast and give the same to rounding. Under [`Autodiff`](burn::backend::Autodiff) an
//! operation is one node, with a way back that has such bodies too (but for
//! [`encoder_layer`](EncoderOps::encoder_layer), which is several there). A model calls the operation and
//! does not know which body runs.
//!
//! One thing it does ask: whether sequences are best laid end to end ([`EncoderOps::VARLEN`]). On a GPU and on
//! `ndarray` they are not, and there a model attends over a padded batch, with burn's own tensors.

mod adamw;
mod autodiff;
pub mod cpu;
mod dropout;
mod encoder_ops;
pub mod half_precision;
mod precision;
mod reference;
mod sequences;
#[cfg(any(feature = "cuda", feature = "cpu"))]
mod tf32x3;
mod weights;

#[cfg(feature = "cpu")]
mod flex;

#[cfg(all(test, feature = "cpu"))]
mod tests;

pub use adamw::AdamWStep;
pub use cpu::{Activation, Int8Matrix, PackedLinear};
pub use dropout::DropoutMask;
pub use encoder_ops::{
    AttentionGradients, EncoderOps, LayerNormGradients, LinearGradients, TrainingBackend,
};
pub use precision::{Precision, UnknownPrecision};
pub use sequences::SequenceRanges;
pub use weights::{EncoderLayerWeights, LayerNormWeights, LinearWeights};

#[cfg(feature = "ndarray")]
impl EncoderOps for burn_ndarray::NdArray {}

#[cfg(feature = "wgpu")]
impl EncoderOps for burn_wgpu::Wgpu {}

#[cfg(feature = "cuda")]
impl EncoderOps for burn_cuda::Cuda {
    fn matmul_uses_tf32() -> bool {
        true
    }

    fn exact_matmul<const D: usize>(
        left: burn::tensor::Tensor<Self, D>,
        right: burn::tensor::Tensor<Self, D>,
    ) -> burn::tensor::Tensor<Self, D> {
        tf32x3::matmul(left, right)
    }
}
