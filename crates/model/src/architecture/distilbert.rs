//! DistilBERT (Sanh et al., "DistilBERT, a distilled version of BERT", 2019): multi-qa-distilbert-cos-v1,
//! msmarco-distilbert-base-v4, distiluse-base-multilingual-cased.
//!
//! BERT without token types, with names of its own.

use std::path::Path;

use serde::Deserialize;

use super::fields::{activation, dropout, initializer_range};
use super::names::{LayerNames, Names, Projections};
use super::{
    Architecture, AttentionOutputDropout, Biases, EncoderConfig, NormOrder, PairHead, Positions,
    Refusal, TokenizerFamily, bert,
};
use crate::file::parse_json;
use crate::modules::dense::DenseActivation;

pub(super) static DISTILBERT: Architecture = Architecture {
    model_type: "distilbert",
    read,
    own_fields: &[
        ("hidden_size", "dim"),
        ("num_hidden_layers", "n_layers"),
        ("num_attention_heads", "n_heads"),
        ("intermediate_size", "hidden_dim"),
        ("hidden_dropout_prob", "dropout"),
        ("attention_probs_dropout_prob", "attention_dropout"),
    ],
    names: Names {
        layers: "transformer.layer",
        layer: LayerNames {
            projections: Projections::Separate {
                query: "attention.q_lin",
                key: "attention.k_lin",
                value: "attention.v_lin",
            },
            attention_output: "attention.out_lin",
            attention_norm: "sa_layer_norm",
            intermediate: "ffn.lin1",
            output: "ffn.lin2",
            output_norm: "output_layer_norm",
        },
        unused: &["embeddings.position_ids"],
        heads: &[
            "classifier.",
            "pre_classifier.",
            "qa_outputs.",
            "vocab_layer_norm.",
            "vocab_projector.",
            "vocab_transform.",
        ],
        ..bert::NAMES
    },
    pair_head: Some(PairHead {
        class: "DistilBertForSequenceClassification",
        prefix: "distilbert.",
        drops_input: false,
        dropout_field: Some("seq_classif_dropout"),
        dropout: Some(0.2),
        dense: "pre_classifier",
        activation: DenseActivation::Relu,
        output: "classifier",
    }),
    tokenizer: TokenizerFamily::Bert,
};

/// LayerNorm's constant, which no field states (`modeling_distilbert.py`).
const LAYER_NORM_EPS: f64 = 1e-12;

/// Fields with the defaults of `transformers`' `DistilBertConfig`.
#[derive(Deserialize)]
struct DistilbertFields {
    vocab_size: usize,
    dim: usize,
    n_layers: usize,
    n_heads: usize,
    hidden_dim: usize,
    #[serde(default = "gelu")]
    activation: String,
    #[serde(default = "dropout")]
    dropout: f64,
    #[serde(default = "dropout")]
    attention_dropout: f64,
    max_position_embeddings: usize,
    #[serde(default = "initializer_range")]
    initializer_range: f64,
    #[serde(default)]
    pad_token_id: u32,
}

fn gelu() -> String {
    "gelu".to_owned()
}

fn read(path: &Path, bytes: &[u8]) -> Result<EncoderConfig, Refusal> {
    let fields: DistilbertFields = parse_json(path, bytes)?;
    Ok(EncoderConfig {
        architecture: &DISTILBERT,
        vocab_size: fields.vocab_size,
        hidden_size: fields.dim,
        num_hidden_layers: fields.n_layers,
        num_attention_heads: fields.n_heads,
        intermediate_size: fields.hidden_dim,
        activation: activation("activation", &fields.activation)?,
        gated: false,
        norm_order: NormOrder::Post,
        biases: Biases::ALL,
        positions: Positions::FromStart {
            rows: fields.max_position_embeddings,
        },
        token_types: 0,
        relative_attention_buckets: None,
        hidden_dropout: fields.dropout,
        attention_dropout: fields.attention_dropout,
        embedding_dropout: None,
        attention_output_dropout: AttentionOutputDropout::Nothing,
        initializer_range: fields.initializer_range,
        layer_norm_eps: LAYER_NORM_EPS,
        pad_token_id: fields.pad_token_id,
        json: serde_json::Map::new(),
    })
}
