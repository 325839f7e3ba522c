//! Losses as words: on the command line, in files and in messages.

use std::fmt;
use std::str::FromStr;

use super::error::LossError;
use super::loss::Loss;

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Reads a name, or `mnrl`, as the loss with its default parameters.
impl FromStr for Loss {
    type Err = LossError;

    fn from_str(word: &str) -> Result<Self, LossError> {
        let name = if word == "mnrl" {
            "multiple-negatives-ranking"
        } else {
            word
        };
        Self::ALL
            .into_iter()
            .find(|loss| loss.name() == name)
            .ok_or_else(|| LossError::Unknown(word.to_owned()))
    }
}
