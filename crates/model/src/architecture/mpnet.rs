//! MPNet (Song et al., "MPNet: Masked and Permuted Pre-training for Language Understanding", 2020): all-mpnet-base-v2,
//! multi-qa-mpnet-base-dot-v1, paraphrase-mpnet-base-v2.
//!
//! BERT without token types, with RoBERTa's positions and one relative position bias for all layers.

use std::path::Path;

use serde::Deserialize;

use super::fields::BertFields;
use super::names::{LayerNames, Names, Projections};
use super::{Architecture, EncoderConfig, PairHead, Positions, Refusal, TokenizerFamily, bert};
use crate::file::parse_json;
use crate::modules::dense::DenseActivation;

pub(super) static MPNET: Architecture = Architecture {
    model_type: "mpnet",
    read,
    own_fields: &[],
    names: Names {
        relative_bias: "encoder.relative_attention_bias",
        layer: LayerNames {
            projections: Projections::Separate {
                query: "attention.attn.q",
                key: "attention.attn.k",
                value: "attention.attn.v",
            },
            attention_output: "attention.attn.o",
            attention_norm: "attention.LayerNorm",
            ..bert::NAMES.layer
        },
        heads: &["classifier.", "lm_head.", "qa_outputs."],
        ..bert::NAMES
    },
    pair_head: Some(PairHead {
        class: "MPNetForSequenceClassification",
        prefix: "mpnet.",
        drops_input: true,
        dropout_field: None,
        dropout: None,
        dense: "classifier.dense",
        activation: DenseActivation::Tanh,
        output: "classifier.out_proj",
    }),
    tokenizer: TokenizerFamily::Mpnet,
};

/// What MPNet has beside the fields of BERT.
#[derive(Deserialize)]
struct RelativeBias {
    #[serde(default = "buckets")]
    relative_attention_num_buckets: usize,
}

const fn buckets() -> usize {
    32
}

fn read(path: &Path, bytes: &[u8]) -> Result<EncoderConfig, Refusal> {
    let fields: BertFields = parse_json(path, bytes)?;
    let RelativeBias {
        relative_attention_num_buckets: buckets,
    } = parse_json(path, bytes)?;
    if buckets < 4 || !buckets.is_multiple_of(2) {
        return Err(Refusal::Field(
            "relative_attention_num_buckets",
            format!("{buckets} is not an even number of at least 4"),
        ));
    }
    let rows = fields.max_position_embeddings;
    let config = EncoderConfig {
        positions: Positions::BehindPadding { rows },
        relative_attention_buckets: Some(buckets),
        ..fields.plan(&MPNET, 1)?
    };
    if config.pad_token_id != 1 {
        // transformers numbers the positions of every MPNet from 2 on, whatever the padding is.
        let reason = format!("{} is not supported, only 1", config.pad_token_id);
        return Err(Refusal::Field("pad_token_id", reason));
    }
    Ok(config)
}
