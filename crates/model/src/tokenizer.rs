//! Text to token ids.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use serde_json::value::RawValue;
use tokenizers::{Tokenizer, TruncationParams};

use crate::error::{BoxedError, ModelError, Result};
use crate::guard::guarded;

/// File name of the tokenizer in a model folder.
pub const TOKENIZER_FILE: &str = "tokenizer.json";

/// The tokenizer of a model folder, cut at the model's maximum length and never padding.
///
/// `tokenizer.json` may hold a padding and a truncation of its own (all-mpnet-base-v2's says 128
/// tokens): they are leftovers of its training and switched off.
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
    /// Ids, at most the maximum length of them.
    pub ids: Vec<u32>,
    /// Whether the text had more tokens than fit.
    pub truncated: bool,
}

/// The parts of `tokenizer.json` that are left out: its own padding and truncation, and the way
/// back from ids to text, which no embedding needs.
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
    /// When the file cannot be read or does not describe a tokenizer, when its ids reach beyond
    /// `vocab_size`, or when `max_length` leaves no room for a token beside `<s>` and `</s>`.
    pub fn from_folder(
        folder: &Path,
        max_length: usize,
        vocab_size: usize,
        lowercase: bool,
    ) -> Result<Self> {
        let path = folder.join(TOKENIZER_FILE);
        let bytes = std::fs::read(&path).map_err(|source| ModelError::io(&path, source))?;
        let unreadable = |source| ModelError::Tokenizer {
            path: path.clone(),
            source,
        };
        let mut tokenizer = parse(&bytes).map_err(unreadable)?;

        let largest = tokenizer.get_vocab(true).into_values().max().unwrap_or(0);
        if largest as usize >= vocab_size {
            return Err(ModelError::Field {
                path,
                field: "model.vocab",
                reason: format!(
                    "token id {largest} is outside the network's vocabulary of {vocab_size}"
                ),
            });
        }
        let special = tokenizer.get_post_processor().map_or(0, |processor| {
            tokenizers::PostProcessor::added_tokens(processor, false)
        });
        if max_length <= special {
            return Err(ModelError::MaxLength {
                asked: max_length,
                smallest: special + 1,
                largest: usize::MAX,
            });
        }
        let truncation = TruncationParams {
            max_length,
            ..TruncationParams::default()
        };
        tokenizer
            .with_truncation(Some(truncation))
            .map_err(unreadable)?;
        Ok(Self {
            tokenizer,
            max_length,
            lowercase,
        })
    }

    /// The most tokens a text keeps.
    #[must_use]
    pub fn max_length(&self) -> usize {
        self.max_length
    }

    /// Tokenizes texts, in parallel; the results stand in the order of the texts.
    ///
    /// # Errors
    ///
    /// When the tokenizer cannot express a text, which a WordPiece tokenizer with an unknown token
    /// always can.
    pub fn encode<S: AsRef<str> + Sync>(&self, texts: &[S]) -> Result<Vec<TokenIds>> {
        let inputs: Vec<Cow<'_, str>> = texts
            .iter()
            .map(|text| self.prepare(text.as_ref()))
            .collect();
        let encodings = self
            .tokenizer
            .encode_batch_fast(inputs, true)
            .map_err(|source| ModelError::Tokenize { source })?;
        Ok(encodings
            .into_iter()
            .map(|encoding| TokenIds {
                ids: encoding.get_ids().to_vec(),
                truncated: !encoding.get_overflowing().is_empty(),
            })
            .collect())
    }

    fn prepare<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.lowercase {
            text.to_lowercase().into()
        } else {
            text.into()
        }
    }
}
