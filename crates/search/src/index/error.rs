//! Errors of an index.

use std::io;
use std::path::{Path, PathBuf};

use crate::error::SearchError;
use crate::filter::{ColumnError, FilterError};
use crate::words::WordsError;

/// Why an index cannot be made, opened, changed or asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// The file system refused something.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, as `write`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A folder for a new index holds one.
    #[error("{} holds an index: give another folder, or add to this index", folder.display())]
    Exists {
        /// The folder.
        folder: PathBuf,
    },
    /// A folder for a new index holds something else.
    #[error("{} is not empty: give a new folder for the index", folder.display())]
    NotEmpty {
        /// The folder.
        folder: PathBuf,
    },
    /// A folder without a manifest.
    #[error("{} holds no index: make one with `infer index build`", folder.display())]
    NoIndex {
        /// The folder.
        folder: PathBuf,
    },
    /// Another writer works on the index.
    #[error("another program changes the index {}: wait until it ends", folder.display())]
    Locked {
        /// The folder.
        folder: PathBuf,
    },
    /// A format of another version of this program.
    #[error("{} has format {found}, and this program reads format {expected}: rebuild the index", path.display())]
    Format {
        /// The manifest.
        path: PathBuf,
        /// The format that this program reads.
        expected: u32,
        /// The format of the index.
        found: u32,
    },
    /// A manifest that is not one.
    #[error("{} is damaged: {source}", path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// Where, and why.
        source: serde_json::Error,
    },
    /// A file that is not as it was written.
    #[error("{} is damaged: {reason}; restore the index from a copy or build it again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// How that shows.
        reason: &'static str,
    },
    /// Vectors of another model.
    #[error(
        "the index was built with {model} ({field}: {value}), not with {given_model} ({field}: {given}): \
         give that model, or rebuild the index"
    )]
    OtherModel {
        /// What differs.
        field: &'static str,
        /// The name of the index's model.
        model: String,
        /// The index's value.
        value: String,
        /// The name of the other model.
        given_model: String,
        /// The other model's value.
        given: String,
    },
    /// Settings that no index can have.
    #[error("no index can be made: {reason}")]
    Settings {
        /// What is wrong.
        reason: String,
    },
    /// A document without an id.
    #[error("a document has an empty id")]
    EmptyId,
    /// A document with too many or too few texts or values.
    #[error("document `{id}` has {found} {what}, and the index has {expected} columns for them")]
    Columns {
        /// The document.
        id: String,
        /// `texts` or `values`.
        what: &'static str,
        /// Columns of the index.
        expected: usize,
        /// Texts or values of the document.
        found: usize,
    },
    /// A value that does not fit its column.
    #[error("the value of document `{id}` for column `{column}` is not of the kind {kind}")]
    ValueKind {
        /// The document.
        id: String,
        /// The column.
        column: String,
        /// The name of the column's kind.
        kind: &'static str,
    },
    /// A document without a vector, where the index has none for it.
    #[error("document `{id}` is new or its texts changed: it needs a vector")]
    NeedsVector {
        /// The document.
        id: String,
    },
    /// A vector that the index cannot hold.
    #[error("document `{id}`: {source}")]
    Vector {
        /// The document.
        id: String,
        /// What is wrong with its vector.
        source: SearchError,
    },
    /// More values than a column of a segment can hold.
    #[error("column `{column}`: {source}")]
    Column {
        /// The column.
        column: String,
        /// Why.
        source: ColumnError,
    },
    /// A filter that does not fit the index.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// A query that names a column that the index lacks.
    #[error(
        "there is no filter column `{column}`: the filter columns are {}",
        list(columns)
    )]
    NoSuchColumn {
        /// The column.
        column: String,
        /// The filter columns of the index.
        columns: Vec<String>,
    },
    /// A text cannot name the values of a column.
    #[error("column `{column}` holds values of the kind {kind}: boost a column of texts or keys")]
    NoTexts {
        /// The column.
        column: String,
        /// The name of its kind.
        kind: &'static str,
    },
    /// A boost that would order nothing.
    #[error("the boost of column `{column}` is {weight}: give a number from 0 on")]
    BoostWeight {
        /// The column.
        column: String,
        /// Its weight.
        weight: f32,
    },
    /// Boosts of too many columns.
    #[error("{found} columns are boosted: name at most {most}")]
    TooManyBoosts {
        /// Columns.
        found: usize,
        /// The most.
        most: usize,
    },
    /// A query whose vector cannot be compared with those of the index.
    #[error("the query's vector: {0}")]
    Query(#[from] SearchError),
    /// Words that cannot be written or read.
    #[error(transparent)]
    Words(#[from] WordsError),
    /// An earlier write failed, so that the writer's state is not that of its files.
    #[error("an earlier write to {} failed: open the index again", folder.display())]
    WriterFailed {
        /// The folder.
        folder: PathBuf,
    },
}

impl IndexError {
    /// Whether another command would mend it, not another index.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::Exists { .. }
                | Self::NotEmpty { .. }
                | Self::NoIndex { .. }
                | Self::OtherModel { .. }
                | Self::Settings { .. }
                | Self::NoSuchColumn { .. }
                | Self::NoTexts { .. }
                | Self::BoostWeight { .. }
                | Self::TooManyBoosts { .. }
        )
    }

    /// An [`IndexError::Io`] of an action on a path.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }

    /// An [`IndexError::Damaged`] of a file.
    pub(super) fn damaged(path: &Path, reason: &'static str) -> Self {
        Self::Damaged {
            path: path.to_owned(),
            reason,
        }
    }
}

fn list(columns: &[String]) -> String {
    if columns.is_empty() {
        return "none".to_owned();
    }
    columns.join(", ")
}
