//! The stack that `modules.json` describes: encoder, pooling, other modules and, usually, L2 normalisation.

use burn::module::Module;
use burn::tensor::backend::Backend;
use burn::tensor::{Bool, Int, Tensor, TensorData};
use kernels::half_precision::upcast;
use kernels::{EncoderOps, Precision};

use crate::batch::TokenBatch;
use crate::encoder::Encoder;
use crate::modules::dense::DenseActivation;
use crate::modules::pooling::{PoolingMode, pool, pool_varlen};
use crate::modules::{PooledModule, normalize};

/// Token ids in, one vector per text out; differentiable, for training and for inference.
#[derive(Module, Debug)]
pub struct SentenceModel<B: Backend> {
    /// The encoder.
    pub network: Encoder<B>,
    #[module(skip)]
    pooling: Vec<PoolingMode>,
    /// Between pooling and normalisation.
    modules: Vec<PooledModule<B>>,
    normalize: bool,
    /// Whether every token has a vector, and not every text.
    of_tokens: bool,
}

impl<B: Backend> SentenceModel<B> {
    /// An encoder with pooling and, with `normalize`, L2 normalisation.
    #[must_use]
    pub fn new(network: Encoder<B>, pooling: Vec<PoolingMode>, normalize: bool) -> Self {
        Self {
            network,
            pooling,
            modules: Vec::new(),
            normalize,
            of_tokens: false,
        }
    }

    /// The model without pooling: each token of a text has a vector, text by text.
    pub(crate) fn of_tokens(self) -> Self {
        Self {
            of_tokens: true,
            ..self
        }
    }

    /// The model with these modules between pooling and normalisation.
    pub(crate) fn with_modules(mut self, modules: Vec<PooledModule<B>>) -> Self {
        self.modules = modules;
        self
    }

    /// The model with other modules in the place of its own.
    pub(crate) fn map_modules(
        mut self,
        change: impl FnOnce(Vec<PooledModule<B>>) -> Vec<PooledModule<B>>,
    ) -> Self {
        self.modules = change(self.modules);
        self
    }

    /// The modules between pooling and normalisation.
    pub(crate) fn modules(&self) -> &[PooledModule<B>] {
        &self.modules
    }

    /// The model with another activation after its last linear layer.
    pub(crate) fn activated(mut self, activation: DenseActivation) -> Self {
        self.modules = match self.modules.pop() {
            Some(PooledModule::Dense(dense)) => {
                let dense = PooledModule::Dense(dense.with_activation(activation));
                self.modules.into_iter().chain([dense]).collect()
            }
            last => self.modules.into_iter().chain(last).collect(),
        };
        self
    }
}

impl<B: EncoderOps> SentenceModel<B> {
    /// As [`Encoder::pack`].
    pub(crate) fn pack(mut self, precision: Precision) -> Self {
        self.network = self.network.pack(precision);
        self.pack_modules()
    }

    /// Packs the modules after the pooling.
    pub(crate) fn pack_modules(mut self) -> Self {
        let modules = self.modules.into_iter();
        self.modules = modules.map(PooledModule::pack).collect();
        self
    }

    /// The vectors of a batch.
    ///
    /// # Shapes
    ///
    /// - `input_ids`: `[batch, length]`, padded with the pad token
    /// - `attention_mask`: `[batch, length]`, true for the tokens of the text; `None` when nothing
    ///   is padded
    /// - output: `[batch, width]`; of a tagger `[batch * length, outputs]`, padding included
    pub fn forward(
        &self,
        input_ids: Tensor<B, 2, Int>,
        attention_mask: Option<Tensor<B, 2, Bool>>,
    ) -> Tensor<B, 2> {
        let bias = self.network.position_bias(input_ids.dims()[1]);
        let hidden = self
            .network
            .forward_with_bias(input_ids, attention_mask.clone(), bias);
        let hidden = upcast(hidden);
        if self.of_tokens {
            let [texts, length, width] = hidden.dims();
            return self.scale(self.after_pooling(hidden.reshape([texts * length, width])));
        }
        let pooled = pool(&self.pooling, &hidden, attention_mask.as_ref(), 0);
        self.scale(self.after_pooling(pooled))
    }

    fn scale(&self, pooled: Tensor<B, 2>) -> Tensor<B, 2> {
        if self.normalize {
            normalize(pooled)
        } else {
            pooled
        }
    }

    /// The vectors of a batch before normalisation, in the layout that is the fastest on this
    /// backend, with a [position bias](Encoder::position_bias) computed before.
    pub(crate) fn batch_pooled(
        &self,
        batch: &TokenBatch,
        bias: Option<Tensor<B, 4>>,
    ) -> Tensor<B, 2> {
        self.pool_batch(self.network.forward_batch(batch, bias), batch)
    }

    /// As [`forward`](Self::forward), in the layout that is the fastest on this backend. A tagger gives the tokens of the
    /// texts, one text after the other and without padding: `[tokens, outputs]`.
    pub fn forward_batch(&self, batch: &TokenBatch) -> Tensor<B, 2> {
        let bias = self.network.position_bias(batch.length());
        self.scale(self.batch_pooled(batch, bias))
    }

    /// The vectors of a batch, `[batch, width]`, from the hidden states of the last layer in the
    /// layout of [`Encoder::embed_batch`].
    pub fn batch_vectors(&self, hidden: Tensor<B, 2>, batch: &TokenBatch) -> Tensor<B, 2> {
        self.scale(self.pool_batch(hidden, batch))
    }

    fn after_pooling(&self, pooled: Tensor<B, 2>) -> Tensor<B, 2> {
        let modules = self.modules.iter();
        modules.fold(pooled, |vectors, module| module.forward(vectors))
    }

    fn pool_batch(&self, hidden: Tensor<B, 2>, batch: &TokenBatch) -> Tensor<B, 2> {
        self.after_pooling(self.pooled(hidden, batch))
    }

    fn pooled(&self, hidden: Tensor<B, 2>, batch: &TokenBatch) -> Tensor<B, 2> {
        let device = hidden.device();
        let hidden = upcast(self.network.after_layers(hidden));
        if self.of_tokens {
            return tokens(hidden, batch);
        }
        let [_, width] = hidden.dims();
        let [texts, length] = [batch.texts(), batch.length()];
        let prompt = batch.not_pooled();
        if B::VARLEN && !B::ad_enabled(&device) {
            return pool_varlen(&self.pooling, &hidden, &batch.varlen().1, prompt);
        }
        if prompt >= length && prompt > 0 {
            return Tensor::zeros([texts, self.pooling.len() * width], &device);
        }
        let (places, mask) = batch.places();
        let padded = mask.contains(&false);
        let mut mask: Option<Tensor<B, 2, Bool>> = padded
            .then(|| Tensor::from_data(TensorData::new(mask.to_vec(), [texts, length]), &device));
        // The backward pass of a slice makes a tensor as large as the whole, so one gather replaces a slice per
        // text.
        let hidden = if B::VARLEN && padded {
            let places = TensorData::new(places, [texts * length]);
            hidden.select(0, Tensor::from_data(places, &device))
        } else {
            hidden
        };
        let mut hidden = hidden.reshape([texts, length, width]);
        if prompt > 0 {
            hidden = hidden.slice([0..texts, prompt..length]);
            mask = mask.map(|mask| mask.slice([0..texts, prompt..length]));
        }
        pool(&self.pooling, &hidden, mask.as_ref(), prompt)
    }
}

/// The rows of the tokens of all texts, without those of padding: `[tokens, hidden]`.
fn tokens<B: EncoderOps>(hidden: Tensor<B, 2>, batch: &TokenBatch) -> Tensor<B, 2> {
    let (_, mask) = batch.places();
    if B::VARLEN || !mask.contains(&false) {
        return hidden;
    }
    let kept = mask.iter().enumerate().filter(|(_, kept)| **kept);
    let kept: Vec<i32> = kept.map(|(place, _)| place as i32).collect();
    let device = hidden.device();
    let kept = TensorData::new(kept.clone(), [kept.len()]);
    hidden.select(0, Tensor::from_data(kept, &device))
}
