//! Errors of words.

use std::path::PathBuf;

/// Words that cannot be written or searched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WordsError {
    /// The weight of a field is no weight.
    #[error("text column '{field}' has the weight {weight}; give a finite number from 0 on")]
    Weight {
        /// The field.
        field: String,
        /// Its weight.
        weight: f32,
    },
    /// The words could not be written.
    #[error("{folder}: the words cannot be written ({source})", folder = folder.display())]
    Write {
        /// The folder of the words.
        folder: PathBuf,
        /// The error of tantivy or of the operating system.
        source: guard::BoxedError,
    },
    /// A row with another number of texts.
    #[error("row {row} has {found} texts, but there are {expected} text columns")]
    Texts {
        /// Row, from 0.
        row: usize,
        /// Number of texts given.
        found: usize,
        /// Number of text columns.
        expected: usize,
    },
    /// The words could not be read, or are damaged.
    #[error("{folder}: the words cannot be read ({source})", folder = folder.display())]
    Read {
        /// The folder of the words.
        folder: PathBuf,
        /// The error of tantivy, or the message of its panic.
        source: guard::BoxedError,
    },
    /// The words are of other text columns, or not of one segment.
    #[error("{folder}: these are not the words of {expected} text columns in one segment; build the index again", folder = folder.display())]
    Other {
        /// The folder of the words.
        folder: PathBuf,
        /// Number of text columns.
        expected: usize,
    },
}
