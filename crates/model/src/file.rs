//! JSON files of a model folder, with errors that name the file.

use std::fs::File;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_path_to_error::Track;

use crate::error::{ModelError, Result};

/// Reads and parses a JSON file.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    parse_json(path, &read_bytes(path)?)
}

/// Reads a file.
pub(crate) fn read_bytes(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|source| ModelError::io(path, source))
}

/// Parses the content of a JSON file; `path` is named in errors.
pub(crate) fn parse_json<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T> {
    if is_git_lfs_pointer(bytes) {
        return Err(ModelError::GitLfsPointer {
            path: path.to_owned(),
        });
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|source| ModelError::Json {
        path: path.to_owned(),
        source,
    })?;
    json.end().map_err(|source| of_no_field(path, source))?;
    Ok(value)
}

/// Whether a file is the text that Git stores in place of a large file.
pub(crate) fn is_git_lfs_pointer(start: &[u8]) -> bool {
    start.starts_with(b"version https://git-lfs.github.com/spec/")
}

/// Reads and parses a JSON file that may be missing.
pub(crate) fn read_optional_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    if path.exists() {
        read_json(path).map(Some)
    } else {
        Ok(None)
    }
}

/// Writes a value as indented JSON with a final line break.
pub(crate) fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<()> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(|source| of_no_field(path, source))?;
    bytes.push(b'\n');
    std::fs::write(path, bytes).map_err(|source| ModelError::io(path, source))
}

/// After a power failure, a synced folder has the files and contents that it has now, and its own name if its
/// parent is synced too.
pub(crate) fn sync_folder(folder: &Path) -> Result<()> {
    for entry in folder
        .read_dir()
        .map_err(|source| ModelError::io(folder, source))?
    {
        let path = entry
            .map_err(|source| ModelError::io(folder, source))?
            .path();
        if path.is_dir() {
            sync_folder(&path)?;
        } else {
            sync(&path)?;
        }
    }
    sync(folder)
}

/// Syncs a file or the names in a folder. Windows syncs no file that is open for reading alone.
pub(crate) fn sync(path: &Path) -> Result<()> {
    if cfg!(unix) {
        File::open(path)
            .and_then(|file| file.sync_all())
            .map_err(|source| ModelError::io(path, source))?;
    }
    Ok(())
}

fn of_no_field(path: &Path, source: serde_json::Error) -> ModelError {
    ModelError::Json {
        path: path.to_owned(),
        source: serde_path_to_error::Error::new(Track::new().path(), source),
    }
}
