//! The tensors of a weights file: their names in `transformers`, the parameter of the encoder of each, and its shape.

use std::ops::Range;

use super::names::Projections;
use super::{EncoderConfig, NormOrder};

/// One tensor of a checkpoint, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NamedTensor {
    /// Name in `model.safetensors`, as in `transformers`.
    pub(crate) checkpoint: String,
    /// Path of the burn parameter.
    pub(crate) parameter: String,
    /// Whether it is the weight of a linear layer, which may be quantized.
    pub(crate) dense_weight: bool,
    /// Shape in the file. (PyTorch stores a linear layer as `[output, input]`, burn as `[input,
    /// output]`.)
    pub(crate) shape: Vec<usize>,
    /// The rows of the tensor that the parameter takes, where it takes only some.
    pub(crate) rows: Option<Range<usize>>,
}

impl NamedTensor {
    /// Shape of the parameter in PyTorch's layout.
    pub(crate) fn part_shape(&self) -> Vec<usize> {
        let mut shape = self.shape.clone();
        if let (Some(rows), Some(length)) = (&self.rows, shape.first_mut()) {
            *length = rows.len();
        }
        shape
    }
}

/// All tensors of an encoder, in the order of the forward pass.
pub(crate) fn tensors(config: &EncoderConfig) -> Vec<NamedTensor> {
    let names = config.names();
    let width = config.hidden_size;
    let inner = config.intermediate_size;
    let mut list = List::default();
    list.table(names.words, "embeddings.word", [config.vocab_size, width]);
    if let Some(rows) = config.positions.table_rows() {
        list.table(names.positions, "embeddings.position", [rows, width]);
    }
    if config.token_types > 0 {
        let shape = [config.token_types, width];
        list.table(names.token_types, "embeddings.token_type", shape);
    }
    let biases = config.biases;
    list.norm(names.embedding_norm, "embeddings.norm", width, biases.norm);
    if let Some(buckets) = config.relative_attention_buckets {
        let shape = [buckets, config.num_attention_heads];
        list.table(names.relative_bias, "relative_bias.table", shape);
    }
    let layer = &names.layer;
    for index in 0..config.num_hidden_layers {
        let theirs = |name: &str| config.module_of_layer(index, name);
        let ours = |name: &str| format!("layers.{index}.{name}");
        match layer.projections {
            Projections::Separate { query, key, value } => {
                for (name, parameter) in [
                    (query, "attention.query"),
                    (key, "attention.key"),
                    (value, "attention.value"),
                ] {
                    list.dense(
                        &theirs(name),
                        &ours(parameter),
                        [width, width],
                        biases.attention,
                    );
                }
            }
            Projections::Joined(name) => {
                let parameters = ["attention.query", "attention.key", "attention.value"];
                for (part, parameter) in parameters.into_iter().enumerate() {
                    let added = list.0.len();
                    let shape = [3 * width, width];
                    list.dense(&theirs(name), &ours(parameter), shape, biases.attention);
                    for tensor in &mut list.0[added..] {
                        tensor.rows = Some(part * width..(part + 1) * width);
                    }
                }
            }
        }
        let square = [width, width];
        let (name, parameter) = (theirs(layer.attention_output), ours("attention.output"));
        list.dense(&name, &parameter, square, biases.attention);
        if config.norms_before_attention(index) || config.norm_order == NormOrder::Post {
            let (name, parameter) = (theirs(layer.attention_norm), ours("attention_norm"));
            list.norm(&name, &parameter, width, biases.norm);
        }
        let outputs = if config.gated { 2 * inner } else { inner };
        let (name, parameter) = (theirs(layer.intermediate), ours("intermediate"));
        list.dense(&name, &parameter, [outputs, width], biases.feed_forward);
        let (name, parameter) = (theirs(layer.output), ours("output"));
        list.dense(&name, &parameter, [width, inner], biases.feed_forward);
        let (name, parameter) = (theirs(layer.output_norm), ours("output_norm"));
        list.norm(&name, &parameter, width, biases.norm);
    }
    if config.norm_order == NormOrder::Pre {
        list.norm(names.final_norm, "final_norm", width, biases.norm);
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
            rows: None,
        });
    }

    fn table(&mut self, checkpoint: &str, parameter: &str, shape: [usize; 2]) {
        self.push(checkpoint, parameter, "weight", &shape);
    }

    fn dense(&mut self, checkpoint: &str, parameter: &str, shape: [usize; 2], bias: bool) {
        self.push(checkpoint, parameter, "weight", &shape);
        if let Some(weight) = self.0.last_mut() {
            weight.dense_weight = true;
        }
        if bias {
            self.push(checkpoint, parameter, "bias", &shape[..1]);
        }
    }

    fn norm(&mut self, checkpoint: &str, parameter: &str, width: usize, bias: bool) {
        self.push(checkpoint, parameter, "weight", &[width]);
        if bias {
            self.push(checkpoint, parameter, "bias", &[width]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tensors and parameters of the published files, without their unused pooler.
    #[test]
    fn the_published_models_have_so_many_tensors() {
        let mpnet = serde_json::json!({
            "model_type": "mpnet", "vocab_size": 30527, "hidden_size": 768, "num_hidden_layers": 12,
            "num_attention_heads": 12, "intermediate_size": 3072, "max_position_embeddings": 514
        });
        let mini = serde_json::json!({
            "model_type": "bert", "vocab_size": 30522, "hidden_size": 384, "num_hidden_layers": 6,
            "num_attention_heads": 12, "intermediate_size": 1536, "max_position_embeddings": 512
        });
        for (json, count, parameters) in [
            (mpnet, 197, 109_486_464 - 590_592),
            (mini, 101, 22_713_216 - 147_840),
        ] {
            let bytes = serde_json::to_vec(&json).unwrap();
            let config = EncoderConfig::from_bytes("config.json".as_ref(), &bytes).unwrap();
            let tensors = tensors(&config);
            assert_eq!(tensors.len(), count);
            let sizes = tensors
                .iter()
                .map(|tensor| tensor.shape.iter().product::<usize>());
            assert_eq!(sizes.sum::<usize>(), parameters);
        }
    }
}
