//! One encoder layer: attention and feed-forward, each added to its input and normalised.

use burn::module::Module;
use burn::nn::{LayerNorm, LayerNormConfig, Linear};
use burn::tensor::Tensor;
use burn::tensor::activation::gelu;
use burn::tensor::backend::Backend;
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::attention::{AttentionAdapters, AttentionContext, SelfAttention, linear};
use crate::config::MpNetConfig;
use crate::dropout::Dropout;
use crate::low_rank::LowRankConfig;

/// Post-norm transformer layer.
#[derive(Module, Debug)]
pub struct EncoderLayer<B: Backend> {
    attention: SelfAttention<B>,
    attention_norm: LayerNorm<B>,
    intermediate: Linear<B>,
    output: Linear<B>,
    output_norm: LayerNorm<B>,
    dropout: Dropout,
}

impl<B: Backend> EncoderLayer<B> {
    pub(crate) fn new(config: &MpNetConfig, device: &B::Device) -> Self {
        let norm = || {
            LayerNormConfig::new(config.hidden_size)
                .with_epsilon(config.layer_norm_eps)
                .init(device)
        };
        Self {
            attention: SelfAttention::new(config, device),
            attention_norm: norm(),
            intermediate: linear(config, config.hidden_size, config.intermediate_size, device),
            output: linear(config, config.intermediate_size, config.hidden_size, device),
            output_norm: norm(),
            dropout: Dropout::new(config.hidden_dropout_prob),
        }
    }

    pub(crate) fn with_adapters(
        mut self,
        config: LowRankConfig,
        generator: &mut Xoshiro256PlusPlus,
    ) -> Self {
        self.attention = self.attention.with_adapters(config, generator);
        self
    }

    pub(crate) fn merge_adapters(mut self) -> Self {
        self.attention = self.attention.merge_adapters();
        self
    }

    /// Adapters of the attention, where it has some.
    #[must_use]
    pub fn adapters(&self) -> Option<&AttentionAdapters<B>> {
        self.attention.adapters()
    }

    /// Shapes as in [`SelfAttention::forward`]: `[batch * length, width]` in and out.
    pub fn forward(
        &self,
        hidden: Tensor<B, 2>,
        batch_length: [usize; 2],
        context: &AttentionContext<B>,
    ) -> Tensor<B, 2> {
        let attended = self
            .attention
            .forward(hidden.clone(), batch_length, context);
        let hidden = self
            .attention_norm
            .forward(self.dropout.forward(attended) + hidden);
        let transformed = self
            .output
            .forward(exact_gelu(self.intermediate.forward(hidden.clone())));
        self.output_norm
            .forward(self.dropout.forward(transformed) + hidden)
    }
}

/// `x * (1 + erf(x / sqrt(2))) / 2`, without the tanh that stands in for it elsewhere.
///
/// burn 0.21 computes its own `gelu` in this way, but in the backward pass most backends take the
/// derivative of the tanh form (`gelu_backward` in burn-backend's `activation.rs`), which is up to
/// 3e-4 off. Under autodiff the formula is spelt out on those, and its derivative is exact.
fn exact_gelu<B: Backend, const D: usize>(x: Tensor<B, D>) -> Tensor<B, D> {
    let device = x.device();
    if !B::ad_enabled(&device) || has_exact_gelu_backward::<B>(&device) {
        return gelu(x);
    }
    let erf = (x.clone() / std::f64::consts::SQRT_2).erf();
    x * (erf + 1.0) * 0.5
}

/// burn-flex has a `gelu_backward` of its own, which is exact; one operation keeps a fifth of what the
/// spelt-out formula keeps for the way back.
fn has_exact_gelu_backward<B: Backend>(device: &B::Device) -> bool {
    B::name(device).contains("flex")
}
