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
    loop {
        let reader = IndexReader::open(folder)?;
        match verify_commit(folder, &reader) {
            // A writer removes the files of older commits.
            Err(_) if Manifest::read(folder)?.number != reader.manifest.number => {}
            verified => return verified,
        }
    }
}

fn verify_commit(folder: &Path, reader: &IndexReader) -> Result<Report, IndexError> {
    let manifest = &reader.manifest;
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
