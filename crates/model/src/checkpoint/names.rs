//! The tensors of a checkpoint, the parameter of [`MpNet`](crate::MpNet) of each, and its shape.

use crate::config::MpNetConfig;

/// Tensors of the published checkpoints that no vector depends on.
pub(super) const UNUSED: [&str; 3] = [
    "embeddings.position_ids",
    "pooler.dense.bias",
    "pooler.dense.weight",
];

/// Tensors of the heads that `transformers` puts on an MPNet, by the start of their names.
pub(super) const HEADS: [&str; 3] = ["classifier.", "lm_head.", "qa_outputs."];

/// Present in every MPNet, under any prefix.
pub(super) const WORD_EMBEDDINGS: &str = "embeddings.word_embeddings.weight";

/// Suffix of the scales of a quantized weight.
pub(super) const SCALE_SUFFIX: &str = "_scale";

/// One tensor of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NamedTensor {
    /// Name in `model.safetensors`, as in `transformers`.
    pub(super) checkpoint: String,
    /// Path of the burn parameter.
    pub(super) parameter: String,
    /// Whether it is the weight of a linear layer, which may be quantized.
    pub(super) dense_weight: bool,
    /// Shape in the file. (PyTorch stores a linear layer as `[output, input]`, burn as `[input,
    /// output]`.)
    pub(super) shape: Vec<usize>,
}

/// All tensors of a network, in the order of the forward pass.
pub(super) fn tensors(config: &MpNetConfig) -> Vec<NamedTensor> {
    let width = config.hidden_size;
    let inner = config.intermediate_size;
    let mut list = List::default();
    list.table(
        "embeddings.word_embeddings",
        "embeddings.word",
        [config.vocab_size, width],
    );
    list.table(
        "embeddings.position_embeddings",
        "embeddings.position",
        [config.max_position_embeddings, width],
    );
    list.norm("embeddings.LayerNorm", "embeddings.norm", width);
    list.table(
        "encoder.relative_attention_bias",
        "relative_bias.table",
        [
            config.relative_attention_num_buckets,
            config.num_attention_heads,
        ],
    );
    for index in 0..config.num_hidden_layers {
        let theirs = |name: &str| format!("encoder.layer.{index}.{name}");
        let ours = |name: &str| format!("layers.{index}.{name}");
        list.dense(
            &theirs("attention.attn.q"),
            &ours("attention.query"),
            [width, width],
        );
        list.dense(
            &theirs("attention.attn.k"),
            &ours("attention.key"),
            [width, width],
        );
        list.dense(
            &theirs("attention.attn.v"),
            &ours("attention.value"),
            [width, width],
        );
        list.dense(
            &theirs("attention.attn.o"),
            &ours("attention.output"),
            [width, width],
        );
        list.norm(
            &theirs("attention.LayerNorm"),
            &ours("attention_norm"),
            width,
        );
        list.dense(
            &theirs("intermediate.dense"),
            &ours("intermediate"),
            [inner, width],
        );
        list.dense(&theirs("output.dense"), &ours("output"), [width, inner]);
        list.norm(&theirs("output.LayerNorm"), &ours("output_norm"), width);
    }
    list.0
}

#[derive(Default)]
struct List(Vec<NamedTensor>);

impl List {
    fn push(&mut self, checkpoint: &str, parameter: &str, part: &str, shape: &[usize]) {
        self.0.push(NamedTensor {
            checkpoint: format!("{checkpoint}.{part}"),
            // LayerNorm parameters are `weight` and `bias` too: burn-store's PyTorch adapters rename them
            // to `gamma` and `beta`.
            parameter: format!("{parameter}.{part}"),
            dense_weight: false,
            shape: shape.to_vec(),
        });
    }

    fn table(&mut self, checkpoint: &str, parameter: &str, shape: [usize; 2]) {
        self.push(checkpoint, parameter, "weight", &shape);
    }

    fn dense(&mut self, checkpoint: &str, parameter: &str, shape: [usize; 2]) {
        self.push(checkpoint, parameter, "weight", &shape);
        if let Some(weight) = self.0.last_mut() {
            weight.dense_weight = true;
        }
        self.push(checkpoint, parameter, "bias", &shape[..1]);
    }

    fn norm(&mut self, checkpoint: &str, parameter: &str, width: usize) {
        self.push(checkpoint, parameter, "weight", &[width]);
        self.push(checkpoint, parameter, "bias", &[width]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_mpnet_base_v2_has_197_tensors() {
        let config = serde_json::json!({
            "model_type": "mpnet", "vocab_size": 30527, "hidden_size": 768, "num_hidden_layers": 12,
            "num_attention_heads": 12, "intermediate_size": 3072, "max_position_embeddings": 514
        });
        let tensors = tensors(&serde_json::from_value(config).unwrap());
        assert_eq!(tensors.len(), 197);
        let parameters: usize = tensors
            .iter()
            .map(|tensor| tensor.shape.iter().product::<usize>())
            .sum();
        // All parameters of the published file without the unused pooler.
        assert_eq!(parameters, 109_486_464 - 590_592);
    }
}
