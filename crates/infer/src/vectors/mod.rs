//! Vectors into files and out of them again.
//!
//! | word | module |
//! | --- | --- |
//! | which format | `format` |
//! | row by row into a file, which gets its name when it is whole | `write` |
//! | a whole file into memory | `read` |
//! | the formats | `npy`, `safetensors`, `pt` (a zip file with a `pickle`), `jsonl` |
//!
//! All four hold float32 values `[rows, width]`. JSON Lines holds ids and texts too; beside the
//! others, ids stand in `FILE.ids.txt`, one a line.

mod error;
mod format;
mod jsonl;
mod npy;
mod pickle;
mod pt;
mod read;
mod safetensors;
mod write;

pub use error::{TargetProblem, VectorError, VectorFileProblem};
pub use format::VectorFormat;
pub use read::{Vectors, read_vectors};
pub use write::{VectorWriter, check_target};
