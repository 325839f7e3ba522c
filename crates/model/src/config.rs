//! `config.json`: the size and the constants of an MPNet.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{ModelError, Result};
use crate::file::read_json;

/// File name of the network's configuration in a model folder.
pub(crate) const CONFIG_FILE: &str = "config.json";

/// Hyper-parameters of an MPNet, as `transformers` writes them to `config.json`.
///
/// Every field that affects a result comes from the file. Fields that old checkpoints omit have the default
/// of `transformers`' `MPNetConfig`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MpNetConfig {
    /// Class names that `transformers` loads the folder with; kept for other tools.
    #[serde(default = "default_architectures")]
    pub architectures: Vec<String>,
    /// Must be `mpnet`.
    pub model_type: String,
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
    /// Activation of the feed-forward layer. Must be `gelu` (the exact one, by the error
    /// function).
    #[serde(default = "default_activation")]
    pub hidden_act: String,
    /// Dropout probability of hidden states in training, in `[0, 1)`.
    #[serde(default = "default_dropout")]
    pub hidden_dropout_prob: f64,
    /// Dropout probability of attention weights in training, in `[0, 1)`.
    #[serde(default = "default_dropout")]
    pub attention_probs_dropout_prob: f64,
    /// Number of rows of the position table. A text may have `pad_token_id + 1` tokens less.
    pub max_position_embeddings: usize,
    /// Standard deviation of freshly initialised weights.
    #[serde(default = "default_initializer_range")]
    pub initializer_range: f64,
    /// Added to the variance by every layer normalisation.
    #[serde(default = "default_layer_norm_eps")]
    pub layer_norm_eps: f64,
    /// Number of buckets of the relative attention bias, half for each direction.
    #[serde(default = "default_buckets")]
    pub relative_attention_num_buckets: usize,
    /// Id of `<s>`.
    #[serde(default)]
    pub bos_token_id: u32,
    /// Id of `<pad>`, which also is the position of padding.
    #[serde(default = "default_pad")]
    pub pad_token_id: u32,
    /// Id of `</s>`.
    #[serde(default = "default_eos")]
    pub eos_token_id: u32,
}

fn default_architectures() -> Vec<String> {
    vec!["MPNetModel".to_owned()]
}
fn default_activation() -> String {
    "gelu".to_owned()
}
const fn default_dropout() -> f64 {
    0.1
}
const fn default_initializer_range() -> f64 {
    0.02
}
const fn default_layer_norm_eps() -> f64 {
    1e-12
}
const fn default_buckets() -> usize {
    32
}
const fn default_pad() -> u32 {
    1
}
const fn default_eos() -> u32 {
    2
}

/// Largest size that is accepted for any dimension: far above every MPNet, far below what
/// overflows.
const MAX_DIMENSION: usize = 1 << 24;

impl MpNetConfig {
    /// Reads and checks `config.json` of a model folder.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, is not JSON, describes another architecture than MPNet, or
    /// holds a value that no MPNet can have; the error names the file and the field.
    pub fn from_folder(folder: &Path) -> Result<Self> {
        let path = folder.join(CONFIG_FILE);
        let config: Self = read_json(&path)?;
        config.checked(&path)
    }

    /// These settings, if an MPNet can have them; `path` is named in errors.
    pub(crate) fn checked(self, path: &Path) -> Result<Self> {
        match self.check() {
            Ok(()) => Ok(self),
            Err((field, reason)) => Err(ModelError::Field {
                path: path.to_owned(),
                field,
                reason,
            }),
        }
    }

    /// Width of one attention head.
    #[must_use]
    pub fn head_size(&self) -> usize {
        self.hidden_size / self.num_attention_heads
    }

    /// The most tokens a text can have, `<s>` and `</s>` included: positions start behind
    /// padding's. 0 where [`from_folder`](Self::from_folder) would refuse the configuration.
    #[must_use]
    pub fn max_tokens(&self) -> usize {
        self.max_position_embeddings
            .saturating_sub(self.pad_token_id as usize)
            .saturating_sub(1)
    }

    fn check(&self) -> std::result::Result<(), (&'static str, String)> {
        let wrong = |field, reason: String| Err((field, reason));
        if self.model_type != "mpnet" {
            return wrong(
                "model_type",
                format!("\"{}\" is not an MPNet (\"mpnet\")", self.model_type),
            );
        }
        if self.hidden_act != "gelu" {
            return wrong(
                "hidden_act",
                format!("\"{}\" is not supported, only \"gelu\"", self.hidden_act),
            );
        }
        if self.pad_token_id != 1 {
            // transformers numbers the positions of every MPNet from 2 on, whatever the padding is.
            let reason = format!("{} is not supported, only 1", self.pad_token_id);
            return wrong("pad_token_id", reason);
        }
        for (field, value) in [
            ("vocab_size", self.vocab_size),
            ("hidden_size", self.hidden_size),
            ("num_attention_heads", self.num_attention_heads),
            ("intermediate_size", self.intermediate_size),
            ("max_position_embeddings", self.max_position_embeddings),
            (
                "relative_attention_num_buckets",
                self.relative_attention_num_buckets,
            ),
        ] {
            if value == 0 || value > MAX_DIMENSION {
                return wrong(
                    field,
                    format!("{value} is not between 1 and {MAX_DIMENSION}"),
                );
            }
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
        if self.relative_attention_num_buckets < 4
            || !self.relative_attention_num_buckets.is_multiple_of(2)
        {
            return wrong(
                "relative_attention_num_buckets",
                format!(
                    "{} is not an even number of at least 4",
                    self.relative_attention_num_buckets
                ),
            );
        }
        for (field, id) in [
            ("bos_token_id", self.bos_token_id),
            ("pad_token_id", self.pad_token_id),
            ("eos_token_id", self.eos_token_id),
        ] {
            if id as usize >= self.vocab_size {
                return wrong(
                    field,
                    format!("{id} is outside the vocabulary of {}", self.vocab_size),
                );
            }
        }
        // `<s>` and `</s>` must fit behind padding's position.
        if self.max_position_embeddings < self.pad_token_id as usize + 3 {
            return wrong(
                "max_position_embeddings",
                format!("{} leaves no room for a text", self.max_position_embeddings),
            );
        }
        for (field, probability) in [
            ("hidden_dropout_prob", self.hidden_dropout_prob),
            (
                "attention_probs_dropout_prob",
                self.attention_probs_dropout_prob,
            ),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn all_mpnet_base_v2() -> serde_json::Value {
        serde_json::json!({
            "_name_or_path": "microsoft/mpnet-base", "architectures": ["MPNetForMaskedLM"],
            "attention_probs_dropout_prob": 0.1, "bos_token_id": 0, "eos_token_id": 2, "hidden_act": "gelu",
            "hidden_dropout_prob": 0.1, "hidden_size": 768, "initializer_range": 0.02, "intermediate_size": 3072,
            "layer_norm_eps": 1e-05, "max_position_embeddings": 514, "model_type": "mpnet",
            "num_attention_heads": 12, "num_hidden_layers": 12, "pad_token_id": 1,
            "relative_attention_num_buckets": 32, "transformers_version": "4.8.2", "vocab_size": 30527
        })
    }

    fn check(change: impl FnOnce(&mut serde_json::Value)) -> std::result::Result<(), &'static str> {
        let mut value = all_mpnet_base_v2();
        change(&mut value);
        let config: MpNetConfig = serde_json::from_value(value).unwrap();
        config.check().map_err(|(field, _)| field)
    }

    #[test]
    fn the_published_config_is_read() {
        let config: MpNetConfig = serde_json::from_value(all_mpnet_base_v2()).unwrap();
        assert_eq!(config.check(), Ok(()));
        assert_eq!(config.head_size(), 64);
        assert_eq!(config.max_tokens(), 512);
    }

    #[test]
    fn a_config_that_was_not_checked_has_no_room_instead_of_an_overflow() {
        let mut value = all_mpnet_base_v2();
        for (positions, pad) in [(1, 1), (0, 0), (5, u32::MAX)] {
            value["max_position_embeddings"] = positions.into();
            value["pad_token_id"] = pad.into();
            let config: MpNetConfig = serde_json::from_value(value.clone()).unwrap();
            assert_eq!(config.max_tokens(), 0, "{positions} {pad}");
        }
    }

    #[test]
    fn the_wrong_field_is_named() {
        assert_eq!(
            check(|c| c["model_type"] = "bert".into()),
            Err("model_type")
        );
        assert_eq!(
            check(|c| c["hidden_act"] = "relu".into()),
            Err("hidden_act")
        );
        assert_eq!(
            check(|c| c["hidden_size"] = 770.into()),
            Err("num_attention_heads")
        );
        assert_eq!(
            check(|c| c["num_attention_heads"] = 0.into()),
            Err("num_attention_heads")
        );
        assert_eq!(
            check(|c| c["vocab_size"] = u64::MAX.into()),
            Err("vocab_size")
        );
        for padding in [0, 2, 30527] {
            assert_eq!(
                check(|c| c["pad_token_id"] = padding.into()),
                Err("pad_token_id")
            );
        }
        assert_eq!(
            check(|c| c["max_position_embeddings"] = 3.into()),
            Err("max_position_embeddings")
        );
        assert_eq!(
            check(|c| c["hidden_dropout_prob"] = 1.0.into()),
            Err("hidden_dropout_prob")
        );
        for epsilon in [0.0, -1e-5, 1e-50, 1e50] {
            assert_eq!(
                check(|c| c["layer_norm_eps"] = epsilon.into()),
                Err("layer_norm_eps"),
                "{epsilon}"
            );
        }
        assert_eq!(check(|c| c["layer_norm_eps"] = 1.2e-38.into()), Ok(()));
        assert_eq!(
            check(|c| c["relative_attention_num_buckets"] = 7.into()),
            Err("relative_attention_num_buckets")
        );
    }
}
