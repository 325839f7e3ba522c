//! Text to token ids.

mod config;
mod places;
mod service;
pub(crate) mod table_tokens;
mod vocabulary;
mod word_pieces;

use std::collections::BTreeMap;
use std::path::Path;

use guard::guarded;
use rayon::prelude::*;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokenizers::{Tokenizer, TruncationDirection, TruncationParams};

use crate::architecture::{CONFIG_FILE, EncoderConfig};
use crate::boxed_error::BoxedError;
use crate::error::{ModelError, Result};
use crate::file::{is_git_lfs_pointer, read_optional_json};
use crate::threads;
pub(crate) use config::{TOKENIZER_CONFIG_FILE, TokenizerConfig, TokenizerOverrides};
pub use places::PlacedTokens;
pub use service::{Piece, TruncationSide};
use table_tokens::TableTokens;
use vocabulary::VOCABULARY_FILE;

/// File name of the tokenizer in a model folder.
pub(crate) const TOKENIZER_FILE: &str = "tokenizer.json";

/// The tokenizer of a model folder, which truncates to the model's maximum length and never pads.
///
/// `tokenizer.json` may hold padding and a maximum length (128 tokens in all-mpnet-base-v2). They are
/// leftovers of its training and are ignored. `tokenizer_config.json` counts more than `tokenizer.json`, as
/// in transformers.
#[derive(Clone, Debug)]
pub struct SentenceTokenizer {
    tokenizer: Tokenizer,
    max_length: usize,
    /// Whether transformers passes the types of tokens to the network.
    passes_types: bool,
    /// Only of a static model.
    of_table: Option<TableTokens>,
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

/// The token ids of a pair of texts, special tokens included.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PairTokenIds {
    /// Ids, at most the maximum length.
    pub ids: Vec<u32>,
    /// The type of each token; `None` if all have type 0.
    pub types: Option<Vec<u32>>,
    /// Whether a text lost tokens to the maximum length.
    pub truncated: bool,
}

/// Parts of `tokenizer.json` that are read alone: its padding and truncation, and the decoder from ids to text. No
/// embedding needs them, so they may be damaged.
const LEFT_OUT: [&str; 3] = ["padding", "truncation", "decoder"];

/// The part of `tokenizer.json` about truncation.
#[derive(Deserialize)]
struct Truncation {
    direction: Option<TruncationDirection>,
}

/// The tokenizer of a `tokenizer.json`, and the side from which it truncates.
fn parse(
    bytes: &[u8],
) -> std::result::Result<(Tokenizer, Option<TruncationDirection>), BoxedError> {
    let mut parts: BTreeMap<String, &RawValue> = serde_json::from_slice(bytes)?;
    let truncation = parts.get("truncation").map(|part| part.get());
    let truncation = truncation.and_then(|part| serde_json::from_str::<Truncation>(part).ok());
    let decoder = parts.get("decoder").map(|part| part.get());
    let decoder = decoder.and_then(service::decoder);
    parts.retain(|name, _| !LEFT_OUT.contains(&name.as_str()));
    let bytes = serde_json::to_vec(&parts)?;
    let mut tokenizer = guarded(|| Tokenizer::from_bytes(&bytes))?;
    let decoder = decoder.or_else(|| service::default_decoder(&tokenizer));
    tokenizer.with_decoder(decoder);
    Ok((
        tokenizer,
        truncation.and_then(|truncation| truncation.direction),
    ))
}

/// Runs the tokenizer in the pool of the calling thread.
fn tokenized<T: Send>(
    work: impl FnOnce() -> std::result::Result<T, BoxedError> + Send,
) -> Result<T> {
    threads::in_pool(work).map_err(|source| ModelError::Tokenize { source })
}

impl SentenceTokenizer {
    /// Reads `tokenizer.json` of a model folder, or builds the tokenizer from `vocab.txt`, with the
    /// settings of `tokenizer_config.json`. Texts will have at most `max_length` tokens and, with
    /// `lowercase` (`do_lower_case` of `sentence_bert_config.json`), are lower-cased first, except for
    /// special tokens.
    ///
    /// # Errors
    ///
    /// When there is neither file, when one cannot be read or does not describe a tokenizer, when its ids
    /// reach beyond the vocabulary of `config`, or when `max_length` leaves no room for a token between
    /// `<s>` and `</s>` or exceeds the positions of the network.
    pub(crate) fn from_folder(
        folder: &Path,
        max_length: usize,
        config: &EncoderConfig,
        lowercase: bool,
        overrides: TokenizerOverrides,
    ) -> Result<Self> {
        let settings: Option<TokenizerConfig> =
            read_optional_json(&folder.join(TOKENIZER_CONFIG_FILE))?;
        let mut settings = settings.unwrap_or_default().of(config.tokenizer_family());
        settings.replace(overrides);
        let files = [TOKENIZER_FILE, VOCABULARY_FILE].map(|name| folder.join(name));
        let Some(path) = files.iter().find(|path| path.is_file()) else {
            return Err(ModelError::NoTokenizer {
                folder: folder.to_owned(),
            });
        };
        let bytes = if path.ends_with(VOCABULARY_FILE) {
            vocabulary::tokenizer_json(folder, &settings)?
        } else {
            std::fs::read(path).map_err(|source| ModelError::io(path, source))?
        };
        Self::new(path, &bytes, &settings, max_length, config, lowercase)
    }

    /// As [`from_folder`](Self::from_folder), from the content of `tokenizer.json` alone; `folder` is
    /// named in errors.
    pub(crate) fn from_bytes(
        folder: &Path,
        bytes: &[u8],
        max_length: usize,
        config: &EncoderConfig,
        lowercase: bool,
    ) -> Result<Self> {
        let settings = TokenizerConfig::default().of(config.tokenizer_family());
        let path = folder.join(TOKENIZER_FILE);
        Self::new(&path, bytes, &settings, max_length, config, lowercase)
    }

    /// A tokenizer from the content of `tokenizer.json`; `path` is named in errors.
    fn new(
        path: &Path,
        bytes: &[u8],
        settings: &TokenizerConfig,
        max_length: usize,
        config: &EncoderConfig,
        lowercase: bool,
    ) -> Result<Self> {
        let unreadable = |source| ModelError::Tokenizer {
            path: path.to_owned(),
            source,
        };
        if is_git_lfs_pointer(bytes) {
            return Err(ModelError::GitLfsPointer {
                path: path.to_owned(),
            });
        }
        let (mut tokenizer, direction) = parse(bytes).map_err(unreadable)?;
        settings
            .change_normalizer(&mut tokenizer)
            .map_err(unreadable)?;
        settings.change_pre_tokenizer(&mut tokenizer);
        if lowercase {
            config::lowercase_first(&mut tokenizer).map_err(unreadable)?;
        }

        let largest = tokenizer.get_vocab(true).into_values().max().unwrap_or(0);
        if largest as usize >= config.vocab_size {
            return Err(ModelError::Field {
                path: path.to_owned(),
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
                path: path.with_file_name(CONFIG_FILE),
                field: "max_position_embeddings",
                reason: format!(
                    "{} leaves room for {largest} tokens, {special} of them special",
                    config.positions.rows()
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
            direction: settings.truncation_direction(direction),
            ..TruncationParams::default()
        };
        tokenizer
            .with_truncation(Some(truncation))
            .map_err(unreadable)?;
        let tokenizer = Self {
            tokenizer,
            max_length,
            passes_types: settings.passes_types(),
            of_table: None,
        };
        tokenizer.try_out(path, config.vocab_size)?;
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
        self.encode_each(texts, |text| self.encode_one(text))
    }

    /// [`encode`](Self::encode) of every text behind a prompt; the empty text is no prompt.
    ///
    /// # Errors
    ///
    /// As [`encode`](Self::encode).
    pub fn encode_with_prompt<S: AsRef<str> + Sync>(
        &self,
        prompt: &str,
        texts: &[S],
    ) -> Result<Vec<TokenIds>> {
        if prompt.is_empty() {
            return self.encode(texts);
        }
        self.encode_each(texts, |text| self.encode_one(&format!("{prompt}{text}")))
    }

    fn encode_each<S: AsRef<str> + Sync>(
        &self,
        texts: &[S],
        encode: impl Fn(&str) -> std::result::Result<TokenIds, BoxedError> + Sync,
    ) -> Result<Vec<TokenIds>> {
        let encode = |text: &S| encode(text.as_ref());
        tokenized(|| texts.par_iter().map(encode).collect())
    }

    fn encode_one(&self, text: &str) -> std::result::Result<TokenIds, BoxedError> {
        if let Some(of_table) = &self.of_table {
            return of_table.ids(&self.tokenizer, self.max_length, text);
        }
        guarded(|| {
            let encoding = self.tokenizer.encode_fast(text, true)?;
            Ok::<_, BoxedError>(TokenIds {
                ids: encoding.get_ids().to_vec(),
                truncated: !encoding.get_overflowing().is_empty(),
            })
        })
    }

    /// Tokenizes pairs of texts in parallel. A pair that is too long loses tokens of its longer text first.
    ///
    /// # Errors
    ///
    /// As [`encode`](Self::encode).
    pub fn encode_pairs<Q, T>(&self, pairs: &[(Q, T)]) -> Result<Vec<PairTokenIds>>
    where
        Q: AsRef<str> + Sync,
        T: AsRef<str> + Sync,
    {
        let encode = |(first, second): &(Q, T)| self.encode_pair(first.as_ref(), second.as_ref());
        tokenized(|| pairs.par_iter().map(encode).collect())
    }

    fn encode_pair(
        &self,
        first: &str,
        second: &str,
    ) -> std::result::Result<PairTokenIds, BoxedError> {
        guarded(|| {
            let encoding = self.tokenizer.encode_fast((first, second), true)?;
            Ok::<_, BoxedError>(PairTokenIds {
                ids: encoding.get_ids().to_vec(),
                types: self.passes_types.then(|| encoding.get_type_ids().to_vec()),
                truncated: !encoding.get_overflowing().is_empty(),
            })
        })
    }

    /// Checks that pairs fit, and tokenizes one: some faults of a `tokenizer.json` show only with a pair.
    pub(crate) fn check_pairs(&self, folder: &Path, config: &EncoderConfig) -> Result<()> {
        let path = folder.join(TOKENIZER_FILE);
        let special = self.tokenizer.get_post_processor().map_or(0, |processor| {
            tokenizers::PostProcessor::added_tokens(processor, true)
        });
        // A token of each text.
        let smallest = special.saturating_add(2);
        if self.max_length < smallest {
            return Err(ModelError::MaxLength {
                asked: self.max_length,
                smallest,
                largest: config.max_tokens(),
            });
        }
        let pairs = self.encode_pairs(&[("a", "a"), ("", "")])?;
        let wrong = |reason| ModelError::Field {
            path: path.clone(),
            field: "post_processor",
            reason,
        };
        for pair in pairs {
            if let Some(id) = pair
                .ids
                .iter()
                .find(|id| **id as usize >= config.vocab_size)
            {
                return Err(wrong(format!(
                    "token id {id} of a pair is outside the network's vocabulary of {}",
                    config.vocab_size
                )));
            }
            let types = pair.types.iter().flatten();
            let table = config.token_types;
            if let Some(kind) = types
                .copied()
                .find(|kind| table > 1 && *kind as usize >= table)
            {
                return Err(wrong(format!(
                    "token type {kind} of a pair is not below type_vocab_size {table}"
                )));
            }
        }
        Ok(())
    }

    /// The number of tokens that a prompt takes at the beginning of a text, `<s>` included, as
    /// sentence-transformers counts them: those of the prompt alone without a special token at the
    /// end.
    pub(crate) fn prompt_tokens(&self, prompt: &str) -> Result<usize> {
        let tokens = self.encode_one(prompt);
        let ids = tokens
            .map_err(|source| ModelError::Tokenize { source })?
            .ids;
        let added = self.tokenizer.get_added_tokens_decoder();
        let ends_special = ids
            .last()
            .and_then(|last| added.get(last))
            .is_some_and(|token| token.special);
        Ok(ids.len() - usize::from(ends_special))
    }
}
