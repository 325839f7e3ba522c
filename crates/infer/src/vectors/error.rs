//! Errors of files of vectors.

use std::path::{Path, PathBuf};

use program::atomic_file::TargetErrorKind;

/// A file of vectors that cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VectorError {
    /// The file cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
    /// The name is not one for an output.
    #[error("{}: {kind}", path.display())]
    Target {
        /// The name.
        path: PathBuf,
        /// The reason.
        kind: TargetErrorKind,
    },
    /// The file is damaged or holds no vectors.
    #[error("{}: {kind}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The damage.
        kind: VectorFileErrorKind,
    },
    /// The ending of the name is no format.
    #[error("{}: cannot tell the format; the name must end in .npy, .safetensors, .pt or .jsonl", path.display())]
    NoFormat {
        /// The file.
        path: PathBuf,
    },
    /// The values are not one vector per row.
    #[error("{values} values are not {rows} vectors of width {width}")]
    Shape {
        /// Number of values.
        values: usize,
        /// Number of rows.
        rows: usize,
        /// Width of the file.
        width: usize,
    },
}

/// The damage of a file of vectors.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VectorFileErrorKind {
    /// The file does not have the format of its ending.
    #[error("not a {format} file: {reason}")]
    Malformed {
        /// The format.
        format: &'static str,
        /// The reason.
        reason: String,
    },
    /// The element type is not float32, or the rank is not 2.
    #[error("holds {found}, but a two-dimensional float32 array is needed")]
    NotVectors {
        /// Element type and shape.
        found: String,
    },
    /// The number of bytes is not that of the shape.
    #[error("holds {found} bytes of values, but its shape {rows} x {width} needs {expected}")]
    Size {
        /// Rows of the shape.
        rows: u64,
        /// Width of the shape.
        width: u64,
        /// Bytes of the shape.
        expected: u128,
        /// Bytes of values in the file.
        found: u64,
    },
    /// A row has another width than the first.
    #[error("line {line}: {found} values, but the first line has {expected}")]
    Width {
        /// The line, from 1.
        line: u64,
        /// Width of the first row.
        expected: usize,
        /// Width of this one.
        found: usize,
    },
    /// A line holds no vector.
    #[error("line {line}: {source}")]
    Line {
        /// The line, from 1.
        line: u64,
        /// The error of the JSON.
        source: serde_json::Error,
    },
    /// A value is NaN or infinite.
    #[error("row {row}, column {column} holds {value}")]
    NotFinite {
        /// Row, from 0.
        row: usize,
        /// Column, from 0.
        column: usize,
        /// The value.
        value: f32,
    },
    /// The number of ids is not that of vectors.
    #[error("{ids} ids for {rows} vectors")]
    Ids {
        /// Number of ids.
        ids: usize,
        /// Number of vectors.
        rows: usize,
    },
}

impl VectorError {
    pub(super) fn io(path: &Path) -> impl Fn(std::io::Error) -> Self + Copy {
        move |source| Self::Io {
            path: path.to_owned(),
            source,
        }
    }

    pub(super) fn file(path: &Path, kind: VectorFileErrorKind) -> Self {
        Self::File {
            path: path.to_owned(),
            kind,
        }
    }

    /// The error of the system, if it was one.
    #[must_use]
    pub fn io_source(&self) -> Option<&std::io::Error> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
