//! The maximum length of a text.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::config::MpNetConfig;
use crate::error::{ModelError, Result};
use crate::file::read_optional_json;
use crate::tokenizer::{TOKENIZER_CONFIG_FILE, TokenizerConfig};

/// File of the maximum length up to sentence-transformers 5.6.
pub(crate) const SENTENCE_FILE: &str = "sentence_bert_config.json";

#[derive(Deserialize)]
pub(crate) struct SentenceConfig {
    max_seq_length: Option<serde_json::Number>,
    do_lower_case: Option<bool>,
}

pub(crate) struct Limits {
    pub(crate) max_seq_length: usize,
    /// Its place in a file; `None` if it follows from the network.
    pub(super) stated: Option<StatedLimit>,
    pub(super) lowercase: bool,
}

/// A maximum length and its place in a file, for the error if it is impossible.
#[derive(Clone, Debug)]
pub(super) struct StatedLimit {
    pub(super) path: PathBuf,
    pub(super) field: &'static str,
    pub(super) length: usize,
}

/// The maximum length: `max_seq_length` of `sentence_bert_config.json`, else `model_max_length` of
/// `tokenizer_config.json`, and never more than the network has positions for.
///
/// As in sentence-transformers, only a folder with `modules.json` has the first file; without it, the
/// folder is `plain`.
pub(super) fn read(folder: &Path, plain: bool, config: &MpNetConfig) -> Result<Limits> {
    let sentence = if plain {
        None
    } else {
        read_optional_json(&folder.join(SENTENCE_FILE))?
    };
    let tokenizer = || read_optional_json(&folder.join(TOKENIZER_CONFIG_FILE));
    limits(folder, sentence, tokenizer, config)
}

/// The limits that the contents of the two files state; `tokenizer` is called only where it decides.
pub(crate) fn limits(
    folder: &Path,
    sentence: Option<SentenceConfig>,
    tokenizer: impl FnOnce() -> Result<Option<TokenizerConfig>>,
    config: &MpNetConfig,
) -> Result<Limits> {
    let lowercase = sentence
        .as_ref()
        .and_then(|sentence| sentence.do_lower_case)
        .unwrap_or_default();

    let stated = match sentence.and_then(|sentence| sentence.max_seq_length) {
        Some(length) => Some((SENTENCE_FILE, "max_seq_length", length)),
        None => tokenizer()?
            .and_then(|tokenizer| tokenizer.model_max_length)
            .map(|length| (TOKENIZER_CONFIG_FILE, "model_max_length", length)),
    };
    let largest = config.max_tokens();
    let Some((file, field, length)) = stated else {
        return Ok(Limits {
            max_seq_length: largest,
            stated: None,
            lowercase,
        });
    };
    let path = folder.join(file);
    // For "no limit" transformers writes Python's int(1e30), an integer of 31 digits, and others write 1e30.
    // Both fit into a float.
    let length = length.as_f64().unwrap_or(0.0);
    if length < 1.0 {
        return Err(ModelError::Field {
            path,
            field,
            reason: format!("{length} is not a length of at least 1"),
        });
    }
    // The cast saturates; the smaller of the two is exact.
    let length = (length as usize).min(largest);
    Ok(Limits {
        max_seq_length: length,
        stated: Some(StatedLimit {
            path,
            field,
            length,
        }),
        lowercase,
    })
}
