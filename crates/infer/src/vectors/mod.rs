//! Files of vectors.
//!
//! | subject | module |
//! | --- | --- |
//! | the formats and their endings | `format` |
//! | writing vectors row by row into an [`AtomicFile`](program::AtomicFile) | `write` |
//! | reading a file of vectors into memory | `read` |
//! | one module per format | `npy`, `safetensors`, `pt`, `jsonl` |
//!
//! All four formats hold float32 values `[rows, width]`. JSON Lines also holds ids and texts. For
//! the other formats, the file `FILE.ids.txt` holds the ids, one per line.

mod error;
mod format;
mod jsonl;
mod npy;
mod pt;
mod read;
mod safetensors;
mod write;

use model::Embeddings;
use search::{SearchError, VectorsView};

pub use error::{VectorError, VectorFileErrorKind};
pub use format::VectorFormat;
pub use read::{Vectors, read_vectors};
pub use write::{VectorWriter, check_target};

/// The vectors of an encoder, as `search` takes them: `[len, width]`.
///
/// # Errors
///
/// When the width is 0.
pub fn view(vectors: &Embeddings) -> Result<VectorsView<'_>, SearchError> {
    VectorsView::new(vectors.values(), vectors.width())
}
