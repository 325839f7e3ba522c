//! A row of JSON as its file has it.

use super::value::keys_of;
use crate::error::RowErrorKind;

/// A row of JSON as its file has it: with the keys that are no columns, and with the types of its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonObject {
    text: String,
    /// The keys, and whether they have a value.
    keys: Vec<(String, bool)>,
}

impl JsonObject {
    /// The object with this text; `json` is the same with numbers that JSON has.
    pub(super) fn new(text: &str, json: &[u8]) -> Result<Self, RowErrorKind> {
        Ok(Self {
            // Strings of JSON have no line breaks but escaped ones.
            text: text.trim().replace(['\n', '\r'], " "),
            keys: keys_of(json)?,
        })
    }

    /// The text of the object, from `{` to `}`, in one line. It may have Python's `NaN` and `Infinity`.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it has no keys.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether it has a key, if only with null.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.keys.iter().any(|(known, _)| known == key)
    }

    /// Its keys, except those with null.
    pub fn filled_keys(&self) -> impl Iterator<Item = &str> {
        let filled = self.keys.iter().filter(|(_, is_filled)| *is_filled);
        filled.map(|(key, _)| key.as_str())
    }
}
