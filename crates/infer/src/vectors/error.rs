//! What can be wrong with a file of vectors.

use std::path::{Path, PathBuf};

pub use crate::unfinished::TargetProblem;

/// A file of vectors that cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VectorError {
    /// The file cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Nothing can be written under that name.
    #[error("{}: {problem}", path.display())]
    Target {
        /// The name.
        path: PathBuf,
        /// Why.
        problem: TargetProblem,
    },
    /// The file is damaged or holds something else.
    #[error("{}: {problem}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: VectorFileProblem,
    },
    /// The name does not tell the format.
    #[error("{}: cannot tell the format; the name must end in .npy, .safetensors, .pt or .jsonl", path.display())]
    NoFormat {
        /// The file.
        path: PathBuf,
    },
    /// Vectors that do not fit their records.
    #[error("{values} values are not {records} vectors of width {width}")]
    Shape {
        /// Values given.
        values: usize,
        /// Records given.
        records: usize,
        /// Width of the file.
        width: usize,
    },
}

/// What is wrong with a file of vectors.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VectorFileProblem {
    /// Not of its format.
    #[error("not a {format} file: {reason}")]
    Malformed {
        /// The format by its ending.
        format: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// Another element type or rank.
    #[error("holds {found} where a two-dimensional float32 array is needed")]
    NotVectors {
        /// What it holds.
        found: String,
    },
    /// Fewer or more bytes than the shape needs.
    #[error("holds {found} bytes of values where its shape {rows} x {width} needs {expected}")]
    Size {
        /// Rows by its shape.
        rows: u64,
        /// Width by its shape.
        width: u64,
        /// Bytes of that.
        expected: u128,
        /// Bytes there are.
        found: u64,
    },
    /// A row of another width than the first.
    #[error("line {line}: {found} values where the first line has {expected}")]
    Width {
        /// The line, from 1.
        line: u64,
        /// Width of the first row.
        expected: usize,
        /// Width of this one.
        found: usize,
    },
    /// A line that holds no vector.
    #[error("line {line}: {source}")]
    Line {
        /// The line, from 1.
        line: u64,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// A NaN or an infinity.
    #[error("row {row}, column {column} holds {value}")]
    NotFinite {
        /// Row, from 0.
        row: usize,
        /// Column, from 0.
        column: usize,
        /// The value.
        value: f32,
    },
    /// More or fewer ids than vectors.
    #[error("{ids} ids for {rows} vectors")]
    Ids {
        /// Ids there are.
        ids: usize,
        /// Vectors there are.
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

    pub(super) fn problem(path: &Path, problem: VectorFileProblem) -> Self {
        Self::File {
            path: path.to_owned(),
            problem,
        }
    }

    /// What the system said, where it did.
    #[must_use]
    pub fn io_source(&self) -> Option<&std::io::Error> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
