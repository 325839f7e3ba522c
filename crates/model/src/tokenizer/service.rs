//! Tokenizing for a service: on the calling thread, with another truncation, piece by piece, and back to a text.

use guard::guarded;
use tokenizers::decoders::DecoderWrapper;
use tokenizers::decoders::wordpiece::WordPiece;
use tokenizers::models::ModelWrapper;
use tokenizers::{Tokenizer, TruncationDirection};

use super::{SentenceTokenizer, TokenIds};
use crate::boxed_error::BoxedError;
use crate::error::{ModelError, Result};

/// The side at which a text loses tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TruncationSide {
    /// The beginning.
    Left,
    /// The end.
    Right,
}

/// A token of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Piece {
    /// Its id.
    pub id: u32,
    /// Its text in the vocabulary.
    pub text: String,
    /// Whether it is a special token, such as `<s>`.
    pub special: bool,
    /// Where it stands in the text, in characters; `None` for a special token.
    pub place: Option<(usize, usize)>,
}

impl SentenceTokenizer {
    /// [`encode_with_prompt`](Self::encode_with_prompt) on the calling thread, so that threads that compute need not
    /// become free first.
    ///
    /// # Errors
    ///
    /// As [`encode`](Self::encode).
    pub(crate) fn encode_on_this_thread<S: AsRef<str>>(
        &self,
        prompt: &str,
        texts: &[S],
    ) -> Result<Vec<TokenIds>> {
        let encode = |text: &S| match prompt {
            "" => self.encode_one(text.as_ref()),
            prompt => self.encode_one(&format!("{prompt}{}", text.as_ref())),
        };
        let tokens = texts.iter().map(encode);
        let tokens: std::result::Result<_, BoxedError> = tokens.collect();
        tokens.map_err(|source| ModelError::Tokenize { source })
    }

    /// The first pair that is truncated. Works on the calling thread.
    ///
    /// # Errors
    ///
    /// As [`encode_pairs`](Self::encode_pairs).
    pub(crate) fn first_truncated_pair<Q: AsRef<str>, T: AsRef<str>>(
        &self,
        pairs: &[(Q, T)],
    ) -> Result<Option<usize>> {
        for (place, (first, second)) in pairs.iter().enumerate() {
            let pair = self.encode_pair(first.as_ref(), second.as_ref());
            let pair = pair.map_err(|source| ModelError::Tokenize { source })?;
            if pair.truncated {
                return Ok(Some(place));
            }
        }
        Ok(None)
    }

    /// The side at which texts are truncated.
    pub(crate) fn truncation_side(&self) -> TruncationSide {
        let own = self.tokenizer.get_truncation().map(|own| own.direction);
        let direction = match &self.of_table {
            Some(of_table) => of_table.direction(),
            None => own.unwrap_or_default(),
        };
        match direction {
            TruncationDirection::Left => TruncationSide::Left,
            TruncationDirection::Right => TruncationSide::Right,
        }
    }

    /// The same tokenizer, which truncates at the other side.
    ///
    /// # Errors
    ///
    /// When the truncation cannot be set.
    pub(crate) fn truncating_at_other_side(&self) -> Result<Self> {
        let direction = match self.truncation_side() {
            TruncationSide::Left => TruncationDirection::Right,
            TruncationSide::Right => TruncationDirection::Left,
        };
        let mut other = self.clone();
        if let Some(of_table) = &mut other.of_table {
            of_table.set_direction(direction);
        } else if let Some(own) = self.tokenizer.get_truncation() {
            let mut truncation = own.clone();
            truncation.direction = direction;
            let set = other.tokenizer.with_truncation(Some(truncation));
            set.map_err(|source| ModelError::Tokenize { source })?;
        }
        Ok(other)
    }

    /// The tokens of a text, one by one.
    ///
    /// # Errors
    ///
    /// As [`encode`](Self::encode).
    pub fn pieces(&self, text: &str, special_tokens: bool) -> Result<Vec<Piece>> {
        let encoding = guarded(|| self.tokenizer.encode_char_offsets(text, special_tokens))
            .map_err(|source: BoxedError| ModelError::Tokenize { source })?;
        let tokens = encoding.get_ids().iter().zip(encoding.get_tokens());
        let marks = encoding.get_special_tokens_mask().iter();
        let places = encoding.get_offsets().iter();
        let pieces = tokens.zip(marks.zip(places));
        Ok(pieces
            .map(|((&id, text), (&mark, &place))| Piece {
                id,
                text: text.clone(),
                special: mark == 1,
                place: (mark == 0).then_some(place),
            })
            .collect())
    }

    /// The text of token ids, without special tokens if `skip_special_tokens`. Case, spaces and accents are those that
    /// the tokenizer keeps. Ids that the vocabulary lacks are passed over.
    ///
    /// # Errors
    ///
    /// When the decoder of `tokenizer.json` fails.
    pub fn decode(&self, ids: &[u32], skip_special_tokens: bool) -> Result<String> {
        guarded(|| self.tokenizer.decode(ids, skip_special_tokens))
            .map_err(|source: BoxedError| ModelError::Tokenize { source })
    }
}

/// The decoder of a `tokenizer.json`, if it can be read.
pub(super) fn decoder(part: &str) -> Option<DecoderWrapper> {
    serde_json::from_str::<Option<DecoderWrapper>>(part).ok()?
}

/// The decoder of a tokenizer whose file names none, as that of `vocab.txt`.
pub(super) fn default_decoder(tokenizer: &Tokenizer) -> Option<DecoderWrapper> {
    let is_word_piece = matches!(tokenizer.get_model(), ModelWrapper::WordPiece(_));
    is_word_piece.then(|| DecoderWrapper::WordPiece(WordPiece::default()))
}
