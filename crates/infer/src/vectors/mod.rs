//! Files of vectors.
//!
//! | subject | module |
//! | --- | --- |
//! | the formats and their endings | `format` |
//! | the types of written numbers, the numbers, and the ranges of 8-bit integers | `output_type`, `numbers`, `ranges` |
//! | rows with their vectors on the way into a file | `windows` |
//! | the form of a file, and writing it into an [`AtomicFile`](program::AtomicFile) | `file_form`, `write` |
//! | keeping them while a long run computes, to resume it after a kill | `journal` |
//! | reading a file of vectors into memory, or only their number | `read`, `values`, `count` |
//! | what vectors were made of | `provenance` |
//! | the file of ids beside a format that has no room for them | `ids` |
//! | one module per format | `parquet_file`, `safetensors`, `npy`, `pt` (on [`pytorch`]), `jsonl` |
//!
//! All formats hold a matrix `[rows, width]`. Parquet and safetensors also hold ids and provenance,
//! Parquet and JSON Lines ids and texts. For the other formats, the file `FILE.ids.txt` holds the
//! ids, one per line.

mod count;
mod error;
mod file_form;
mod format;
mod ids;
mod journal;
pub mod jsonl;
mod npy;
mod numbers;
mod output_type;
mod parquet_file;
mod provenance;
mod pt;
mod ranges;
mod read;
mod safetensors;
mod values;
mod windows;
mod write;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use model::Embeddings;
use program::atomic_file::resolve_target;
use search::{SearchError, VectorsView};

pub(crate) use error::list;
pub use error::{JournalErrorKind, VectorError, VectorFileErrorKind};
pub use file_form::FileForm;
pub use format::VectorFormat;
pub use ids::{earlier_ids, ids_path};
pub use journal::{Earlier, Journal, Settings, can_resume};
pub use output_type::OutputType;
pub use provenance::{Difference, Provenance, TextsHash};
pub use ranges::{CALIBRATION_ROWS, Ranges, is_ranges_file, ranges_path};
pub use read::read_vectors;
pub use values::Vectors;
pub use windows::{OneWindow, Windows};
pub use write::write_vectors;

/// The vectors of an encoder, as `search` takes them: `[len, width]`.
///
/// # Errors
///
/// When the width is 0.
pub fn view(vectors: &Embeddings) -> Result<VectorsView<'_>, SearchError> {
    VectorsView::new(vectors.values(), vectors.width())
}

/// The regular file that `path` replaces or creates; links are followed. Call it before the work.
///
/// # Errors
///
/// When a folder or a device has that name, or the folder of the file does not exist.
pub fn check_target(path: &Path) -> Result<PathBuf, VectorError> {
    resolve_target(path).map_err(|kind| VectorError::Target {
        path: path.to_owned(),
        kind,
    })
}

/// The name of a file that belongs to another one.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    name.into()
}
