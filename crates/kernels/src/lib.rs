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
//! One thing it does ask: whether texts are best laid end to end ([`EncoderOps::END_TO_END`]). On a GPU and on
//! `ndarray` they are not, and there a model attends over a padded batch, with burn's own tensors.

mod adamw;
mod autodiff;
pub mod cpu;
mod dropout;
mod encoder_ops;
mod plain;
mod precision;
pub mod sixteen_bits;
#[cfg(any(feature = "cuda", all(test, feature = "cpu")))]
mod split;
mod texts;
mod weights;

#[cfg(feature = "cpu")]
mod flex;

#[cfg(all(test, feature = "cpu"))]
mod tests;

pub use adamw::AdamWStep;
pub use cpu::{Activation, Int8Matrix, PackedLinear};
pub use dropout::DropoutMask;
pub use encoder_ops::{
    AttentionGradients, DenseGradients, EncoderOps, NormalizeGradients, TrainingBackend,
};
pub use precision::{Precision, UnknownPrecision};
pub use texts::Texts;
pub use weights::{EncoderLayerWeights, LinearWeights, Norm};

#[cfg(feature = "ndarray")]
impl EncoderOps for burn_ndarray::NdArray {}

#[cfg(feature = "wgpu")]
impl EncoderOps for burn_wgpu::Wgpu {}

#[cfg(feature = "cuda")]
impl EncoderOps for burn_cuda::Cuda {
    const ROUNDS_PRODUCTS: bool = true;

    fn product<const D: usize>(
        left: burn::tensor::Tensor<Self, D>,
        right: burn::tensor::Tensor<Self, D>,
    ) -> burn::tensor::Tensor<Self, D> {
        split::product(left, right)
    }
}
