//! A row of an index.

use crate::filter::Value;
use crate::index::error::IndexError;
use crate::index::settings::Settings;

/// A row that goes into an index or comes out of it, without its vector.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Document {
    /// Names the row: no two rows of an index have the same id. Not empty.
    pub id: String,
    /// One for every text column of the index, in their order.
    pub texts: Vec<String>,
    /// One for every filter column of the index, in their order.
    pub values: Vec<Option<Value>>,
}

/// What an index needs for a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing: the index holds the document as it is.
    Unchanged,
    /// Its values: the row of this id has the same texts, so that its vector is right.
    SameTexts,
    /// Everything, with a vector.
    New,
}

/// Texts of several columns as one: those that are not blank, joined by a space. It is the text that is embedded.
#[must_use]
pub fn joined(texts: &[String]) -> String {
    match texts {
        // A single text stays as it is, also a blank one.
        [text] => text.clone(),
        _ => {
            let texts = texts.iter().map(String::as_str);
            let texts = texts.filter(|text| !text.trim().is_empty());
            texts.collect::<Vec<_>>().join(" ")
        }
    }
}

impl Document {
    /// Fails where the document is no row of an index with these settings.
    ///
    /// # Errors
    ///
    /// [`IndexError::EmptyId`], [`IndexError::Columns`] or [`IndexError::ValueKind`].
    pub fn check(&self, settings: &Settings) -> Result<(), IndexError> {
        if self.id.is_empty() {
            return Err(IndexError::EmptyId);
        }
        for (what, expected, found) in [
            ("texts", settings.text_columns.len(), self.texts.len()),
            ("values", settings.filter_columns.len(), self.values.len()),
        ] {
            if expected != found {
                return Err(IndexError::Columns {
                    id: self.id.clone(),
                    what,
                    expected,
                    found,
                });
            }
        }
        for (column, value) in settings.filter_columns.iter().zip(&self.values) {
            if value.as_ref().is_some_and(|value| !value.fits(column.kind)) {
                return Err(IndexError::ValueKind {
                    id: self.id.clone(),
                    column: column.name.clone(),
                    kind: column.kind.name(),
                });
            }
        }
        Ok(())
    }
}
