//! ModernBERT (Warner et al., "Smarter, Better, Faster, Longer: A Modern Bidirectional Encoder", 2024): gte-modernbert-base,
//! granite-embedding-r2.
//!
//! Rotary positions, windows in two of three layers, a gated feed-forward block, pre-norm order, no biases.

use std::path::Path;

use serde::Deserialize;

use super::fields::activation;
use super::names::{LayerNames, Names, Projections};
use super::{
    Architecture, Biases, EncoderConfig, LocalAttention, NormOrder, Positions, Refusal, Rotary,
    TokenizerFamily,
};
use crate::file::parse_json;

pub(super) static MODERNBERT: Architecture = Architecture {
    model_type: "modernbert",
    read,
    own_fields: &[
        ("hidden_dropout_prob", "mlp_dropout"),
        ("attention_probs_dropout_prob", "attention_dropout"),
        ("layer_norm_eps", "norm_eps"),
    ],
    names: Names {
        words: "embeddings.tok_embeddings",
        positions: "",
        token_types: "",
        embedding_norm: "embeddings.norm",
        relative_bias: "",
        final_norm: "final_norm",
        layers: "layers",
        layer: LayerNames {
            projections: Projections::Joined("attn.Wqkv"),
            attention_output: "attn.Wo",
            attention_norm: "attn_norm",
            intermediate: "mlp.Wi",
            output: "mlp.Wo",
            output_norm: "mlp_norm",
        },
        unused: &[],
        heads: &["classifier.", "decoder.", "head."],
    },
    pair_head: None,
    tokenizer: TokenizerFamily::Other,
};

/// Fields with the defaults of `transformers`' `ModernBertConfig`.
#[derive(Deserialize)]
#[serde(default)]
struct ModernbertFields {
    vocab_size: usize,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    hidden_activation: String,
    max_position_embeddings: usize,
    initializer_range: f64,
    norm_eps: f64,
    norm_bias: bool,
    pad_token_id: u32,
    global_rope_theta: f64,
    local_rope_theta: Option<f64>,
    attention_bias: bool,
    attention_dropout: f64,
    global_attn_every_n_layers: usize,
    local_attention: usize,
    mlp_bias: bool,
    mlp_dropout: f64,
    /// The bases, where `transformers` 5 writes them.
    rope_parameters: Option<RopeParameters>,
    /// The kind of every layer, which `transformers` 5 writes.
    layer_types: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct RopeParameters {
    full_attention: RopeBase,
    sliding_attention: RopeBase,
}

#[derive(Deserialize)]
struct RopeBase {
    rope_theta: f64,
    rope_type: Option<String>,
}

impl Default for ModernbertFields {
    fn default() -> Self {
        Self {
            vocab_size: 50_368,
            hidden_size: 768,
            intermediate_size: 1_152,
            num_hidden_layers: 22,
            num_attention_heads: 12,
            hidden_activation: "gelu".to_owned(),
            max_position_embeddings: 8_192,
            initializer_range: 0.02,
            norm_eps: 1e-5,
            norm_bias: false,
            pad_token_id: 50_283,
            global_rope_theta: 160_000.0,
            local_rope_theta: Some(10_000.0),
            attention_bias: false,
            attention_dropout: 0.0,
            global_attn_every_n_layers: 3,
            local_attention: 128,
            mlp_bias: false,
            mlp_dropout: 0.0,
            rope_parameters: None,
            layer_types: None,
        }
    }
}

fn read(path: &Path, bytes: &[u8]) -> Result<EncoderConfig, Refusal> {
    let fields: ModernbertFields = parse_json(path, bytes)?;
    let (base, local_base) = match &fields.rope_parameters {
        None => {
            let base = fields.global_rope_theta;
            (base, fields.local_rope_theta.unwrap_or(base))
        }
        Some(RopeParameters {
            full_attention,
            sliding_attention,
        }) => {
            for rope in [full_attention, sliding_attention] {
                let kind = rope.rope_type.as_deref().unwrap_or("default");
                if kind != "default" {
                    let reason = format!("\"{kind}\" is not supported, only \"default\"");
                    return Err(Refusal::Field("rope_parameters", reason));
                }
            }
            (full_attention.rope_theta, sliding_attention.rope_theta)
        }
    };
    for (field, base) in [
        ("global_rope_theta", base),
        ("local_rope_theta", local_base),
    ] {
        if !(base > 0.0 && base.is_finite()) {
            return Err(Refusal::Field(field, format!("{base} is not above 0")));
        }
    }
    if fields.global_attn_every_n_layers == 0 {
        let reason = "0 is not a number of layers".to_owned();
        return Err(Refusal::Field("global_attn_every_n_layers", reason));
    }
    let is_global = |layer: usize| layer.is_multiple_of(fields.global_attn_every_n_layers);
    let differs = |(layer, kind): (usize, &String)| (kind == "full_attention") != is_global(layer);
    if fields.layer_types.iter().flatten().enumerate().any(differs) {
        let every = fields.global_attn_every_n_layers;
        let reason =
            format!("only one layer of {every}, from the first on, may have full attention");
        return Err(Refusal::Field("layer_types", reason));
    }
    Ok(EncoderConfig {
        architecture: &MODERNBERT,
        vocab_size: fields.vocab_size,
        hidden_size: fields.hidden_size,
        num_hidden_layers: fields.num_hidden_layers,
        num_attention_heads: fields.num_attention_heads,
        intermediate_size: fields.intermediate_size,
        activation: activation("hidden_activation", &fields.hidden_activation)?,
        gated: true,
        norm_order: NormOrder::Pre,
        biases: Biases {
            attention: fields.attention_bias,
            feed_forward: fields.mlp_bias,
            norm: fields.norm_bias,
        },
        positions: Positions::Rotary(Rotary {
            max_tokens: fields.max_position_embeddings,
            base,
            local: Some(LocalAttention {
                window: fields.local_attention / 2,
                base: local_base,
                global_every: fields.global_attn_every_n_layers,
            }),
        }),
        token_types: 0,
        relative_attention_buckets: None,
        hidden_dropout: fields.mlp_dropout,
        attention_dropout: fields.attention_dropout,
        initializer_range: fields.initializer_range,
        layer_norm_eps: fields.norm_eps,
        pad_token_id: fields.pad_token_id,
        json: serde_json::Map::new(),
    })
}
