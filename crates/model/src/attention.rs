//! Multi-head self-attention with an additive position bias.

use burn::module::{Initializer, Module};
use burn::nn::{Dropout, DropoutConfig, Linear, LinearConfig};
use burn::tensor::activation::softmax;
use burn::tensor::backend::Backend;
use burn::tensor::module::attention;
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Bool, Tensor};

use crate::config::MpNetConfig;

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
    heads: usize,
}

impl<B: Backend> SelfAttention<B> {
    pub(crate) fn new(config: &MpNetConfig, device: &B::Device) -> Self {
        let square = || linear(config, config.hidden_size, config.hidden_size, device);
        Self {
            query: square(),
            key: square(),
            value: square(),
            output: square(),
            dropout: DropoutConfig::new(config.attention_probs_dropout_prob).init(),
            heads: config.num_attention_heads,
        }
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
        let split = |projection: &Linear<B>| {
            projection
                .forward(hidden.clone())
                .reshape(per_head)
                .swap_dims(1, 2)
        };
        let (query, key, value) = (split(&self.query), split(&self.key), split(&self.value));

        let attended = if self.drops(&hidden) {
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
        self.output
            .forward(attended.swap_dims(1, 2).reshape([tokens, width]))
    }

    /// burn's fused attention has no dropout; training with it takes the long way.
    fn drops(&self, hidden: &Tensor<B, 2>) -> bool {
        self.dropout.prob > 0.0 && B::ad_enabled(&hidden.device())
    }

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
