//! The plan of an encoder: what a page reads from `config.json`, and what the network computes from.

use std::path::Path;

use kernels::Activation;
use serde_json::{Map, Value};

use super::names::{Names, Projections};
use super::{Architecture, Refusal, TokenizerFamily};
use crate::error::{ModelError, Result};
use crate::file::{parse_json, read_bytes};

/// File name of the network's configuration in a model folder.
pub(crate) const CONFIG_FILE: &str = "config.json";

/// Fields of `config.json` that are not written back: they describe the file that was read.
const NOT_KEPT: [&str; 5] = [
    "_name_or_path",
    "dtype",
    "quantization_config",
    "torch_dtype",
    "transformers_version",
];

/// The size and the plan of an encoder, from `config.json`.
///
/// Every field that affects a result comes from the file. Fields that old checkpoints omit have the default
/// of `transformers`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct EncoderConfig {
    /// The page that read the file.
    pub(crate) architecture: &'static Architecture,
    /// Number of token ids.
    pub vocab_size: usize,
    /// Width of a token's hidden state.
    pub hidden_size: usize,
    /// Number of encoder layers.
    pub num_hidden_layers: usize,
    /// Number of attention heads; divides `hidden_size`.
    pub num_attention_heads: usize,
    /// Width of the feed-forward layer.
    pub intermediate_size: usize,
    /// Activation of the feed-forward layer.
    pub activation: Activation,
    /// Whether the feed-forward layer is gated: the activation of one half of its outputs, times the other half (Shazeer,
    /// "GLU Variants Improve Transformer", 2020).
    pub gated: bool,
    /// Where a layer normalizes.
    pub norm_order: NormOrder,
    /// Which parts have a bias.
    pub biases: Biases,
    /// How the network knows positions.
    pub positions: Positions,
    /// Number of token types, each with an embedding of its own; 0 for an encoder without them. A text alone has
    /// type 0, the second text of a pair type 1.
    pub token_types: usize,
    /// Number of buckets of the relative position bias, half for each direction; `None` without a bias.
    pub relative_attention_buckets: Option<usize>,
    /// Dropout probability of hidden states in training, in `[0, 1)`. A gated feed-forward block drops before its last
    /// linear layer, another one after it.
    pub hidden_dropout: f64,
    /// Dropout probability of the embeddings in training, in `[0, 1)`; `None` for that of hidden states.
    pub embedding_dropout: Option<f64>,
    /// Dropout probability of attention weights in training, in `[0, 1)`.
    pub attention_dropout: f64,
    /// The dropout after the output of attention.
    pub attention_output_dropout: AttentionOutputDropout,
    /// Standard deviation of freshly initialised weights.
    pub initializer_range: f64,
    /// Added to the variance by every layer normalisation.
    pub layer_norm_eps: f64,
    /// Id of the padding token.
    pub pad_token_id: u32,
    /// The file as it was read, without what describes another file than the one that will be written.
    pub(crate) json: Map<String, Value>,
}

/// Where a layer normalizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NormOrder {
    /// After each residual addition, as in BERT.
    Post,
    /// The input of attention and of the feed-forward layer, except that of the first attention, and the output of the last
    /// layer, as in ModernBERT.
    Pre,
}

/// The dropout after the output of attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AttentionOutputDropout {
    /// None, as in DistilBERT.
    Nothing,
    /// That of hidden states, as in BERT.
    Hidden,
    /// That of attention weights, as in ModernBERT.
    Attention,
}

/// Which parts of an encoder have a bias.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Biases {
    /// The linear layers of attention.
    pub attention: bool,
    /// The linear layers of the feed-forward block.
    pub feed_forward: bool,
    /// LayerNorm.
    pub norm: bool,
}

impl Biases {
    /// Everywhere.
    pub(crate) const ALL: Self = Self {
        attention: true,
        feed_forward: true,
        norm: true,
    };
}

/// Rotary position embeddings (Su et al., "RoFormer: Enhanced Transformer with Rotary Position Embedding", 2021).
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Rotary {
    /// The most tokens of a text.
    pub max_tokens: usize,
    /// The base of the angles.
    pub base: f64,
    /// Attention within windows in some layers.
    pub local: Option<LocalAttention>,
}

/// Layers that attend within a window.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct LocalAttention {
    /// A token attends to those that are at most so many positions away.
    pub window: usize,
    /// The base of these layers' angles.
    pub base: f64,
    /// Every so many layers, from the first on, one attends to the whole text.
    pub global_every: usize,
}

/// How the network knows the position of a token.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Positions {
    /// A table of learned embeddings. Positions count all tokens, from 0 on.
    FromStart {
        /// Rows of the table.
        rows: usize,
    },
    /// A table of learned embeddings. Positions count the tokens that are not padding, from `pad_token_id + 1` on. Padding has position `pad_token_id`.
    BehindPadding {
        /// Rows of the table.
        rows: usize,
    },
    /// Queries and keys are rotated by their position: there is no table.
    Rotary(Rotary),
}

impl Positions {
    /// The number of positions, some of which a text cannot have.
    #[must_use]
    pub fn rows(self) -> usize {
        match self {
            Self::FromStart { rows } | Self::BehindPadding { rows } => rows,
            Self::Rotary(rotary) => rotary.max_tokens,
        }
    }

    /// Rows of the table of learned embeddings, if there is one.
    pub(crate) fn table_rows(self) -> Option<usize> {
        match self {
            Self::FromStart { rows } | Self::BehindPadding { rows } => Some(rows),
            Self::Rotary(_) => None,
        }
    }
}

/// Largest size that is accepted for any dimension: far above every encoder, far below what overflows.
const MAX_DIMENSION: usize = 1 << 24;

/// The most positions of rotary embeddings, whose angles are computed when a network is made.
const MAX_ROTATED: usize = 1 << 17;

impl EncoderConfig {
    /// Reads and checks `config.json` of a model folder.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, is not JSON, describes an unknown architecture, or holds a value that its
    /// network cannot have; the error names the file and the field.
    pub fn from_folder(folder: &Path) -> Result<Self> {
        let path = folder.join(CONFIG_FILE);
        Self::from_bytes(&path, &read_bytes(&path)?)
    }

    /// As [`from_folder`](Self::from_folder), from the content of the file; `path` is named in errors.
    ///
    /// # Errors
    ///
    /// As [`from_folder`](Self::from_folder).
    pub fn from_bytes(path: &Path, bytes: &[u8]) -> Result<Self> {
        let mut json: Map<String, Value> = parse_json(path, bytes)?;
        let architecture = super::find(json.get("model_type"));
        let config = architecture.and_then(|architecture| {
            if json.get("is_decoder").and_then(Value::as_bool) == Some(true) {
                let reason = "a decoder is not supported: its tokens do not attend to later ones";
                return Err(Refusal::Field("is_decoder", reason.to_owned()));
            }
            let config = (architecture.read)(path, bytes)?;
            config
                .check()
                .map_err(|refusal| architecture.own_name(refusal))?;
            Ok(config)
        });
        json.retain(|field, _| !NOT_KEPT.contains(&field.as_str()));
        match config {
            Ok(config) => Ok(Self { json, ..config }),
            Err(Refusal::File(error)) => Err(error),
            Err(Refusal::Field(field, reason)) => Err(ModelError::Field {
                path: path.to_owned(),
                field,
                reason,
            }),
        }
    }

    /// `model_type` of the architecture, such as `mpnet` or `bert`.
    #[must_use]
    pub fn model_type(&self) -> &'static str {
        self.architecture.model_type
    }

    /// Whether the input of a layer's attention is normalized.
    pub(crate) fn norms_before_attention(&self, layer: usize) -> bool {
        self.norm_order == NormOrder::Pre && layer > 0
    }

    /// Whether two layers differ only in their weights.
    pub(crate) fn alike(&self, one: usize, other: usize) -> bool {
        let every = match self.positions {
            Positions::Rotary(Rotary {
                local: Some(local), ..
            }) => local.global_every,
            _ => 1,
        };
        one.is_multiple_of(every) == other.is_multiple_of(every)
            && self.norms_before_attention(one) == self.norms_before_attention(other)
    }

    /// Width of one attention head.
    #[must_use]
    pub fn head_size(&self) -> usize {
        self.hidden_size / self.num_attention_heads
    }

    /// The most tokens a text can have, special tokens included.
    #[must_use]
    pub fn max_tokens(&self) -> usize {
        self.positions.rows().saturating_sub(self.first_position())
    }

    /// The tokenizer where `tokenizer_config.json` names no class.
    pub(crate) fn tokenizer_family(&self) -> TokenizerFamily {
        self.architecture.tokenizer
    }

    /// Names of the tensors in the weights file.
    pub(crate) fn names(&self) -> &'static Names {
        &self.architecture.names
    }

    /// The position of a text's first token.
    pub(crate) fn first_position(&self) -> usize {
        match self.positions {
            Positions::FromStart { .. } | Positions::Rotary(_) => 0,
            Positions::BehindPadding { .. } => (self.pad_token_id as usize).saturating_add(1),
        }
    }

    /// Names of the linear layers that have LoRA adapters, by the end of their names in `transformers`: query, key,
    /// value and output of the attention. For `target_modules` of PEFT. `None` where `transformers` has one layer for
    /// query, key and value.
    #[must_use]
    pub fn attention_modules(&self) -> Option<[&'static str; 4]> {
        let layer = &self.names().layer;
        match layer.projections {
            Projections::Separate { query, key, value } => {
                Some([query, key, value, layer.attention_output])
            }
            Projections::Joined(_) => None,
        }
    }

    /// The name of a module of a layer in `transformers`, for example `encoder.layer.0.attention.self.query`.
    #[must_use]
    pub fn module_of_layer(&self, layer: usize, module: &str) -> String {
        format!("{}.{layer}.{module}", self.names().layers)
    }

    fn check(&self) -> std::result::Result<(), Refusal> {
        let wrong = |field, reason: String| Err(Refusal::Field(field, reason));
        for (field, value) in [
            ("vocab_size", self.vocab_size),
            ("hidden_size", self.hidden_size),
            ("num_attention_heads", self.num_attention_heads),
            ("intermediate_size", self.intermediate_size),
            ("max_position_embeddings", self.positions.rows()),
        ] {
            if value == 0 || value > MAX_DIMENSION {
                return wrong(
                    field,
                    format!("{value} is not between 1 and {MAX_DIMENSION}"),
                );
            }
        }
        if self.token_types > MAX_DIMENSION {
            return wrong(
                "type_vocab_size",
                format!("{} is more than {MAX_DIMENSION}", self.token_types),
            );
        }
        if self.num_hidden_layers > 1000 {
            return wrong(
                "num_hidden_layers",
                format!("{} is more than 1000", self.num_hidden_layers),
            );
        }
        if !self.hidden_size.is_multiple_of(self.num_attention_heads) {
            return wrong(
                "num_attention_heads",
                format!(
                    "{} does not divide hidden_size {}",
                    self.num_attention_heads, self.hidden_size
                ),
            );
        }
        if let Positions::Rotary(rotary) = self.positions
            && rotary.max_tokens > MAX_ROTATED
        {
            return wrong(
                "max_position_embeddings",
                format!("{} is more than {MAX_ROTATED}", rotary.max_tokens),
            );
        }
        let head_size = self.head_size();
        if matches!(self.positions, Positions::Rotary(_)) && !head_size.is_multiple_of(2) {
            return wrong(
                "num_attention_heads",
                format!("rotary position embeddings need an even size of heads, not {head_size}"),
            );
        }
        if self.pad_token_id as usize >= self.vocab_size {
            return wrong(
                "pad_token_id",
                format!(
                    "{} is outside the vocabulary of {}",
                    self.pad_token_id, self.vocab_size
                ),
            );
        }
        // Two special tokens must fit.
        if self.max_tokens() < 2 {
            return wrong(
                "max_position_embeddings",
                format!("{} leaves no room for a text", self.positions.rows()),
            );
        }
        for (field, probability) in [
            ("hidden_dropout_prob", self.hidden_dropout),
            ("attention_probs_dropout_prob", self.attention_dropout),
            ("embedding_dropout", self.embedding_dropout.unwrap_or(0.0)),
        ] {
            if !(0.0..1.0).contains(&probability) {
                return wrong(field, format!("{probability} is not in [0, 1)"));
            }
        }
        // LayerNorm computes in f32: a smaller number would be 0, and a constant row NaN.
        let epsilon = self.layer_norm_eps as f32;
        if !(epsilon >= f32::MIN_POSITIVE && epsilon.is_finite()) {
            return wrong(
                "layer_norm_eps",
                format!(
                    "{} is not from {:e} to {:e}, the range of 32-bit numbers",
                    self.layer_norm_eps,
                    f32::MIN_POSITIVE,
                    f32::MAX
                ),
            );
        }
        Ok(())
    }
}
