//! Source of rows.

use std::fmt;
use std::path::{Path, PathBuf};

/// Source of rows: a file or standard input.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// Standard input, written `-` on the command line.
    Stdin,
    /// A file.
    File(PathBuf),
}

impl Source {
    /// Whether this is a regular file, which can be read again, unlike standard input and pipes.
    #[must_use]
    pub fn is_regular_file(&self) -> bool {
        match self {
            Self::Stdin => false,
            Self::File(path) => path.is_file(),
        }
    }
}

impl From<&Path> for Source {
    /// `-` is standard input, anything else a file.
    fn from(path: &Path) -> Self {
        if path == Path::new("-") {
            Self::Stdin
        } else {
            Self::File(path.to_owned())
        }
    }
}

impl From<PathBuf> for Source {
    fn from(path: PathBuf) -> Self {
        Self::from(path.as_path())
    }
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdin => formatter.write_str("standard input"),
            Self::File(path) => path.display().fmt(formatter),
        }
    }
}
