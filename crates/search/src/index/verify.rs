//! Whether an index is as it was written.

use std::path::Path;

use crate::index::error::IndexError;
use crate::index::files::map_checked;
use crate::index::manifest::Manifest;
use crate::index::reader::IndexReader;

/// An index that is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Counts the commits that changed something.
    pub number: u64,
    /// Rows that are not deleted.
    pub rows: u64,
    /// Segments.
    pub segments: usize,
    /// Files whose checksums were compared, with the manifest.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
}

/// Reads every byte of the index in a folder.
///
/// # Errors
///
/// The first that is wrong: [`IndexError::Damaged`] with the file, [`IndexError::Io`] for one that is
/// absent, and as [`IndexReader::open`].
pub fn verify(folder: &Path) -> Result<Report, IndexError> {
    // While it is open, a writer may remove its files, but not what is mapped.
    let reader = IndexReader::open(folder)?;
    let manifest = Manifest::read(folder)?;
    let mut report = Report {
        number: manifest.number,
        rows: reader.len(),
        segments: manifest.segments.len(),
        files: 1,
        bytes: 0,
    };
    for segment in &manifest.segments {
        let folder = folder.join(&segment.name);
        for entry in segment.files.iter().chain(&segment.deleted) {
            map_checked(&folder, entry)?;
            report.files += 1;
            report.bytes += entry.bytes;
        }
    }
    for document in reader.documents() {
        document?;
    }
    Ok(report)
}
