//! What the hub says of the files of a revision.

use std::collections::HashMap;

use serde::Deserialize;

use super::checksum::{Checksum, Content};
use super::client_error::ClientError;
use super::names::stays_inside;

/// A revision of a model as the hub lists it.
#[derive(Debug)]
pub(super) struct Listing {
    /// Can be part of a path.
    pub commit: String,
    /// All that the repository holds, by names that are not checked.
    pub files: Vec<ListedFile>,
}

impl Listing {
    pub(super) fn file(&self, name: &str) -> Option<&ListedFile> {
        self.files.iter().find(|file| file.name == name)
    }

    /// Adds the sizes and checksums of a tree.
    pub(super) fn complete(&mut self, tree: Vec<TreeEntry>) {
        let mut entries: HashMap<_, _> = tree
            .into_iter()
            .map(|entry| (entry.path, (entry.size, entry.lfs)))
            .collect();
        for file in &mut self.files {
            if let Some((size, lfs)) = entries.remove(&file.name) {
                file.size = file.size.or(size);
                file.lfs = file.lfs.take().or(lfs);
            }
        }
    }
}

/// A file of a repository.
#[derive(Debug, Deserialize)]
pub(super) struct ListedFile {
    /// From the repository's top, `/` between the folders.
    #[serde(rename = "rfilename")]
    pub name: String,
    /// Bytes, where the server says so.
    #[serde(default)]
    pub size: Option<u64>,
    /// The object that git stores; of a large file that is only a pointer to it.
    #[serde(default, rename = "blobId")]
    blob_id: Option<String>,
    #[serde(default)]
    lfs: Option<LargeFile>,
}

/// A file that git stores elsewhere.
#[derive(Debug, Deserialize)]
struct LargeFile {
    // Its name in the listing, and in the tree.
    #[serde(alias = "oid")]
    sha256: Option<String>,
}

/// A file or folder of a repository's tree.
#[derive(Debug, Deserialize)]
pub(super) struct TreeEntry {
    path: String,
    #[serde(default)]
    size: Option<u64>,
    #[serde(default)]
    lfs: Option<LargeFile>,
}

impl ListedFile {
    /// Refuses a name that leads out of the snapshot's folder.
    pub(super) fn check(&self) -> Result<(), ClientError> {
        if stays_inside(&self.name) {
            Ok(())
        } else {
            Err(ClientError::HostileName {
                what: "a file",
                name: self.name.clone(),
            })
        }
    }

    /// What the file must hold.
    pub(super) fn content(&self) -> Content {
        let checksum = match (&self.lfs, &self.blob_id) {
            (Some(file), _) => file.sha256.as_deref().and_then(Checksum::sha256),
            (None, Some(id)) => Checksum::git(id),
            (None, None) => None,
        };
        Content {
            size: self.size,
            checksum,
        }
    }
}
