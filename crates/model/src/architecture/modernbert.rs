//! ModernBERT (Warner et al., "Smarter, Better, Faster, Longer: A Modern Bidirectional Encoder", 2024): gte-modernbert-base,
//! granite-embedding-r2.
//!
//! Rotary positions, windows in two of three layers, a gated feed-forward block, pre-norm order, no biases.

mod fields;

use std::path::Path;

use fields::ModernbertFields;

use super::fields::activation;
use super::names::{LayerNames, Names, Projections};
use super::{
    Architecture, AttentionOutputDropout, Biases, EncoderConfig, LocalAttention, NormOrder,
    Positions, Refusal, Rotary, TokenizerFamily,
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

fn read(path: &Path, bytes: &[u8]) -> Result<EncoderConfig, Refusal> {
    let fields: ModernbertFields = parse_json(path, bytes)?;
    let (base, local_base) = fields.bases()?;
    let global_every = fields.global_every()?;
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
                global_every,
            }),
        }),
        token_types: 0,
        relative_attention_buckets: None,
        hidden_dropout: fields.mlp_dropout,
        attention_dropout: fields.attention_dropout,
        embedding_dropout: Some(fields.embedding_dropout),
        attention_output_dropout: AttentionOutputDropout::Attention,
        initializer_range: fields.initializer_range,
        layer_norm_eps: fields.norm_eps,
        pad_token_id: fields.pad_token_id,
        json: serde_json::Map::new(),
    })
}
