//! Tokens of a static model: no special token around a text, and mostly no limit.

use std::path::Path;

use guard::guarded;
use serde_json::Value;
use tokenizers::{Tokenizer, TruncationDirection};

use super::word_pieces::WordPieces;
use super::{SentenceTokenizer, TOKENIZER_FILE, TokenIds};
use crate::boxed_error::BoxedError;
use crate::error::{ModelError, Result};
use crate::file::{is_git_lfs_pointer, parse_json};

/// The maximum length of a tokenizer that never truncates.
pub(crate) const NO_LIMIT: usize = u32::MAX as usize;

/// The rules of model2vec.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Model2VecRules {
    /// Maximum tokens of a text, unless there is no limit.
    pub(crate) max_length: Option<usize>,
}

/// How the tokens of a text are chosen.
#[derive(Clone, Debug)]
pub(super) struct TableTokens {
    word_pieces: Option<WordPieces>,
    direction: TruncationDirection,
    /// Characters of a text that are looked at.
    characters: Option<usize>,
    /// A token that does not count.
    left_out: Option<u32>,
}

impl SentenceTokenizer {
    /// The tokenizer of a static model of sentence-transformers with `tokens` token ids, from the content of
    /// `tokenizer.json`.
    ///
    /// # Errors
    ///
    /// When it is no tokenizer, or when its ids reach beyond `tokens`.
    pub fn of_static(tokenizer: &[u8], tokens: usize) -> Result<Self> {
        Self::of_table_from_bytes(Path::new(TOKENIZER_FILE), tokenizer, tokens, None)
    }

    /// Reads `tokenizer.json` of a static model with `tokens` token ids. Its truncation applies, unlike that of other
    /// models, and so do the rules of model2vec for a folder of model2vec.
    ///
    /// # Errors
    ///
    /// When the file is missing or damaged, or when its ids reach beyond the table.
    pub(crate) fn of_table(
        folder: &Path,
        tokens: usize,
        rules: Option<Model2VecRules>,
    ) -> Result<Self> {
        let path = folder.join(TOKENIZER_FILE);
        if !path.is_file() {
            return Err(ModelError::NoTokenizer {
                folder: folder.to_owned(),
            });
        }
        let bytes = std::fs::read(&path).map_err(|source| ModelError::io(&path, source))?;
        Self::of_table_from_bytes(&path, &bytes, tokens, rules)
    }

    /// As [`of_table`](Self::of_table), from the content of `tokenizer.json`; `path` is named in errors.
    pub(crate) fn of_table_from_bytes(
        path: &Path,
        bytes: &[u8],
        tokens: usize,
        rules: Option<Model2VecRules>,
    ) -> Result<Self> {
        if is_git_lfs_pointer(bytes) {
            return Err(ModelError::GitLfsPointer {
                path: path.to_owned(),
            });
        }
        let unreadable = |source| ModelError::Tokenizer {
            path: path.to_owned(),
            source,
        };
        let mut tokenizer = guarded(|| Tokenizer::from_bytes(bytes)).map_err(unreadable)?;
        let truncation = tokenizer.get_truncation().cloned();
        tokenizer.with_truncation(None).map_err(unreadable)?;
        tokenizer.with_padding(None);
        let vocabulary = tokenizer.get_vocab(true);
        let largest = vocabulary.values().max().map_or(0, |id| *id as usize);
        if largest >= tokens {
            return Err(ModelError::Field {
                path: path.to_owned(),
                field: "model.vocab",
                reason: format!("token id {largest} is outside the table of {tokens} tokens"),
            });
        }
        let mut of_table = TableTokens {
            word_pieces: WordPieces::of(&tokenizer),
            direction: truncation
                .as_ref()
                .map_or_else(TruncationDirection::default, |own| own.direction),
            characters: None,
            left_out: None,
        };
        let mut max_length = truncation.map_or(NO_LIMIT, |own| own.max_length);
        if let Some(rules) = rules {
            max_length = rules.max_length.unwrap_or(NO_LIMIT);
            of_table.direction = TruncationDirection::Right;
            let median = median_length(vocabulary.keys());
            of_table.characters = rules.max_length.map(|tokens| tokens.saturating_mul(median));
            of_table.left_out = unknown_token(&tokenizer, &parse_json(path, bytes)?);
        }
        let tokenizer = Self {
            tokenizer,
            max_length,
            passes_types: false,
            of_table: Some(of_table),
        };
        let tried = tokenizer.encode_one("a");
        tried.map_err(unreadable)?;
        Ok(tokenizer)
    }

    /// The same tokenizer with another maximum length.
    pub(crate) fn with_max_length(mut self, max_length: usize) -> Self {
        self.max_length = max_length;
        self
    }
}

impl TableTokens {
    pub(super) fn direction(&self) -> TruncationDirection {
        self.direction
    }

    pub(super) fn set_direction(&mut self, direction: TruncationDirection) {
        self.direction = direction;
    }

    /// The ids of a text: cut to the maximum length, then without the token that does not count, as model2vec does it.
    pub(super) fn ids(
        &self,
        tokenizer: &Tokenizer,
        max_length: usize,
        text: &str,
    ) -> std::result::Result<TokenIds, BoxedError> {
        let (text, mut truncated) = self.beginning(text);
        let mut ids = match &self.word_pieces {
            Some(pieces) => pieces.ids(text, |part, ids| {
                ids.extend(guarded(|| tokenizer.encode_fast(part, false))?.get_ids());
                Ok(())
            })?,
            None => guarded(|| tokenizer.encode_fast(text, false))?
                .get_ids()
                .to_vec(),
        };
        if ids.len() > max_length {
            truncated = true;
            match self.direction {
                TruncationDirection::Right => ids.truncate(max_length),
                TruncationDirection::Left => drop(ids.drain(..ids.len() - max_length)),
            }
        }
        if let Some(left_out) = self.left_out {
            ids.retain(|id| *id != left_out);
        }
        Ok(TokenIds { ids, truncated })
    }

    /// The characters that are looked at, and whether there are more.
    fn beginning<'a>(&self, text: &'a str) -> (&'a str, bool) {
        // A character has at least one byte.
        let Some(characters) = self.characters.filter(|most| text.len() > *most) else {
            return (text, false);
        };
        match text.char_indices().nth(characters) {
            Some((end, _)) => (&text[..end], true),
            None => (text, false),
        }
    }
}

/// The id of the token for unknown words.
fn unknown_token(tokenizer: &Tokenizer, file: &Value) -> Option<u32> {
    let model = &file["model"];
    match model["unk_token"].as_str() {
        Some(token) => tokenizer.token_to_id(token),
        None => u32::try_from(model["unk_id"].as_u64()?).ok(),
    }
}

/// The median of the tokens' lengths in characters, rounded down.
fn median_length<'a>(tokens: impl Iterator<Item = &'a String>) -> usize {
    let mut lengths: Vec<usize> = tokens.map(|token| token.chars().count()).collect();
    lengths.sort_unstable();
    let middle = lengths.len() / 2;
    match (lengths.len() % 2, lengths.get(middle)) {
        (_, None) => 0,
        (0, Some(upper)) => (lengths[middle - 1] + upper) / 2,
        (_, Some(length)) => *length,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_is_the_mean_of_two_rounded_down() {
        let median = |tokens: &[&str]| {
            let tokens: Vec<String> = tokens.iter().map(|&token| token.to_owned()).collect();
            median_length(tokens.iter())
        };
        assert_eq!(median(&[]), 0);
        assert_eq!(median(&["é"]), 1);
        assert_eq!(median(&["a", "bbbb", "cc", "ddd"]), 2);
    }
}
