//! Compares the files of a model with their checksums.

use std::path::{Path, PathBuf};

use super::checksum::{Checksum, Content};
use super::error::HubError;
use super::{Origin, mirror};

/// Compares the files of a model with their checksums, as far as these are known: those of the mirror with
/// the published ones, those of the Hugging Face cache with the names under which it stores large files.
///
/// Returns how many files were compared; none for a folder of the caller.
///
/// # Errors
///
/// When a file differs or cannot be read; the error names it.
pub fn verify(folder: &Path, origin: Origin) -> Result<usize, HubError> {
    match origin {
        Origin::Folder | Origin::Shipped => Ok(0),
        Origin::Mirror | Origin::MirrorCache => mirror::verify(folder),
        Origin::HuggingFaceCache | Origin::HuggingFaceHub => verify_snapshot(folder),
    }
}

fn verify_snapshot(folder: &Path) -> Result<usize, HubError> {
    let mut compared = 0;
    for path in files_below(folder)? {
        // The link in a snapshot leads to a content, whose name is a SHA-256 if git stores it elsewhere.
        let blob = path.canonicalize().map_err(io(&path))?;
        let name = blob.file_name().and_then(|name| name.to_str());
        if let Some(checksum) = name.and_then(Checksum::sha256) {
            let content = Content {
                size: None,
                checksum: Some(checksum),
            };
            content.verify(&blob)?;
            compared += 1;
        }
    }
    Ok(compared)
}

fn files_below(folder: &Path) -> Result<Vec<PathBuf>, HubError> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).map_err(io(&folder))? {
            let path = entry.map_err(io(&folder))?.path();
            match path.is_dir() {
                true => folders.push(path),
                false => found.push(path),
            }
        }
    }
    Ok(found)
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> HubError {
    let path = path.to_owned();
    move |source| HubError::Io { path, source }
}
