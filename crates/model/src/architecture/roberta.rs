//! RoBERTa (Liu et al., "RoBERTa: A Robustly Optimized BERT Pretraining Approach", 2019) and its siblings with the same
//! network: XLM-RoBERTa (multilingual-e5, bge-m3, paraphrase-multilingual-mpnet-base-v2) and CamemBERT.
//!
//! BERT whose positions count the tokens that are not padding, from `pad_token_id + 1` on.

use std::path::Path;

use super::fields::BertFields;
use super::names::Names;
use super::{Architecture, EncoderConfig, PairHead, Positions, Refusal, TokenizerFamily, bert};
use crate::file::parse_json;
use crate::modules::dense::DenseActivation;

pub(super) static ROBERTA: Architecture = Architecture {
    model_type: "roberta",
    read: |path, bytes| read(&ROBERTA, path, bytes),
    own_fields: &[],
    names: NAMES,
    pair_head: Some(PAIR_HEAD),
    tokenizer: TokenizerFamily::Other,
};

pub(super) static XLM_ROBERTA: Architecture = Architecture {
    model_type: "xlm-roberta",
    read: |path, bytes| read(&XLM_ROBERTA, path, bytes),
    own_fields: &[],
    names: NAMES,
    pair_head: Some(PairHead {
        class: "XLMRobertaForSequenceClassification",
        ..PAIR_HEAD
    }),
    tokenizer: TokenizerFamily::Other,
};

pub(super) static CAMEMBERT: Architecture = Architecture {
    model_type: "camembert",
    read: |path, bytes| read(&CAMEMBERT, path, bytes),
    own_fields: &[],
    names: NAMES,
    pair_head: Some(PairHead {
        class: "CamembertForSequenceClassification",
        ..PAIR_HEAD
    }),
    tokenizer: TokenizerFamily::Other,
};

const PAIR_HEAD: PairHead = PairHead {
    class: "RobertaForSequenceClassification",
    prefix: "roberta.",
    drops_input: true,
    dropout_field: Some("classifier_dropout"),
    dropout: None,
    dense: "classifier.dense",
    activation: DenseActivation::Tanh,
    output: "classifier.out_proj",
};

const NAMES: Names = Names {
    heads: &["lm_head.", "classifier.", "qa_outputs."],
    ..bert::NAMES
};

fn read(
    architecture: &'static Architecture,
    path: &Path,
    bytes: &[u8],
) -> Result<EncoderConfig, Refusal> {
    let fields: BertFields = parse_json(path, bytes)?;
    let token_types = fields.type_vocab_size.unwrap_or(2);
    let rows = fields.max_position_embeddings;
    Ok(EncoderConfig {
        token_types,
        positions: Positions::BehindPadding { rows },
        ..fields.plan(architecture, 1)?
    })
}
