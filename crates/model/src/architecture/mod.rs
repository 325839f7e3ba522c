//! What there is: one page for every architecture of encoder.
//!
//! A page says three things about a `model_type` of `config.json`: how its fields become an [`EncoderConfig`], how
//! the tensors of a weights file are called, and what may be passed over. It computes nothing:
//! [`encoder`](crate::encoder) computes every plan.

mod bert;
mod config;
mod distilbert;
mod fields;
mod modernbert;
mod mpnet;
mod names;
mod roberta;
pub(crate) mod tensors;

use std::path::Path;

use serde_json::Value;

use crate::error::ModelError;
use crate::modules::dense::DenseActivation;
pub(crate) use config::CONFIG_FILE;
pub use config::{
    AttentionOutputDropout, Biases, EncoderConfig, LocalAttention, NormOrder, Positions, Rotary,
};
use names::Names;

/// A page.
pub(crate) struct Architecture {
    /// `model_type` in `config.json`.
    pub(crate) model_type: &'static str,
    /// Reads the content of `config.json`, whose path is named in errors.
    read: fn(&Path, &[u8]) -> Result<EncoderConfig, Refusal>,
    /// Fields that have another name in this architecture: the usual name, and its own.
    own_fields: &'static [(&'static str, &'static str)],
    /// Names of the tensors.
    pub(crate) names: Names,
    /// The head of a cross-encoder, where it is supported.
    pub(crate) pair_head: Option<PairHead>,
    /// Where `tokenizer_config.json` names no class: whether the tokenizer is BERT's, MPNet's or neither.
    pub(crate) tokenizer: TokenizerFamily,
}

/// The head that `transformers` puts on an encoder to classify a pair of texts: a linear layer over the first token, its
/// activation, and a linear layer with one output for every label.
#[derive(Debug)]
pub(crate) struct PairHead {
    /// The class of `transformers`.
    pub(crate) class: &'static str,
    /// What the names of the encoder's tensors begin with.
    pub(crate) prefix: &'static str,
    /// Dropout of the first token, too, and not only before the last layer.
    pub(crate) drops_input: bool,
    /// The field of `config.json` with the dropout of the head, where it has one of its own.
    pub(crate) dropout_field: Option<&'static str>,
    /// The dropout of the head where that field is missing; `None` for that of hidden states.
    pub(crate) dropout: Option<f64>,
    /// Whole name of the first linear layer.
    pub(crate) dense: &'static str,
    /// Its activation.
    pub(crate) activation: DenseActivation,
    /// Whole name of the second.
    pub(crate) output: &'static str,
}

/// Tokenizer classes of `transformers` whose settings change `tokenizer.json`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum TokenizerFamily {
    /// `MPNetTokenizer`: WordPiece with `<s>` and `</s>`.
    Mpnet,
    /// `BertTokenizer`: WordPiece with `[CLS]` and `[SEP]`.
    Bert,
    /// Any other: `tokenizer.json` says everything.
    #[default]
    Other,
}

/// Why a page does not read a `config.json`.
pub(crate) enum Refusal {
    /// A field, and what is wrong with it.
    Field(&'static str, String),
    /// The file is not of the right form.
    File(ModelError),
}

impl From<ModelError> for Refusal {
    fn from(error: ModelError) -> Self {
        Self::File(error)
    }
}

/// All pages, in alphabetical order of their `model_type`.
static ALL: [&Architecture; 7] = [
    &bert::BERT,
    &roberta::CAMEMBERT,
    &distilbert::DISTILBERT,
    &modernbert::MODERNBERT,
    &mpnet::MPNET,
    &roberta::ROBERTA,
    &roberta::XLM_ROBERTA,
];

/// The page of a `model_type`.
fn find(model_type: Option<&Value>) -> Result<&'static Architecture, Refusal> {
    let name = model_type.and_then(Value::as_str);
    let found = ALL.iter().find(|page| Some(page.model_type) == name);
    found.copied().ok_or_else(|| {
        let known: Vec<&str> = ALL.iter().map(|page| page.model_type).collect();
        let known = known.join(", ");
        let reason = match model_type {
            Some(value) => format!("{value} is not supported (only {known})"),
            None => format!("is missing; it names the architecture, one of {known}"),
        };
        Refusal::Field("model_type", reason)
    })
}

impl Architecture {
    /// A refusal with the name that a field has in this architecture.
    fn own_name(&self, refusal: Refusal) -> Refusal {
        match refusal {
            Refusal::Field(usual, reason) => {
                let own = self.own_fields.iter().find(|(name, _)| *name == usual);
                Refusal::Field(own.map_or(usual, |(_, own)| own), reason)
            }
            other => other,
        }
    }
}

impl std::fmt::Debug for Architecture {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.model_type)
    }
}

impl PartialEq for Architecture {
    fn eq(&self, other: &Self) -> bool {
        self.model_type == other.model_type
    }
}
