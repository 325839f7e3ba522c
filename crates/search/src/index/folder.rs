//! The folder of an index: its lock, and what no commit needs any more.

use std::fs::{File, TryLockError};
use std::path::Path;

use crate::index::error::IndexError;
use crate::index::files::UNFINISHED;
use crate::index::manifest::{MANIFEST, Manifest, REBUILD, is_absent};
use crate::index::names;

/// Takes a lock of this name, which ends with the file.
pub(super) fn lock(folder: &Path, name: &str) -> Result<File, IndexError> {
    let path = folder.join(name);
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(IndexError::io("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(IndexError::Locked {
            folder: folder.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(IndexError::io("lock", &path)(source)),
    }
}

/// The name of a manifest that is not whole yet.
pub(super) fn unfinished_manifest() -> String {
    format!("{MANIFEST}{UNFINISHED}")
}

/// Removes what neither this manifest nor the other of the folder names any more. What cannot be removed,
/// as a file that a reader holds on Windows, stays until the next commit.
pub(super) fn remove_unused(folder: &Path, manifest: &Manifest, other: Option<&Manifest>) {
    for name in [MANIFEST, REBUILD] {
        let _ = std::fs::remove_file(folder.join(format!("{name}{UNFINISHED}")));
    }
    let segments = || {
        let others = other.into_iter().flat_map(|other| &other.segments);
        manifest.segments.iter().chain(others)
    };
    for entry in names_in(folder) {
        if names::segment_number(&entry).is_none() {
            continue;
        }
        let path = folder.join(&entry);
        let Some(segment) = segments().find(|segment| segment.name == entry) else {
            let _ = std::fs::remove_dir_all(path);
            continue;
        };
        let used = segment.deleted.as_ref().map(|file| file.name.as_str());
        for name in names_in(&path) {
            if names::is_deleted(&name) && Some(name.as_str()) != used {
                let _ = std::fs::remove_file(path.join(name));
            }
        }
    }
}

/// Removes what a merge in the background has left that was killed.
pub(super) fn remove_unfinished_merge(index: &Path) {
    let folder = index.join(names::MERGE);
    if folder.exists()
        && let Ok(_lock) = lock(index, names::MERGE_LOCK)
    {
        // What stays is removed by the next merge.
        let _ = remove_folder(&folder);
    }
}

/// Removes a folder, if there is one.
pub(super) fn remove_folder(folder: &Path) -> Result<(), IndexError> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if !is_absent(&error) => Err(IndexError::io("remove", folder)(error)),
        _ => Ok(()),
    }
}

/// The names in a folder; none where it cannot be read.
pub(super) fn names_in(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}
