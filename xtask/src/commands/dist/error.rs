//! Errors of `dist`.

use std::io;
use std::path::{Path, PathBuf};

/// Why there is no archive.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum DistError {
    /// A file or a folder could not be read or written.
    #[error("{} could not be read or written", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The archive could not be put together.
    #[error("the archive could not be packed")]
    Pack(#[source] io::Error),
    /// `cargo metadata` printed something else than its version 1.
    #[error("the output of `cargo metadata` could not be read")]
    Metadata(#[source] serde_json::Error),
    /// `cargo build` printed a message of an unknown form.
    #[error("a message of `cargo build` could not be read")]
    Message(#[source] serde_json::Error),
    /// The compiler does not say for which machine it compiles.
    #[error("`rustc -vV` names no host")]
    NoTarget,
    /// A program was not among what was built.
    #[error("`cargo build` built no program `{name}`")]
    NotBuilt {
        /// The program.
        name: String,
    },
    /// A package of the workspace is missing.
    #[error("the workspace has no package `{name}`")]
    NoPackage {
        /// The package.
        name: &'static str,
    },
}

impl DistError {
    /// Makes an error of reading or writing `path`.
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        |source| Self::Io { path, source }
    }
}
