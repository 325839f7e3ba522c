//! The operations of a transformer encoder that burn does not have, as an extension of burn's backends.
//!
//! [`EncoderOps`] is a trait on top of [`Backend`](burn::tensor::backend::Backend). Every operation has a reference
//! implementation of burn's own primitives, which defines it; the GPU backends and `ndarray` use it. `Flex`, burn's CPU
//! backend, has fast implementations over [`cpu`], which agree with the reference up to rounding. Under
//! [`Autodiff`](burn::backend::Autodiff) an operation is one node of the graph, whose backward pass has fast
//! implementations, too. ([`encoder_layer`](EncoderOps::encoder_layer) is several nodes.) A model calls the operation and
//! does not know which implementation runs.
//!
//! [`EncoderOps::VARLEN`] selects the layout of a batch. Where it is true, sequences are packed one after another without
//! padding (a varlen batch, see [`SequenceRanges`]). Elsewhere a model pads them and attends with burn's own tensors.

mod attention_options;
mod autodiff;
mod encoder_ops;
pub mod half_precision;
mod reference;
mod sequences;
#[cfg(any(feature = "cuda", feature = "cpu"))]
mod tf32x3;
mod weights;

#[cfg(feature = "cpu")]
mod flex;

#[cfg(all(test, feature = "cpu"))]
mod tests;

pub use attention_options::AttentionOptions;
pub use cpu_kernels as cpu;
pub use cpu_kernels::{
    Activation, AdamWStep, DropoutMask, Int8Matrix, PackedLinear, Precision, RotaryTable,
    UnknownPrecision,
};
pub use encoder_ops::{
    AttentionGradients, EncoderOps, LayerNormGradients, LinearGradients, TrainingBackend,
};
pub use sequences::SequenceRanges;
pub use weights::{EncoderLayerNorms, EncoderLayerWeights, LayerNormWeights, LinearWeights};

#[cfg(feature = "ndarray")]
impl EncoderOps for burn_ndarray::NdArray {}

#[cfg(feature = "wgpu")]
impl EncoderOps for burn_wgpu::Wgpu {
    const THREADS_SHARE_A_DEVICE: bool = false;
}

#[cfg(feature = "router")]
impl<R: burn_router::RunnerChannel> EncoderOps for burn_router::BackendRouter<R> {}

#[cfg(feature = "cuda")]
impl EncoderOps for burn_cuda::Cuda {
    const THREADS_SHARE_A_DEVICE: bool = false;

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
