//! BERT (Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding", 2018):
//! MiniLM, bge, e5, gte, mxbai, arctic.

use std::path::Path;

use super::fields::BertFields;
use super::names::{LayerNames, Names, Projections};
use super::{Architecture, EncoderConfig, PairHead, Refusal, TokenizerFamily};
use crate::file::parse_json;
use crate::modules::dense::DenseActivation;

pub(super) static BERT: Architecture = Architecture {
    model_type: "bert",
    read,
    own_fields: &[],
    names: Names {
        heads: &["cls.", "classifier.", "qa_outputs."],
        ..NAMES
    },
    pair_head: Some(PairHead {
        class: "BertForSequenceClassification",
        prefix: "bert.",
        drops_input: false,
        dropout_field: Some("classifier_dropout"),
        dropout: None,
        dense: "bert.pooler.dense",
        activation: DenseActivation::Tanh,
        output: "classifier",
    }),
    tokenizer: TokenizerFamily::Bert,
};

fn read(path: &Path, bytes: &[u8]) -> Result<EncoderConfig, Refusal> {
    let fields: BertFields = parse_json(path, bytes)?;
    let token_types = fields.type_vocab_size.unwrap_or(2);
    Ok(EncoderConfig {
        token_types,
        ..fields.plan(&BERT, 0)?
    })
}

/// The names of BERT, which its descendants kept.
pub(super) const NAMES: Names = Names {
    words: "embeddings.word_embeddings",
    positions: "embeddings.position_embeddings",
    token_types: "embeddings.token_type_embeddings",
    embedding_norm: "embeddings.LayerNorm",
    relative_bias: "",
    final_norm: "",
    layers: "encoder.layer",
    layer: LayerNames {
        projections: Projections::Separate {
            query: "attention.self.query",
            key: "attention.self.key",
            value: "attention.self.value",
        },
        attention_output: "attention.output.dense",
        attention_norm: "attention.output.LayerNorm",
        intermediate: "intermediate.dense",
        output: "output.dense",
        output_norm: "output.LayerNorm",
    },
    unused: &[
        "embeddings.position_ids",
        "embeddings.token_type_ids",
        "pooler.dense.bias",
        "pooler.dense.weight",
    ],
    heads: &[],
};
