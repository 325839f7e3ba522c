//! Multi-head self-attention with an additive position bias.

use burn::module::{Initializer, Module};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::softmax;
use burn::tensor::backend::Backend;
use burn::tensor::module::attention;
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Bool, Tensor};
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::config::MpNetConfig;
use crate::dropout::Dropout;
use crate::low_rank::{LowRank, LowRankConfig};

/// What a layer's attention may look at, the same for every layer of a batch.
#[derive(Clone, Debug)]
pub struct AttentionContext<B: Backend> {
    /// Added to the scaled scores: `[1, heads, length, length]`.
    pub bias: Tensor<B, 4>,
    /// True where a key is padding: `[batch, 1, 1, length]`. `None` when the batch has no padding.
    pub padding: Option<Tensor<B, 4, Bool>>,
}

/// Self-attention of one layer.
#[derive(Module, Debug)]
pub struct SelfAttention<B: Backend> {
    query: Linear<B>,
    key: Linear<B>,
    value: Linear<B>,
    output: Linear<B>,
    dropout: Dropout,
    adapters: Option<AttentionAdapters<B>>,
    heads: usize,
}

/// LoRA beside each of the four dense layers of an attention.
#[derive(Module, Debug)]
pub struct AttentionAdapters<B: Backend> {
    /// Beside the queries' projection.
    pub query: LowRank<B>,
    /// Beside the keys' projection.
    pub key: LowRank<B>,
    /// Beside the values' projection.
    pub value: LowRank<B>,
    /// Beside the output's projection.
    pub output: LowRank<B>,
}

impl<B: Backend> SelfAttention<B> {
    pub(crate) fn new(config: &MpNetConfig, device: &B::Device) -> Self {
        let square = || linear(config, config.hidden_size, config.hidden_size, device);
        Self {
            query: square(),
            key: square(),
            value: square(),
            output: square(),
            dropout: Dropout::new(config.attention_probs_dropout_prob),
            adapters: None,
            heads: config.num_attention_heads,
        }
    }

    pub(crate) fn with_adapters(
        mut self,
        config: LowRankConfig,
        generator: &mut Xoshiro256PlusPlus,
    ) -> Self {
        let mut beside = |linear| LowRank::new(linear, config, generator);
        self.adapters = Some(AttentionAdapters {
            query: beside(&self.query),
            key: beside(&self.key),
            value: beside(&self.value),
            output: beside(&self.output),
        });
        self
    }

    /// The same attention without adapters; its dense layers do their work.
    pub(crate) fn merge_adapters(mut self) -> Self {
        if let Some(adapters) = self.adapters.take() {
            self.query = adapters.query.merge(self.query);
            self.key = adapters.key.merge(self.key);
            self.value = adapters.value.merge(self.value);
            self.output = adapters.output.merge(self.output);
        }
        self
    }

    pub(crate) fn adapters(&self) -> Option<&AttentionAdapters<B>> {
        self.adapters.as_ref()
    }

    /// Attends within every text of the batch.
    ///
    /// # Shapes
    ///
    /// - `hidden`: `[batch * length, width]`, the tokens of a text one after the other
    /// - `batch_length`: `[batch, length]`
    /// - output: `[batch * length, width]`
    pub fn forward(
        &self,
        hidden: Tensor<B, 2>,
        batch_length: [usize; 2],
        context: &AttentionContext<B>,
    ) -> Tensor<B, 2> {
        let [batch, length] = batch_length;
        let [tokens, width] = hidden.dims();
        let per_head = [batch, length, self.heads, width / self.heads];
        // [batch * length, width] -> [batch, heads, length, head_size]
        let adapters = self.adapters.as_ref();
        let split = |projection: &Linear<B>, adapter: Option<&LowRank<B>>| {
            project(projection, adapter, hidden.clone())
                .reshape(per_head)
                .swap_dims(1, 2)
        };
        let query = split(&self.query, adapters.map(|adapters| &adapters.query));
        let key = split(&self.key, adapters.map(|adapters| &adapters.key));
        let value = split(&self.value, adapters.map(|adapters| &adapters.value));

        let attended = if self.dropout.acts::<B>(&hidden.device()) {
            self.attention_with_dropout(query, key, value, context)
        } else {
            let padding = context
                .padding
                .clone()
                .map(|mask| mask.expand([batch, self.heads, length, length]));
            attention(
                query,
                key,
                value,
                padding,
                Some(context.bias.clone()),
                AttentionModuleOptions::default(),
            )
        };
        let attended = attended.swap_dims(1, 2).reshape([tokens, width]);
        project(
            &self.output,
            adapters.map(|adapters| &adapters.output),
            attended,
        )
    }

    /// burn's fused attention has no dropout; training with it takes the long way.
    fn attention_with_dropout(
        &self,
        query: Tensor<B, 4>,
        key: Tensor<B, 4>,
        value: Tensor<B, 4>,
        context: &AttentionContext<B>,
    ) -> Tensor<B, 4> {
        let [batch, heads, length, head_size] = query.dims();
        let scores =
            query.matmul(key.transpose()) / (head_size as f64).sqrt() + context.bias.clone();
        let scores = match &context.padding {
            Some(padding) => scores.mask_fill(
                padding.clone().expand([batch, heads, length, length]),
                f32::NEG_INFINITY,
            ),
            None => scores,
        };
        self.dropout.forward(softmax(scores, 3)).matmul(value)
    }
}

fn project<B: Backend>(
    linear: &Linear<B>,
    adapter: Option<&LowRank<B>>,
    input: Tensor<B, 2>,
) -> Tensor<B, 2> {
    match adapter {
        Some(adapter) => linear.forward(input.clone()) + adapter.forward(input),
        None => linear.forward(input),
    }
}

/// A dense layer with the checkpoint's initialisation.
pub(crate) fn linear<B: Backend>(
    config: &MpNetConfig,
    input: usize,
    output: usize,
    device: &B::Device,
) -> Linear<B> {
    LinearConfig::new(input, output)
        .with_initializer(Initializer::Normal {
            mean: 0.0,
            std: config.initializer_range,
        })
        .init(device)
}
