//! The stack that `modules.json` describes: encoder, pooling and, mostly, normalisation.

use burn::module::Module;
use burn::tensor::backend::Backend;
use burn::tensor::{Bool, Int, Tensor};
use kernels::{EncoderOps, Precision, Texts};

use crate::network::MpNet;
use crate::pooling::{PoolingMode, pool, pool_end_to_end};

/// Token ids in, one vector for every text out; differentiable, for training and for inference.
#[derive(Module, Debug)]
pub struct SentenceModel<B: Backend> {
    /// The encoder.
    pub network: MpNet<B>,
    #[module(skip)]
    pooling: Vec<PoolingMode>,
    normalize: bool,
}

impl<B: Backend> SentenceModel<B> {
    /// Puts pooling and, if wanted, normalisation to length 1 behind an encoder.
    #[must_use]
    pub fn new(network: MpNet<B>, pooling: Vec<PoolingMode>, normalize: bool) -> Self {
        Self {
            network,
            pooling,
            normalize,
        }
    }
}

impl<B: EncoderOps> SentenceModel<B> {
    /// As [`MpNet::pack`].
    pub(crate) fn pack(mut self, precision: Precision) -> Self {
        self.network = self.network.pack(precision);
        self
    }

    /// The vectors of a batch.
    ///
    /// # Shapes
    ///
    /// - `input_ids`: `[batch, length]`, padded with the pad token
    /// - `attention_mask`: `[batch, length]`, true for the tokens of the text; `None` when nothing
    ///   is padded
    /// - output: `[batch, modes * hidden]`
    pub fn forward(
        &self,
        input_ids: Tensor<B, 2, Int>,
        attention_mask: Option<Tensor<B, 2, Bool>>,
    ) -> Tensor<B, 2> {
        let bias = self.network.position_bias(input_ids.dims()[1]);
        let pooled = self.forward_pooled(input_ids, attention_mask, bias);
        self.scale(pooled)
    }

    /// The vectors of a batch from the hidden states of the network's last layer.
    ///
    /// # Shapes
    ///
    /// - `hidden`: `[batch, length, hidden]`
    /// - `attention_mask`: as in [`forward`](Self::forward)
    /// - output: `[batch, modes * hidden]`
    pub fn vectors(
        &self,
        hidden: &Tensor<B, 3>,
        attention_mask: Option<&Tensor<B, 2, Bool>>,
    ) -> Tensor<B, 2> {
        self.scale(pool(&self.pooling, hidden, attention_mask))
    }

    fn scale(&self, pooled: Tensor<B, 2>) -> Tensor<B, 2> {
        if self.normalize {
            normalize(pooled)
        } else {
            pooled
        }
    }

    /// The vectors before normalisation, with a [position bias](MpNet::position_bias) computed
    /// before.
    pub fn forward_pooled(
        &self,
        input_ids: Tensor<B, 2, Int>,
        attention_mask: Option<Tensor<B, 2, Bool>>,
        bias: Tensor<B, 4>,
    ) -> Tensor<B, 2> {
        let hidden = self
            .network
            .forward_with_bias(input_ids, attention_mask.clone(), bias);
        pool(&self.pooling, &hidden, attention_mask.as_ref())
    }

    /// As [`forward_pooled`](Self::forward_pooled), for texts that stand end to end; see
    /// [`MpNet::forward_end_to_end`].
    pub fn forward_pooled_end_to_end(
        &self,
        input_ids: &[i32],
        texts: &Texts,
        bias: Tensor<B, 4>,
    ) -> Tensor<B, 2> {
        let hidden = self.network.forward_end_to_end(input_ids, texts, bias);
        pool_end_to_end(&self.pooling, &hidden, texts)
    }
}

/// Scales every row of `[batch, width]` to length 1 (PyTorch's `normalize`: lengths below 1e-12
/// count as 1e-12).
fn normalize<B: Backend>(rows: Tensor<B, 2>) -> Tensor<B, 2> {
    // Before the root: its slope at 0 is infinite.
    let length = rows.clone().square().sum_dim(1).clamp_min(1e-24).sqrt();
    rows / length
}
