//! The maximum length of a text.

use std::path::{Path, PathBuf};

use super::sentence::{self, SentenceSettings, Task};
use crate::architecture::EncoderConfig;
use crate::error::{ModelError, Result};
use crate::file::read_optional_json;
use crate::tokenizer::{TOKENIZER_CONFIG_FILE, TokenizerConfig, TokenizerOverrides};

pub(crate) struct Limits {
    pub(crate) max_seq_length: usize,
    /// Its place in a file; `None` if it follows from the network.
    pub(super) stated: Option<StatedLimit>,
    pub(super) lowercase: bool,
    pub(super) tokenizer: TokenizerOverrides,
}

/// A maximum length and its place in a file, for the error if it is impossible.
#[derive(Clone, Debug)]
pub(super) struct StatedLimit {
    pub(super) path: PathBuf,
    pub(super) field: &'static str,
    pub(super) length: usize,
}

/// The maximum length: that of `sentence_bert_config.json`, else `model_max_length` of
/// `tokenizer_config.json`, and never more than the network has positions for.
///
/// As in sentence-transformers, only a folder with `modules.json` has the first file; without it, the
/// folder is `plain`.
pub(super) fn read(
    folder: &Path,
    plain: bool,
    task: Task,
    config: &EncoderConfig,
) -> Result<Limits> {
    let sentence = if plain {
        None
    } else {
        sentence::read(folder, task)?
    };
    let tokenizer = || read_optional_json(&folder.join(TOKENIZER_CONFIG_FILE));
    limits(folder, sentence, tokenizer, config)
}

/// The limits that the contents of the two files state; `tokenizer` is called only where it decides.
pub(crate) fn limits(
    folder: &Path,
    sentence: Option<SentenceSettings>,
    tokenizer: impl FnOnce() -> Result<Option<TokenizerConfig>>,
    config: &EncoderConfig,
) -> Result<Limits> {
    let (stated, lowercase, overrides) = match sentence {
        Some(sentence) => (
            sentence
                .length
                .map(|(field, length)| (sentence.path, field, length)),
            sentence.lowercase,
            sentence.tokenizer,
        ),
        None => (None, false, TokenizerOverrides::default()),
    };
    let stated = match stated {
        Some(stated) => Some(stated),
        None => tokenizer()?
            .and_then(|tokenizer| tokenizer.model_max_length)
            .map(|length| {
                let path = folder.join(TOKENIZER_CONFIG_FILE);
                (path, "model_max_length", length)
            }),
    };
    let largest = config.max_tokens();
    let Some((path, field, length)) = stated else {
        return Ok(Limits {
            max_seq_length: largest,
            stated: None,
            lowercase,
            tokenizer: overrides,
        });
    };
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
        tokenizer: overrides,
    })
}
