//! The encoder: embeddings and layers.

use burn::module::Module;
use burn::tensor::backend::Backend;
use burn::tensor::{Bool, Int, Tensor};
use kernels::{EncoderOps, Precision, RotaryTable};

use super::attention::{AttentionContext, Layout, Reach};
use super::embeddings::Embeddings;
use super::layer::EncoderLayer;
use super::linear::LayerNorm;
use super::low_rank::LowRankConfig;
use super::relative_bias::RelativePositionBias;
use crate::architecture::{EncoderConfig, NormOrder, Positions};
use crate::batch::TokenBatch;

/// The [`Encoder`] under its first name. MPNet (Song et al., "MPNet: Masked and Permuted Pre-training for Language
/// Understanding", 2020) is one of the architectures that it computes.
pub type MpNet<B> = Encoder<B>;

/// A transformer encoder: embeddings, then layers of self-attention and a feed-forward block.
///
/// Works on every burn backend and under `Autodiff`. Dropout acts, with the probabilities of the
/// configuration, exactly when gradients are recorded.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "cpu")] {
/// use burn::tensor::{Int, Tensor};
/// use model::MpNet;
/// use model::parts::EncoderConfig;
///
/// type Cpu = burn_flex::Flex;
/// let config = EncoderConfig::from_folder("tests/fixtures/tiny-mpnet".as_ref())?;
/// let network = MpNet::<Cpu>::new(&config, &Default::default());
/// let input_ids = Tensor::<Cpu, 2, Int>::from_data([[0, 5, 6, 2]], &Default::default());
/// let hidden = network.forward(input_ids, None);
/// assert_eq!(hidden.dims(), [1, 4, config.hidden_size]);
/// # }
/// # Ok::<(), model::ModelError>(())
/// ```
#[derive(Module, Debug)]
pub struct Encoder<B: Backend> {
    embeddings: Embeddings<B>,
    relative_bias: Option<RelativePositionBias<B>>,
    layers: Vec<EncoderLayer<B>>,
    /// In pre-norm order, after the last layer.
    final_norm: Option<LayerNorm<B>>,
}

impl<B: Backend> Encoder<B> {
    /// A network with fresh random weights.
    #[must_use]
    pub fn new(config: &EncoderConfig, device: &B::Device) -> Self {
        Self {
            embeddings: Embeddings::new(config, device),
            relative_bias: (config.relative_attention_buckets)
                .map(|buckets| RelativePositionBias::new(config, buckets, device)),
            layers: reaches(config)
                .into_iter()
                .enumerate()
                .map(|(index, reach)| EncoderLayer::new(config, index, reach, device))
                .collect(),
            final_norm: (config.norm_order == NormOrder::Pre)
                .then(|| LayerNorm::new(config, device)),
        }
    }

    /// The bias for [`forward_with_bias`](Self::forward_with_bias): `[1, heads, length, length]`, or `None` in an
    /// architecture without one. It depends only on the length, so callers can cache it.
    #[must_use]
    pub fn position_bias(&self, length: usize) -> Option<Tensor<B, 4>> {
        let bias = self.relative_bias.as_ref()?;
        Some(bias.forward(length))
    }

    /// The layers, lowest first. [`embed`](Self::embed) and then these layers are the network, for callers
    /// that need the states in between.
    #[must_use]
    pub fn layers(&self) -> &[EncoderLayer<B>] {
        &self.layers
    }

    /// Removes the layers; [`with_layers`](Self::with_layers) puts them back.
    pub(crate) fn take_layers(&mut self) -> Vec<EncoderLayer<B>> {
        std::mem::take(&mut self.layers)
    }

    pub(crate) fn with_layers(mut self, layers: Vec<EncoderLayer<B>>) -> Self {
        self.layers = layers;
        self
    }

    /// The embedding layer.
    #[must_use]
    pub fn embeddings(&self) -> &Embeddings<B> {
        &self.embeddings
    }

    /// The bias that all layers share, in an architecture that has one.
    #[must_use]
    pub fn relative_bias(&self) -> Option<&RelativePositionBias<B>> {
        self.relative_bias.as_ref()
    }

    /// The device of the weights.
    #[must_use]
    pub fn device(&self) -> B::Device {
        self.embeddings.device()
    }

    /// Freezes the embeddings, the position bias (all layers share it) and the lowest `layers` layers; 0
    /// freezes nothing.
    #[must_use]
    pub fn freeze(mut self, layers: usize) -> Self {
        if layers == 0 {
            return self;
        }
        self.embeddings = self.embeddings.no_grad();
        self.relative_bias = self.relative_bias.map(Module::no_grad);
        let freeze = |(index, layer): (usize, EncoderLayer<B>)| {
            if index < layers {
                layer.no_grad()
            } else {
                layer
            }
        };
        self.layers = self.layers.into_iter().enumerate().map(freeze).collect();
        self
    }

    /// Freezes all weights and adds trainable LoRA adapters to the four linear layers of every attention.
    ///
    /// # Panics
    ///
    /// When the rank is 0.
    #[must_use]
    pub fn with_adapters(self, config: LowRankConfig) -> Self {
        assert!(config.rank > 0, "the rank of an adapter is at least 1");
        let mut frozen = self.no_grad();
        let mut generator = config.generator();
        frozen.layers = frozen
            .layers
            .into_iter()
            .map(|layer| layer.with_adapters(config, &mut generator))
            .collect();
        frozen
    }
}

impl<B: EncoderOps> Encoder<B> {
    /// The network with its adapters merged into the weights: the same output without adapters.
    #[must_use]
    pub fn merge_adapters(mut self) -> Self {
        self.layers = self
            .layers
            .into_iter()
            .map(EncoderLayer::merge_adapters)
            .collect();
        self
    }

    /// Packs the weights on a backend that packs (the device `cpu`), or else casts them to `precision`. A
    /// packed network computes the same faster; it can be neither trained nor saved.
    pub(crate) fn pack(mut self, precision: Precision) -> Self {
        self = self.pack_embeddings(precision);
        self.layers = self
            .layers
            .into_iter()
            .map(|layer| layer.pack(precision))
            .collect();
        self
    }

    /// Adds the embedding of token type 0 to that of every position, for inference on texts alone.
    pub(crate) fn for_texts_alone(mut self) -> Self {
        self.embeddings = self.embeddings.for_texts_alone();
        self
    }

    /// [`pack`](Self::pack) for the embeddings. The position bias, which is added to float32 scores, stays
    /// in float32.
    pub(crate) fn pack_embeddings(mut self, precision: Precision) -> Self {
        self.embeddings = self.embeddings.pack(precision);
        self
    }

    /// Hidden states of the last layer.
    ///
    /// # Shapes
    ///
    /// - `input_ids`: `[batch, length]`, padded with the pad token
    /// - `attention_mask`: `[batch, length]`, true for the tokens of the text; `None` when nothing
    ///   is padded
    /// - output: `[batch, length, hidden]`; the rows of padding are undefined
    ///
    /// # Panics
    ///
    /// When `length` exceeds [`EncoderConfig::max_tokens`] or an id the vocabulary, on most backends.
    pub fn forward(
        &self,
        input_ids: Tensor<B, 2, Int>,
        attention_mask: Option<Tensor<B, 2, Bool>>,
    ) -> Tensor<B, 3> {
        let bias = self.position_bias(input_ids.dims()[1]);
        self.forward_with_bias(input_ids, attention_mask, bias)
    }

    /// [`forward`](Self::forward) with a position bias computed before.
    pub fn forward_with_bias(
        &self,
        input_ids: Tensor<B, 2, Int>,
        attention_mask: Option<Tensor<B, 2, Bool>>,
        bias: Option<Tensor<B, 4>>,
    ) -> Tensor<B, 3> {
        let [batch, length] = input_ids.dims();
        let (mut hidden, context) = self.embed(input_ids, attention_mask, bias);
        for layer in &self.layers {
            hidden = layer.forward(hidden, &context);
        }
        unfold(self.after_layers(hidden), [batch, length])
    }

    /// The hidden states of the last layer after the LayerNorm that follows it, in an architecture that has one:
    /// `[tokens, hidden]` in and out.
    pub(crate) fn after_layers(&self, hidden: Tensor<B, 2>) -> Tensor<B, 2> {
        match &self.final_norm {
            Some(norm) => norm.forward(hidden),
            None => hidden,
        }
    }

    /// Hidden states of the embeddings and of every layer, `[batch, length, hidden]` each, the
    /// embeddings first (`output_hidden_states` of `transformers`). They come before a LayerNorm after the last layer.
    pub fn hidden_states(
        &self,
        input_ids: Tensor<B, 2, Int>,
        attention_mask: Option<Tensor<B, 2, Bool>>,
    ) -> Vec<Tensor<B, 3>> {
        let [batch, length] = input_ids.dims();
        let bias = self.position_bias(length);
        let (mut hidden, context) = self.embed(input_ids, attention_mask, bias);
        let mut states = vec![unfold(hidden.clone(), [batch, length])];
        for layer in &self.layers {
            hidden = layer.forward(hidden, &context);
            states.push(unfold(hidden.clone(), [batch, length]));
        }
        states
    }

    /// Hidden states of the last layer for a batch, before a LayerNorm that follows it, in the layout of [`embed_batch`](Self::embed_batch).
    ///
    /// # Panics
    ///
    /// As [`forward`](Self::forward).
    pub(crate) fn forward_batch(
        &self,
        batch: &TokenBatch,
        bias: Option<Tensor<B, 4>>,
    ) -> Tensor<B, 2> {
        let (mut hidden, context) = self.embed_batch(batch, bias);
        for layer in &self.layers {
            hidden = layer.forward(hidden, &context);
        }
        hidden
    }

    /// The input of the lowest layer and the attention context, in the fastest layout of this backend: a
    /// varlen batch, `[tokens, hidden]`, or a padded batch, `[batch * length, hidden]`.
    ///
    /// `bias` is the [`position_bias`](Self::position_bias) of the longest text; for a varlen batch it may be
    /// longer.
    pub fn embed_batch(
        &self,
        batch: &TokenBatch,
        bias: Option<Tensor<B, 4>>,
    ) -> (Tensor<B, 2>, AttentionContext<B>) {
        let hidden = if B::VARLEN {
            let (ids, texts) = batch.varlen();
            self.embeddings
                .forward_varlen(&ids, batch.varlen_types(), &texts)
        } else {
            let device = self.device();
            let (input_ids, _) = batch.to_tensors(&device);
            self.embeddings.forward(input_ids, batch.types(&device))
        };
        let layout = self.layout(batch);
        (hidden, AttentionContext { bias, layout })
    }

    /// The layout that [`embed_batch`](Self::embed_batch) gives a batch.
    pub fn layout(&self, batch: &TokenBatch) -> Layout<B> {
        if B::VARLEN {
            return Layout::Varlen(batch.varlen().1);
        }
        let (_, attention_mask) = batch.to_tensors::<B>(&self.device());
        Layout::padded([batch.texts(), batch.length()], attention_mask)
    }

    /// The input of the lowest layer, `[batch * length, hidden]`, and the attention context.
    ///
    /// Hidden states have two dimensions between the layers: a linear layer is then one large matmul instead
    /// of one per text.
    pub fn embed(
        &self,
        input_ids: Tensor<B, 2, Int>,
        attention_mask: Option<Tensor<B, 2, Bool>>,
        bias: Option<Tensor<B, 4>>,
    ) -> (Tensor<B, 2>, AttentionContext<B>) {
        let layout = Layout::padded(input_ids.dims(), attention_mask);
        let hidden = self.embeddings.forward(input_ids, None);
        (hidden, AttentionContext { bias, layout })
    }
}

/// What each layer knows of positions. Tables of angles are shared.
fn reaches(config: &EncoderConfig) -> Vec<Reach> {
    let layers = 0..config.num_hidden_layers;
    let Positions::Rotary(rotary) = config.positions else {
        return layers.map(|_| Reach::default()).collect();
    };
    let table = |base| RotaryTable::new(config.head_size(), base, rotary.max_tokens);
    let global = Reach {
        rotary: Some(table(rotary.base)),
        window: None,
    };
    let Some(local) = rotary.local else {
        return layers.map(|_| global.clone()).collect();
    };
    let within = Reach {
        rotary: Some(table(local.base)),
        window: Some(local.window),
    };
    let reach = |layer: usize| {
        if layer.is_multiple_of(local.global_every) {
            global.clone()
        } else {
            within.clone()
        }
    };
    layers.map(reach).collect()
}

/// `[batch * length, width]` -> `[batch, length, width]`.
fn unfold<B: Backend>(hidden: Tensor<B, 2>, [batch, length]: [usize; 2]) -> Tensor<B, 3> {
    let width = hidden.dims()[1];
    hidden.reshape([batch, length, width])
}
