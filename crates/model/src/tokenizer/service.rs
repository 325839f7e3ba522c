//! Tokenizing for a service: on the calling thread, with another truncation, piece by piece.

use guard::guarded;
use tokenizers::TruncationDirection;

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
}
