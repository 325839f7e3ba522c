//! One encoder layer: attention and feed-forward block, each with a residual and LayerNorm.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use kernels::{
    Activation, EncoderLayerNorms, EncoderLayerWeights, EncoderOps, PackedLinear, Precision,
};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::attention::{AttentionAdapters, AttentionContext, Layout, Reach, SelfAttention};
use super::dropout::Dropout;
use super::linear::{
    LayerNorm, empty, gated_linear, in_precision, linear, new_linear, pack, pack_gated,
};
use super::low_rank::LowRankConfig;
use crate::architecture::{AttentionOutputDropout, EncoderConfig, NormOrder};

/// A transformer layer, in post-norm or pre-norm order.
#[derive(Module, Debug)]
pub struct EncoderLayer<B: Backend> {
    attention: SelfAttention<B>,
    attention_norm: Option<LayerNorm<B>>,
    intermediate: Linear<B>,
    output: Linear<B>,
    output_norm: LayerNorm<B>,
    dropout: Dropout,
    #[module(skip)]
    activation: Activation,
    gated: bool,
    attention_output_dropout: Dropout,
    #[module(skip)]
    order: NormOrder,
    #[module(skip)]
    packed: Option<PackedFeedForward>,
}

/// `intermediate` and `output`, packed; the layers themselves are then empty.
#[derive(Clone, Debug)]
struct PackedFeedForward {
    intermediate: PackedLinear,
    output: PackedLinear,
}

/// The linear layers of an encoder layer, packed.
pub(crate) struct PackedLayer {
    /// Query, key and value as one layer.
    pub(crate) projections: PackedLinear,
    pub(crate) attention_output: PackedLinear,
    pub(crate) intermediate: PackedLinear,
    pub(crate) output: PackedLinear,
}

impl<B: Backend> EncoderLayer<B> {
    /// The layer of this number, from 0.
    pub(crate) fn new(
        config: &EncoderConfig,
        index: usize,
        reach: Reach,
        device: &B::Device,
    ) -> Self {
        let norm = || LayerNorm::new(config, device);
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        let outputs = if config.gated { 2 * inner } else { inner };
        let linear = |shape| new_linear(config, shape, config.biases.feed_forward, device);
        let has_norm = config.norm_order == NormOrder::Post || config.norms_before_attention(index);
        Self {
            attention: SelfAttention::new(config, reach, device),
            attention_norm: has_norm.then(norm),
            intermediate: linear([width, outputs]),
            output: linear([inner, width]),
            output_norm: norm(),
            dropout: Dropout::new(config.hidden_dropout),
            activation: config.activation,
            gated: config.gated,
            attention_output_dropout: Dropout::new(match config.attention_output_dropout {
                AttentionOutputDropout::Nothing => 0.0,
                AttentionOutputDropout::Hidden => config.hidden_dropout,
                AttentionOutputDropout::Attention => config.attention_dropout,
            }),
            order: config.norm_order,
            packed: None,
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

    /// The layer with weights that were packed before they became tensors.
    pub(crate) fn with_packed(mut self, packed: PackedLayer) -> Self {
        self.attention = self
            .attention
            .with_packed(packed.projections, packed.attention_output);
        self.with_packed_feed_forward(PackedFeedForward {
            intermediate: packed.intermediate,
            output: packed.output,
        })
    }

    fn with_packed_feed_forward(mut self, packed: PackedFeedForward) -> Self {
        empty(&mut self.intermediate);
        empty(&mut self.output);
        self.packed = Some(packed);
        self
    }

    /// Adapters of the attention, if it has any.
    #[must_use]
    pub fn adapters(&self) -> Option<&AttentionAdapters<B>> {
        self.attention.adapters()
    }
}

impl<B: EncoderOps> EncoderLayer<B> {
    pub(crate) fn merge_adapters(mut self) -> Self {
        self.attention = self.attention.merge_adapters();
        self
    }

    /// Packs the weights on a backend that packs, or else casts them to `precision`.
    pub(crate) fn pack(mut self, precision: Precision) -> Self {
        self.attention = self.attention.pack(precision);
        self.intermediate = in_precision(self.intermediate, precision);
        self.output = in_precision(self.output, precision);
        // No weights are given up before both are packed.
        let intermediate = if self.gated {
            pack_gated(&self.intermediate, precision)
        } else {
            pack([&self.intermediate], precision)
        };
        match (intermediate, pack([&self.output], precision)) {
            (Some(intermediate), Some(output)) => {
                self.with_packed_feed_forward(PackedFeedForward {
                    intermediate,
                    output,
                })
            }
            _ => self,
        }
    }

    /// Shapes as in [`SelfAttention::forward`]: `[tokens, width]` in and out.
    pub fn forward(&self, hidden: Tensor<B, 2>, context: &AttentionContext<B>) -> Tensor<B, 2> {
        if let Layout::Varlen(texts) = &context.layout
            && let Some(weights) = self.packed_weights(&hidden)
        {
            let [_, width] = hidden.dims();
            let options = self.attention.options(width, context);
            return B::encoder_layer(hidden, options, texts, weights);
        }
        match self.order {
            NormOrder::Post => self.post_norm(hidden, context),
            NormOrder::Pre => self.pre_norm(hidden, context),
        }
    }

    fn post_norm(&self, hidden: Tensor<B, 2>, context: &AttentionContext<B>) -> Tensor<B, 2> {
        let attended = self.attended(hidden.clone(), context);
        let hidden = match &self.attention_norm {
            Some(norm) => norm.after_adding(attended, hidden),
            None => attended + hidden,
        };
        let transformed = self.feed_forward(hidden.clone());
        self.output_norm.after_adding(transformed, hidden)
    }

    fn pre_norm(&self, hidden: Tensor<B, 2>, context: &AttentionContext<B>) -> Tensor<B, 2> {
        let normalized = match &self.attention_norm {
            Some(norm) => norm.forward(hidden.clone()),
            None => hidden.clone(),
        };
        let hidden = hidden + self.attended(normalized, context);
        let transformed = self.feed_forward(self.output_norm.forward(hidden.clone()));
        hidden + transformed
    }

    /// The output of attention, with dropout where the architecture has it.
    fn attended(&self, hidden: Tensor<B, 2>, context: &AttentionContext<B>) -> Tensor<B, 2> {
        let attended = self.attention.forward(hidden, context);
        self.attention_output_dropout.forward(attended)
    }

    /// The output of the feed-forward block, with dropout where the architecture has it.
    fn feed_forward(&self, hidden: Tensor<B, 2>) -> Tensor<B, 2> {
        let packed = self.packed.as_ref();
        let intermediate = packed.map(|packed| &packed.intermediate);
        let intermediate = if self.gated {
            let gated = gated_linear(&self.intermediate, intermediate, hidden, self.activation);
            self.dropout.forward(gated)
        } else {
            linear(&self.intermediate, intermediate, hidden, self.activation)
        };
        let output = packed.map(|packed| &packed.output);
        let transformed = linear(&self.output, output, intermediate, Activation::Identity);
        if self.gated {
            transformed
        } else {
            self.dropout.forward(transformed)
        }
    }

    /// All weights, if they are packed and no dropout acts.
    fn packed_weights(&self, hidden: &Tensor<B, 2>) -> Option<EncoderLayerWeights<B>> {
        let feed_forward = self.packed.as_ref()?;
        let attention = self.attention.packed_weights()?;
        let device = hidden.device();
        let drops = self.dropout.acts::<B>(&device) || self.attention.drops(&device);
        if drops {
            return None;
        }
        let attention_norm = self.attention_norm.as_ref().map(LayerNorm::norm);
        let norms = match self.order {
            NormOrder::Post => EncoderLayerNorms::Post {
                attention: attention_norm?,
                output: self.output_norm.norm(),
            },
            NormOrder::Pre => EncoderLayerNorms::Pre {
                attention: attention_norm,
                feed_forward: self.output_norm.norm(),
            },
        };
        Some(EncoderLayerWeights {
            projections: attention.projections.clone(),
            rotary: self.attention.rotary().cloned(),
            attention_output: attention.output.clone(),
            norms,
            intermediate: feed_forward.intermediate.clone(),
            activation: self.activation,
            output: feed_forward.output.clone(),
        })
    }
}

#[cfg(all(test, feature = "cpu"))]
mod tests {
    use burn::tensor::{Distribution, FloatDType, Tolerance};
    use burn_flex::Flex;
    use kernels::SequenceRanges;

    use super::*;
    use crate::encoder::dropout::with_dropout_seed;

    #[test]
    fn a_packed_layer_has_the_dropout_of_an_unpacked_one() {
        let folder = "tests/fixtures/tiny-mpnet".as_ref();
        let mut config = EncoderConfig::from_folder(folder).unwrap();
        config.hidden_dropout = 0.5;
        config.attention_dropout = 0.0;
        let device = Default::default();
        let layer = EncoderLayer::<Flex>::new(&config, 0, Reach::default(), &device);
        let heads = config.num_attention_heads;
        let normal = Distribution::Normal(0.0, 1.0);
        let context = AttentionContext {
            bias: Some(Tensor::random([1, heads, 40, 40], normal, &device)),
            layout: Layout::Varlen(SequenceRanges::of_lengths([40, 17, 3])),
        };
        let hidden = Tensor::random([60, config.hidden_size], normal, &device);
        let of = |layer: &EncoderLayer<Flex>| layer.forward(hidden.clone(), &context).into_data();
        // Weights are initialised on first use: a clone before that would draw different ones.
        let expected = of(&layer);
        let packed = layer.clone().pack(Precision::Float32);
        assert!(packed.packed.is_some());
        let seeded = |layer| with_dropout_seed(1, || of(layer));
        // Sums of some dozen products in another order.
        let tolerance = Tolerance::absolute(1e-5);
        of(&packed).assert_approx_eq::<f32>(&expected, tolerance);
        seeded(&packed).assert_approx_eq::<f32>(&seeded(&layer), tolerance);
        assert_ne!(seeded(&packed), of(&packed));
    }

    /// As in `ModernBertMLP` of transformers: after the last linear layer every second value would be that of the input.
    #[test]
    fn a_gated_layer_drops_before_its_last_linear_layer() {
        let folder = "tests/fixtures/architectures/modernbert".as_ref();
        let mut config = EncoderConfig::from_folder(folder).unwrap();
        config.hidden_dropout = 0.5;
        let device = Default::default();
        let layer = EncoderLayer::<Flex>::new(&config, 0, Reach::default(), &device);
        let normal = Distribution::Normal(0.0, 1.0);
        let hidden = Tensor::<Flex, 2>::random([60, config.hidden_size], normal, &device);
        let transformed = with_dropout_seed(1, || layer.feed_forward(hidden.clone()));
        let transformed = transformed.into_data();
        let zeros = transformed.iter::<f32>().filter(|value| *value == 0.0);
        assert_eq!(zeros.count(), 0);
        let values = |layer: &EncoderLayer<Flex>| layer.feed_forward(hidden.clone()).into_data();
        assert_ne!(with_dropout_seed(1, || values(&layer)), values(&layer));
    }

    #[test]
    fn a_layer_that_cannot_be_packed_as_a_whole_keeps_all_weights() {
        let config = EncoderConfig::from_folder("tests/fixtures/tiny-mpnet".as_ref()).unwrap();
        let mut layer =
            EncoderLayer::<Flex>::new(&config, 0, Reach::default(), &Default::default());
        // Only weights in f32 are packed: the second layer's are not.
        layer.output.weight = layer
            .output
            .weight
            .map(|weight| weight.cast(FloatDType::F64));
        let packed = layer.pack(Precision::Float32);
        assert!(packed.packed.is_none());
        let shape = [config.hidden_size, config.intermediate_size];
        assert_eq!(packed.intermediate.weight.val().dims(), shape);
        assert!(packed.intermediate.bias.is_some());
    }
}
