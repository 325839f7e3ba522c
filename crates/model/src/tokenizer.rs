//! Text to token ids.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use rayon::prelude::*;
use serde_json::value::RawValue;
use tokenizers::{Tokenizer, TruncationParams};

use crate::boxed_error::BoxedError;
use crate::config::{CONFIG_FILE, MpNetConfig};
use crate::error::{ModelError, Result};
use crate::file::is_git_lfs_pointer;
use crate::guard::guarded;

/// File name of the tokenizer in a model folder.
pub(crate) const TOKENIZER_FILE: &str = "tokenizer.json";

/// The tokenizer of a model folder, which truncates to the model's maximum length and never pads.
///
/// `tokenizer.json` may hold padding and truncation settings (128 tokens in all-mpnet-base-v2). They are
/// leftovers of its training and are ignored.
#[derive(Clone, Debug)]
pub struct SentenceTokenizer {
    tokenizer: Tokenizer,
    max_length: usize,
    lowercase: bool,
}

/// The token ids of one text, `<s>` and `</s>` included.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenIds {
    /// Ids, at most the maximum length.
    pub ids: Vec<u32>,
    /// Whether the text was truncated to the maximum length.
    pub truncated: bool,
}

/// Ignored parts of `tokenizer.json`: its padding and truncation, and the decoder from ids to text, which
/// no embedding needs.
const LEFT_OUT: [&str; 3] = ["padding", "truncation", "decoder"];

fn parse(bytes: &[u8]) -> std::result::Result<Tokenizer, BoxedError> {
    let mut parts: BTreeMap<String, &RawValue> = serde_json::from_slice(bytes)?;
    parts.retain(|name, _| !LEFT_OUT.contains(&name.as_str()));
    let bytes = serde_json::to_vec(&parts)?;
    guarded(|| Tokenizer::from_bytes(&bytes))
}

impl SentenceTokenizer {
    /// Reads `tokenizer.json` of a model folder; texts will have at most `max_length` tokens and,
    /// with `lowercase`, are lower-cased first (`do_lower_case` of
    /// `sentence_bert_config.json`).
    ///
    /// # Errors
    ///
    /// When the file cannot be read or does not describe a tokenizer, when its ids reach beyond the
    /// vocabulary of `config`, or when `max_length` leaves no room for a token between `<s>` and
    /// `</s>` or exceeds the positions of the network.
    pub fn from_folder(
        folder: &Path,
        max_length: usize,
        config: &MpNetConfig,
        lowercase: bool,
    ) -> Result<Self> {
        let path = folder.join(TOKENIZER_FILE);
        let bytes = std::fs::read(&path).map_err(|source| ModelError::io(&path, source))?;
        Self::from_bytes(folder, &bytes, max_length, config, lowercase)
    }

    /// As [`from_folder`](Self::from_folder), from the content of `tokenizer.json`; `folder` is named
    /// in errors.
    pub(crate) fn from_bytes(
        folder: &Path,
        bytes: &[u8],
        max_length: usize,
        config: &MpNetConfig,
        lowercase: bool,
    ) -> Result<Self> {
        let path = folder.join(TOKENIZER_FILE);
        let unreadable = |source| ModelError::Tokenizer {
            path: path.clone(),
            source,
        };
        if is_git_lfs_pointer(bytes) {
            return Err(ModelError::GitLfsPointer { path });
        }
        let mut tokenizer = parse(bytes).map_err(unreadable)?;

        let largest = tokenizer.get_vocab(true).into_values().max().unwrap_or(0);
        if largest as usize >= config.vocab_size {
            return Err(ModelError::Field {
                path,
                field: "model.vocab",
                reason: format!(
                    "token id {largest} is outside the network's vocabulary of {}",
                    config.vocab_size
                ),
            });
        }
        let special = tokenizer.get_post_processor().map_or(0, |processor| {
            tokenizers::PostProcessor::added_tokens(processor, false)
        });
        let (smallest, largest) = (special.saturating_add(1), config.max_tokens());
        if smallest > largest {
            return Err(ModelError::Field {
                path: folder.join(CONFIG_FILE),
                field: "max_position_embeddings",
                reason: format!(
                    "{} leaves room for {largest} tokens, {special} of them special",
                    config.max_position_embeddings
                ),
            });
        }
        if !(smallest..=largest).contains(&max_length) {
            return Err(ModelError::MaxLength {
                asked: max_length,
                smallest,
                largest,
            });
        }
        let truncation = TruncationParams {
            max_length,
            ..TruncationParams::default()
        };
        tokenizer
            .with_truncation(Some(truncation))
            .map_err(unreadable)?;
        let tokenizer = Self {
            tokenizer,
            max_length,
            lowercase,
        };
        tokenizer.try_out(&path, config.vocab_size)?;
        Ok(tokenizer)
    }

    /// Tokenizes two texts: some faults of a `tokenizer.json` show only with a text.
    fn try_out(&self, path: &Path, vocab_size: usize) -> Result<()> {
        for text in ["", "a"] {
            let tokens = self
                .encode_one(text)
                .map_err(|source| ModelError::Tokenizer {
                    path: path.to_owned(),
                    source: format!("cannot tokenize {text:?}: {source}").into(),
                })?;
            let wrong = |reason| ModelError::Field {
                path: path.to_owned(),
                field: "post_processor",
                reason,
            };
            let Some(&largest) = tokens.ids.iter().max() else {
                return Err(wrong(format!("leaves {text:?} without any token")));
            };
            if largest as usize >= vocab_size {
                return Err(wrong(format!(
                    "token id {largest} is outside the network's vocabulary of {vocab_size}"
                )));
            }
        }
        Ok(())
    }

    /// Maximum tokens of a text, with `<s>` and `</s>`.
    #[must_use]
    pub fn max_length(&self) -> usize {
        self.max_length
    }

    /// Tokenizes texts in parallel; the results have the order of the texts.
    ///
    /// # Errors
    ///
    /// When the tokenizer cannot express a text, which a WordPiece tokenizer with an unknown token
    /// always can.
    pub fn encode<S: AsRef<str> + Sync>(&self, texts: &[S]) -> Result<Vec<TokenIds>> {
        texts
            .par_iter()
            .map(|text| self.encode_one(text.as_ref()))
            .collect::<std::result::Result<_, _>>()
            .map_err(|source| ModelError::Tokenize { source })
    }

    fn encode_one(&self, text: &str) -> std::result::Result<TokenIds, BoxedError> {
        guarded(|| {
            let encoding = self.tokenizer.encode_fast(self.prepare(text), true)?;
            Ok::<_, BoxedError>(TokenIds {
                ids: encoding.get_ids().to_vec(),
                truncated: !encoding.get_overflowing().is_empty(),
            })
        })
    }

    fn prepare<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.lowercase {
            text.to_lowercase().into()
        } else {
            text.into()
        }
    }
}
