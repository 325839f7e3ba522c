//! Reads and writes files of `torch.save`, from PyTorch 1.6 on: a zip archive of a pickle and raw values.
//!
//! | task | module |
//! | --- | --- |
//! | entries of the zip archive: lengths, positions, checksums | `archive` |
//! | the pickle as a flat table of values; nothing is executed | `pickle` |
//! | the tensors that the pickle describes | `contents` |
//! | the values of a tensor in row-major order | `file`, `strided` |
//! | a file of one tensor | `write` |
//!
//! A file is untrusted. Each checksum and each length is compared, and no damaged value is returned. Opening a file
//! takes less than 64 MB of memory; reading a tensor takes its size and at most 16 MiB more.
//!
//! These bytes of a file have no effect: times, versions, attributes and comments of zip entries, the padding in
//! the headers of entries, and the entries that no tensor needs (`version`, `.data/serialization_id` and others).

mod archive;
mod contents;
mod error;
mod file;
mod pickle;
mod strided;
mod tensor;
mod write;

pub use contents::Contents;
pub use error::{EntryErrorKind, PickleErrorKind, TensorErrorKind, TorchError};
pub use file::TorchFile;
pub use tensor::{Dtype, Tensor};
pub use write::TensorWriter;
