//! The fields of `config.json` that BERT and its descendants share.

use kernels::Activation;
use serde::Deserialize;

use super::{
    Architecture, AttentionOutputDropout, Biases, EncoderConfig, NormOrder, Positions, Refusal,
};

/// Fields with the names of `transformers`' `BertConfig`, and its defaults.
#[derive(Deserialize)]
pub(super) struct BertFields {
    pub(super) vocab_size: usize,
    pub(super) hidden_size: usize,
    pub(super) num_hidden_layers: usize,
    pub(super) num_attention_heads: usize,
    pub(super) intermediate_size: usize,
    #[serde(default = "gelu")]
    pub(super) hidden_act: String,
    #[serde(default = "dropout")]
    pub(super) hidden_dropout_prob: f64,
    #[serde(default = "dropout")]
    pub(super) attention_probs_dropout_prob: f64,
    pub(super) max_position_embeddings: usize,
    #[serde(default = "initializer_range")]
    pub(super) initializer_range: f64,
    #[serde(default = "layer_norm_eps")]
    pub(super) layer_norm_eps: f64,
    pub(super) type_vocab_size: Option<usize>,
    pub(super) pad_token_id: Option<u32>,
    /// `absolute` in every encoder that is supported.
    #[serde(default = "absolute")]
    pub(super) position_embedding_type: serde_json::Value,
}

fn absolute() -> serde_json::Value {
    "absolute".into()
}
fn gelu() -> String {
    "gelu".to_owned()
}
pub(super) const fn dropout() -> f64 {
    0.1
}
pub(super) const fn initializer_range() -> f64 {
    0.02
}
const fn layer_norm_eps() -> f64 {
    1e-12
}

impl BertFields {
    /// The plan of BERT with these sizes: positions from 0 on, no token types, no bias.
    pub(super) fn plan(
        self,
        architecture: &'static Architecture,
        pad_token_id: u32,
    ) -> Result<EncoderConfig, Refusal> {
        if self.position_embedding_type != absolute() {
            let other = self.position_embedding_type;
            let reason = format!("{other} is not supported, only \"absolute\"");
            return Err(Refusal::Field("position_embedding_type", reason));
        }
        Ok(EncoderConfig {
            architecture,
            vocab_size: self.vocab_size,
            hidden_size: self.hidden_size,
            num_hidden_layers: self.num_hidden_layers,
            num_attention_heads: self.num_attention_heads,
            intermediate_size: self.intermediate_size,
            activation: activation("hidden_act", &self.hidden_act)?,
            gated: false,
            norm_order: NormOrder::Post,
            biases: Biases::ALL,
            positions: Positions::FromStart {
                rows: self.max_position_embeddings,
            },
            token_types: 0,
            relative_attention_buckets: None,
            hidden_dropout: self.hidden_dropout_prob,
            attention_dropout: self.attention_probs_dropout_prob,
            embedding_dropout: None,
            attention_output_dropout: AttentionOutputDropout::Hidden,
            initializer_range: self.initializer_range,
            layer_norm_eps: self.layer_norm_eps,
            pad_token_id: self.pad_token_id.unwrap_or(pad_token_id),
            json: serde_json::Map::new(),
        })
    }
}

/// The activation with the name of `transformers` (`ACT2FN` in `activations.py`).
pub(super) fn activation(field: &'static str, name: &str) -> Result<Activation, Refusal> {
    const KNOWN: [(&str, Activation); 8] = [
        ("gelu", Activation::Gelu),
        ("gelu_new", Activation::GeluTanh),
        ("gelu_fast", Activation::GeluTanh),
        ("gelu_pytorch_tanh", Activation::GeluTanh),
        ("relu", Activation::Relu),
        ("silu", Activation::Silu),
        ("swish", Activation::Silu),
        ("tanh", Activation::Tanh),
    ];
    let known = KNOWN.iter().find(|(known, _)| *known == name);
    known.map(|(_, activation)| *activation).ok_or_else(|| {
        let names: Vec<&str> = KNOWN.iter().map(|(name, _)| *name).collect();
        let reason = format!("\"{name}\" is not supported, only {}", names.join(", "));
        Refusal::Field(field, reason)
    })
}
