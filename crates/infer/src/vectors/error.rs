//! Errors of files of vectors.

use std::path::{Path, PathBuf};

use program::atomic_file::TargetErrorKind;

use super::OutputType;
use super::provenance::{Difference, Provenance};
use program::text::quoted;

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
    #[error("{}: cannot tell the format; the name must end in .parquet, .safetensors, .npy, .pt or .jsonl", path.display())]
    NoFormat {
        /// The file.
        path: PathBuf,
    },
    /// A file of ids or ranges would be replaced that belongs to no file of vectors.
    #[error(
        "{}: exists, and does not belong to these vectors; move it away, or give another --output",
        path.display()
    )]
    ForeignFile {
        /// The file.
        path: PathBuf,
    },
    /// The ids are too long for the header of a safetensors file.
    #[error("{}: a safetensors file has no room for so many ids; end the name in .parquet", path.display())]
    TooManyIds {
        /// The file.
        path: PathBuf,
    },
    /// The journal of an interrupted run cannot be used.
    #[error("{}: {kind}", path.display())]
    Journal {
        /// The journal.
        path: PathBuf,
        /// The reason.
        kind: JournalErrorKind,
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
    #[error("not a {format} file: {}", quoted(reason))]
    Malformed {
        /// The format.
        format: &'static str,
        /// The reason.
        reason: String,
    },
    /// The element type is not a floating-point type, or the rank is not 2.
    #[error(
        "holds {}, but a two-dimensional float32 array is needed",
        quoted(found)
    )]
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
    #[error("line {line}: {}", quoted(&source.to_string()))]
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
    /// The vectors are not those that the metadata was written for.
    #[error("the vectors are not those that `infer embed` wrote into this file; embed again")]
    Changed,
    /// The file is of `embed`, but its numbers are not for a search.
    #[error("made with --output-type {output_type}; a search reads f32 and f16")]
    OutputType {
        /// The type of the numbers.
        output_type: OutputType,
    },
    /// The file holds no ranges.
    #[error(
        "holds no ranges; a float32 array [2, {width}] is needed, with the smallest and then the \
         largest value of each dimension"
    )]
    Ranges {
        /// The dimensions of the vectors.
        width: usize,
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

/// Why the journal of an interrupted run cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalErrorKind {
    /// The file has another content.
    #[error(
        "exists, and is no journal of an interrupted run; move it away, or give another --output"
    )]
    Foreign,
    /// It holds rows, and nothing says what becomes of them.
    #[error(
        "holds the rows of an interrupted run; continue it with --resume, or start again with --restart"
    )]
    Interrupted,
    /// A journal of another version of the program.
    #[error("another version of this program wrote the journal; start again with --restart")]
    Version,
    /// Another process writes it.
    #[error("another run is writing this output; wait for it, or give another --output")]
    Locked,
    /// The interrupted run had other settings.
    #[error(
        "the interrupted run had {}; give the same options, or start again with --restart",
        list(differences)
    )]
    Settings {
        /// The settings that differ.
        differences: Vec<Difference>,
    },
    /// The rows of the input have changed since.
    #[error(
        "the first {rows} rows of the input are not those of the interrupted run; start again with \
         --restart"
    )]
    Input {
        /// How many rows were embedded.
        rows: u64,
    },
    /// The disk changed what was written.
    #[error("damaged after {rows} rows; run again with --resume")]
    Damaged {
        /// How many rows can be read.
        rows: u64,
    },
}

pub(crate) fn list(differences: &[Difference]) -> String {
    let texts: Vec<String> = differences.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

pub(super) fn malformed(path: &Path, format: &'static str, reason: String) -> VectorError {
    VectorError::file(path, VectorFileErrorKind::Malformed { format, reason })
}

/// Refuses integers that this program wrote.
pub(super) fn check_output_type(
    path: &Path,
    provenance: Option<&Provenance>,
) -> Result<(), VectorError> {
    match provenance.and_then(Provenance::output_type) {
        None | Some(OutputType::F32 | OutputType::F16) => Ok(()),
        Some(output_type) => Err(VectorError::file(
            path,
            VectorFileErrorKind::OutputType { output_type },
        )),
    }
}

pub(super) fn not_vectors(path: &Path, found: String) -> VectorError {
    VectorError::file(path, VectorFileErrorKind::NotVectors { found })
}

impl VectorError {
    pub(crate) fn io(path: &Path) -> impl Fn(std::io::Error) -> Self + Copy {
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
