//! What one call asks of an encoder.

use super::route::Finish;
use super::{Prompt, SentenceEncoder};
use crate::error::{ModelError, Result};

/// What one call asks of a [`SentenceEncoder`]; what it does not say is as the encoder was loaded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EncodeOptions {
    /// The prompt; with a Router, also what the texts are for.
    pub prompt: Prompt,
    /// A text in the place of that of the prompt; the empty text is no prompt.
    pub prompt_text: Option<String>,
    /// The dimensions to keep, the first ones of each vector.
    pub dimensions: Option<usize>,
    /// Whether the kept dimensions are scaled to L2 norm 1. Of none, as the encoder was loaded: a model that normalizes
    /// does so before its vectors are cut.
    pub normalize: Option<bool>,
}

impl EncodeOptions {
    /// Options with a prompt.
    #[must_use]
    pub fn with_prompt(prompt: Prompt) -> Self {
        Self {
            prompt,
            ..Self::default()
        }
    }

    /// The text before every text.
    pub(super) fn text<'a>(&'a self, encoder: &'a SentenceEncoder) -> Result<&'a str> {
        match &self.prompt_text {
            Some(text) => Ok(text),
            None => encoder.prompt_text(&self.prompt),
        }
    }

    /// What becomes of vectors of `width` numbers that `loaded` would finish.
    pub(super) fn finish(&self, loaded: Finish, width: usize) -> Result<Finish> {
        let mut finish = loaded;
        if let Some(asked) = self.dimensions {
            if asked == 0 || asked > width {
                return Err(ModelError::Dimensions { asked, width });
            }
            finish.dimensions.kept = asked;
        }
        if let Some(normalize) = self.normalize {
            finish.normalize = normalize;
            finish.dimensions.normalized_after = true;
        }
        Ok(finish)
    }
}
