//! The number of vectors of a file, without reading them.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use super::{VectorFormat, npy, pt};

/// The number of vectors of a `.npy` or `.pt` file, from its header.
pub(super) fn count(path: &Path, format: VectorFormat) -> Option<u64> {
    let mut reader = BufReader::new(File::open(path).ok()?);
    match format {
        VectorFormat::Npy => npy::read_header(&mut reader).ok()?.shape.first().copied(),
        VectorFormat::Pt => pt::count(path),
        _ => None,
    }
}
