//! Multi-head self-attention, with or without an additive position bias.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::activation::softmax;
use burn::tensor::backend::Backend;
use burn::tensor::module::attention;
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Bool, DType, Int, Tensor};
use kernels::half_precision::upcast;
use kernels::{
    Activation, AttentionOptions, EncoderOps, PackedLinear, Precision, RotaryTable, SequenceRanges,
};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::dropout::Dropout;
use super::linear::{empty, in_precision, linear, new_linear, pack};
use super::low_rank::{LowRank, LowRankConfig};
use crate::architecture::EncoderConfig;

/// Position bias and layout of a batch, the same for every layer.
#[derive(Clone, Debug)]
pub struct AttentionContext<B: Backend> {
    /// Added to the scaled scores, if the encoder has a bias: `[1, heads, length, length]`, for the longest text.
    pub bias: Option<Tensor<B, 4>>,
    /// The layout of the batch.
    pub layout: Layout<B>,
}

/// Layout of a batch in `[tokens, width]`.
#[derive(Clone, Debug)]
pub enum Layout<B: Backend> {
    /// All texts with as many rows as the longest, the layout for GPUs.
    Padded {
        /// Texts.
        batch: usize,
        /// Rows of each.
        length: usize,
        /// True where a key is padding: `[batch, 1, 1, length]`. `None` when nothing is padded.
        padding: Option<Tensor<B, 4, Bool>>,
    },
    /// A varlen batch: texts one after the other, without padding (FlashAttention's `cu_seqlens`).
    Varlen(SequenceRanges),
}

impl<B: Backend> Layout<B> {
    /// Texts that are padded to one length; `attention_mask` is true for their tokens, `[batch,
    /// length]`.
    pub(crate) fn padded(
        [batch, length]: [usize; 2],
        attention_mask: Option<Tensor<B, 2, Bool>>,
    ) -> Self {
        let padding = attention_mask.map(|mask| mask.bool_not().reshape([batch, 1, 1, length]));
        Self::Padded {
            batch,
            length,
            padding,
        }
    }
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
    #[module(skip)]
    reach: Reach,
    #[module(skip)]
    packed: Option<PackedAttention>,
}

/// What a layer's attention knows of positions, beside a bias.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reach {
    /// Rotates queries and keys.
    pub(crate) rotary: Option<RotaryTable>,
    /// Positions to either side that a token attends to; all without it.
    pub(crate) window: Option<usize>,
}

/// The four linear layers, packed; the layers themselves are then empty.
#[derive(Clone, Debug)]
pub(crate) struct PackedAttention {
    /// Query, key and value as one layer.
    pub(crate) projections: PackedLinear,
    pub(crate) output: PackedLinear,
}

/// LoRA adapters of the four linear layers of an attention.
#[derive(Module, Debug)]
pub struct AttentionAdapters<B: Backend> {
    /// Of the query projection.
    pub query: LowRank<B>,
    /// Of the key projection.
    pub key: LowRank<B>,
    /// Of the value projection.
    pub value: LowRank<B>,
    /// Of the output projection.
    pub output: LowRank<B>,
}

impl<B: Backend> SelfAttention<B> {
    pub(crate) fn new(config: &EncoderConfig, reach: Reach, device: &B::Device) -> Self {
        let shape = [config.hidden_size; 2];
        let square = || new_linear(config, shape, config.biases.attention, device);
        Self {
            query: square(),
            key: square(),
            value: square(),
            output: square(),
            dropout: Dropout::new(config.attention_dropout),
            adapters: None,
            heads: config.num_attention_heads,
            reach,
            packed: None,
        }
    }

    pub(crate) fn with_adapters(
        mut self,
        config: LowRankConfig,
        generator: &mut Xoshiro256PlusPlus,
    ) -> Self {
        let mut adapter = |linear| LowRank::new(linear, config, generator);
        self.adapters = Some(AttentionAdapters {
            query: adapter(&self.query),
            key: adapter(&self.key),
            value: adapter(&self.value),
            output: adapter(&self.output),
        });
        self
    }

    /// The attention with weights that were packed before they became tensors.
    pub(crate) fn with_packed(mut self, projections: PackedLinear, output: PackedLinear) -> Self {
        for linear in [
            &mut self.query,
            &mut self.key,
            &mut self.value,
            &mut self.output,
        ] {
            empty(linear);
        }
        self.packed = Some(PackedAttention {
            projections,
            output,
        });
        self
    }

    /// The packed linear layers, if they are packed.
    pub(crate) fn packed_weights(&self) -> Option<&PackedAttention> {
        self.packed.as_ref()
    }

    pub(crate) fn adapters(&self) -> Option<&AttentionAdapters<B>> {
        self.adapters.as_ref()
    }
}

impl<B: EncoderOps> SelfAttention<B> {
    /// The same attention with its adapters merged into the linear layers.
    pub(crate) fn merge_adapters(mut self) -> Self {
        if let Some(adapters) = self.adapters.take() {
            self.query = adapters.query.merge(self.query);
            self.key = adapters.key.merge(self.key);
            self.value = adapters.value.merge(self.value);
            self.output = adapters.output.merge(self.output);
        }
        self
    }

    /// Packs the weights on a backend that packs, or else casts them to `precision`. An attention with
    /// adapters is not packed.
    pub(crate) fn pack(mut self, precision: Precision) -> Self {
        self = in_precision(self, precision);
        if self.adapters.is_some() {
            return self;
        }
        let projections = [&self.query, &self.key, &self.value];
        match (
            pack(projections, precision),
            pack([&self.output], precision),
        ) {
            (Some(projections), Some(output)) => self.with_packed(projections, output),
            _ => self,
        }
    }

    /// Attends within every text of the batch.
    ///
    /// # Shapes
    ///
    /// - `hidden`: `[tokens, width]`, the tokens of a text one after the other
    /// - output: `[tokens, width]`
    pub fn forward(&self, hidden: Tensor<B, 2>, context: &AttentionContext<B>) -> Tensor<B, 2> {
        let projections = self.projections(hidden);
        let attended = match &context.layout {
            Layout::Varlen(texts) => {
                let projections = self.rotated(projections, texts);
                let dropout = self.dropout.mask::<B>(&projections[0].device());
                let precision = (self.packed.as_ref())
                    .map_or(Precision::Float32, |packed| packed.projections.precision());
                let [_, width] = projections[0].dims();
                let options = self.options(width, context);
                B::varlen_attention(projections, options, texts, dropout, precision)
            }
            Layout::Padded {
                batch,
                length,
                padding,
            } => {
                let texts = SequenceRanges::of_lengths(std::iter::repeat_n(*length, *batch));
                let projections = self.rotated(projections, &texts);
                let bias = context.bias.as_ref();
                let hidden_keys = self.hidden_keys([*batch, *length], padding, &projections[0]);
                self.padded_attention(projections, bias, [*batch, *length], hidden_keys)
            }
        };
        match &self.packed {
            Some(packed) => linear(
                &self.output,
                Some(&packed.output),
                attended,
                Activation::Identity,
            ),
            None => {
                let adapter = self.adapters.as_ref().map(|adapters| &adapters.output);
                project(&self.output, adapter, attended)
            }
        }
    }

    /// How tokens of `width` columns attend.
    pub(crate) fn options(
        &self,
        width: usize,
        context: &AttentionContext<B>,
    ) -> AttentionOptions<B> {
        AttentionOptions {
            bias: context.bias.clone(),
            window: self.reach.window,
            ..AttentionOptions::new(self.heads, width / self.heads)
        }
    }

    /// The table that rotates queries and keys, if there is one.
    pub(crate) fn rotary(&self) -> Option<&RotaryTable> {
        self.reach.rotary.as_ref()
    }

    /// Queries and keys rotated by their positions, where the layer rotates them.
    fn rotated(
        &self,
        [query, key, value]: [Tensor<B, 2>; 3],
        texts: &SequenceRanges,
    ) -> [Tensor<B, 2>; 3] {
        match &self.reach.rotary {
            Some(table) => [
                B::rotary(query, table, texts),
                B::rotary(key, table, texts),
                value,
            ],
            None => [query, key, value],
        }
    }

    /// True for the keys that a query of a padded batch does not see: padding, and what is outside its window.
    /// `[batch, heads, length, length]`; `None` if it sees all.
    fn hidden_keys(
        &self,
        [batch, length]: [usize; 2],
        padding: &Option<Tensor<B, 4, Bool>>,
        projection: &Tensor<B, 2>,
    ) -> Option<Tensor<B, 4, Bool>> {
        let shape = [batch, self.heads, length, length];
        let padding = padding.clone().map(|mask| mask.expand(shape));
        let Some(window) = self.reach.window.filter(|window| *window < length) else {
            return padding;
        };
        // On the device: for long texts the host would need more memory than the mask itself.
        let device = projection.device();
        let row = Tensor::<B, 1, Int>::arange(0..length as i64, &device).reshape([1, 1, 1, length]);
        let column = row.clone().reshape([1, 1, length, 1]);
        let square = [1, 1, length, length];
        let distance = (row.expand(square) - column.expand(square)).abs();
        let outside = distance.clone().greater_elem(window as i64).expand(shape);
        Some(match padding {
            // Every query sees itself: one in the padding, far from any token, would have a sum of no weights.
            Some(padding) => {
                let others = distance.greater_elem(0).expand(shape);
                padding.bool_or(outside).bool_and(others)
            }
            None => outside,
        })
    }

    /// Whether dropout acts on the attention weights on this device.
    pub(crate) fn drops(&self, device: &B::Device) -> bool {
        self.dropout.acts::<B>(device)
    }

    /// Query, key and value: `[tokens, width]` each.
    fn projections(&self, hidden: Tensor<B, 2>) -> [Tensor<B, 2>; 3] {
        if let Some(packed) = &self.packed {
            let [tokens, width] = hidden.dims();
            let packed = Some(&packed.projections);
            let joined = linear(&self.query, packed, hidden, Activation::Identity);
            return [0, 1, 2].map(|part| {
                let columns = part * width..(part + 1) * width;
                joined.clone().slice([0..tokens, columns])
            });
        }
        let adapters = self.adapters.as_ref();
        [
            (&self.query, adapters.map(|adapters| &adapters.query)),
            (&self.key, adapters.map(|adapters| &adapters.key)),
            (&self.value, adapters.map(|adapters| &adapters.value)),
        ]
        .map(|(layer, adapter)| project(layer, adapter, hidden.clone()))
    }

    fn padded_attention(
        &self,
        projections: [Tensor<B, 2>; 3],
        bias: Option<&Tensor<B, 4>>,
        [batch, length]: [usize; 2],
        hidden_keys: Option<Tensor<B, 4, Bool>>,
    ) -> Tensor<B, 2> {
        let [tokens, width] = projections[0].dims();
        let per_head = [batch, length, self.heads, width / self.heads];
        // [batch * length, width] -> [batch, heads, length, head_size]
        let [query, key, value] =
            projections.map(|projection| projection.reshape(per_head).swap_dims(1, 2));
        let half_precision = matches!(query.dtype(), DType::F16 | DType::BF16);
        let composed =
            half_precision || B::matmul_uses_tf32() || self.dropout.acts::<B>(&query.device());
        let attended = if composed {
            self.composed_attention([query, key, value], bias, hidden_keys)
        } else {
            attention(
                query,
                key,
                value,
                hidden_keys,
                bias.cloned(),
                AttentionModuleOptions::default(),
            )
        };
        attended.swap_dims(1, 2).reshape([tokens, width])
    }

    /// Attention composed of single operations. burn's `attention` has no dropout, computes softmax in the
    /// precision of its input, and uses TF32 on a device that has it.
    fn composed_attention(
        &self,
        [query, key, value]: [Tensor<B, 4>; 3],
        bias: Option<&Tensor<B, 4>>,
        hidden_keys: Option<Tensor<B, 4, Bool>>,
    ) -> Tensor<B, 4> {
        let [_, _, _, head_size] = query.dims();
        let dtype = query.dtype();
        // Scaled before the matmul, which keeps its sums away from the maximum of float16. For the usual head
        // size of 64 the factor is a power of two, which is exact.
        let query = query / (head_size as f64).sqrt();
        let scores = upcast(B::exact_matmul(query, key.transpose()));
        let scores = match bias {
            Some(bias) => scores + bias.clone(),
            None => scores,
        };
        let scores = match hidden_keys {
            Some(hidden) => scores.mask_fill(hidden, f32::NEG_INFINITY),
            None => scores,
        };
        let weights = self.dropout.forward(softmax(scores, 3));
        B::exact_matmul(weights.cast(dtype), value)
    }
}

fn project<B: EncoderOps>(
    layer: &Linear<B>,
    adapter: Option<&LowRank<B>>,
    input: Tensor<B, 2>,
) -> Tensor<B, 2> {
    let own = linear(layer, None, input.clone(), Activation::Identity);
    match adapter {
        Some(adapter) => own + adapter.forward(input),
        None => own,
    }
}

#[cfg(all(test, feature = "cpu"))]
mod tests {
    use burn::tensor::FloatDType;
    use burn_flex::Flex;

    use super::*;

    #[test]
    fn an_attention_that_cannot_be_packed_as_a_whole_keeps_all_weights() {
        let config = EncoderConfig::from_folder("tests/fixtures/tiny-mpnet".as_ref()).unwrap();
        let mut attention =
            SelfAttention::<Flex>::new(&config, Reach::default(), &Default::default());
        // Only weights in f32 are packed: those of the output are not.
        attention.output.weight = attention
            .output
            .weight
            .map(|weight| weight.cast(FloatDType::F64));
        let packed = attention.pack(Precision::Float32);
        assert!(packed.packed.is_none());
        for projection in [&packed.query, &packed.key, &packed.value] {
            assert_eq!(projection.weight.val().dims(), [config.hidden_size; 2]);
        }
    }
}
