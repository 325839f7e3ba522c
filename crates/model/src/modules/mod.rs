//! What follows the encoder: the pooling, and the modules of sentence-transformers that change the pooled vectors.

pub(crate) mod dense;
pub(crate) mod pooling;

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use kernels::{EncoderOps, LayerNormWeights};

use crate::encoder::dropout::Dropout;
use dense::Dense;

/// A module after the pooling: `[batch, width]` in and out.
#[derive(Module, Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "a model has a handful of modules"
)]
pub(crate) enum PooledModule<B: Backend> {
    /// A linear layer with an activation, which may change the width.
    Dense(Dense<B>),
    /// LayerNorm over the dimensions.
    LayerNorm(PooledLayerNorm<B>),
    /// L2 normalisation.
    Normalize(Normalize),
    /// Dropout while gradients are recorded.
    Dropout(Dropout),
    /// Multiplies vectors by a number.
    Scale(Scale),
}

impl<B: EncoderOps> PooledModule<B> {
    /// Packs the weights on a backend that packs.
    pub(crate) fn pack(self) -> Self {
        match self {
            Self::Dense(dense) => Self::Dense(dense.pack()),
            other => other,
        }
    }

    /// The vectors after this module.
    pub(crate) fn forward(&self, vectors: Tensor<B, 2>) -> Tensor<B, 2> {
        match self {
            Self::Dense(dense) => dense.forward(vectors),
            Self::LayerNorm(norm) => norm.forward(vectors),
            Self::Normalize(_) => normalize(vectors),
            Self::Dropout(dropout) => dropout.forward(vectors),
            Self::Scale(scale) => vectors * scale.factor,
        }
    }
}

/// The module of L2 normalisation, which has no parameter.
#[derive(Module, Clone, Debug)]
pub(crate) struct Normalize;

/// A number that multiplies vectors, which has no gradient.
#[derive(Module, Clone, Debug)]
pub(crate) struct Scale {
    /// The number.
    pub(crate) factor: f64,
}

/// LayerNorm of a vector.
#[derive(Module, Debug)]
pub(crate) struct PooledLayerNorm<B: Backend> {
    /// The factor, `[width]`.
    pub(crate) gamma: Tensor<B, 1>,
    /// The offset, `[width]`.
    pub(crate) beta: Tensor<B, 1>,
}

/// PyTorch's default, which sentence-transformers takes.
const LAYER_NORM_EPS: f64 = 1e-5;

impl<B: EncoderOps> PooledLayerNorm<B> {
    fn forward(&self, vectors: Tensor<B, 2>) -> Tensor<B, 2> {
        let norm = LayerNormWeights {
            gamma: self.gamma.clone(),
            beta: self.beta.clone(),
            epsilon: LAYER_NORM_EPS,
        };
        <B as EncoderOps>::layer_norm(vectors, norm)
    }
}

/// Scales every row of `[batch, width]` to L2 norm 1 (PyTorch's `normalize`: norms below 1e-12 count
/// as 1e-12).
pub(crate) fn normalize<B: Backend>(rows: Tensor<B, 2>) -> Tensor<B, 2> {
    // Before the root: its slope at 0 is infinite.
    let length = rows.clone().square().sum_dim(1).clamp_min(1e-24).sqrt();
    rows / length
}
