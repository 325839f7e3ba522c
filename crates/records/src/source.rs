//! Source of rows.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::error::ReadError;

/// Source of rows: a file or standard input.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// Standard input, written `-` on the command line.
    Stdin,
    /// A file.
    File(PathBuf),
}

impl Source {
    /// The sources of a command line, in order. `-` is standard input. A name that no file has is a
    /// pattern with `*`, `?` or `[…]`, whose files come in the order of their names.
    ///
    /// # Errors
    ///
    /// When a pattern is malformed, or no file has a name that fits it.
    pub fn expand(names: &[PathBuf]) -> Result<Vec<Self>, ReadError> {
        let mut sources = Vec::new();
        for name in names {
            let pattern = name.to_string_lossy();
            if name == Path::new("-") || name.exists() || !pattern.contains(['*', '?', '[']) {
                sources.push(Self::from(name.as_path()));
                continue;
            }
            let no_match = |reason: String| ReadError::Pattern {
                pattern: pattern.to_string(),
                reason,
            };
            let paths = glob::glob(&pattern).map_err(|error| no_match(error.to_string()))?;
            let before = sources.len();
            for path in paths {
                let path = path.map_err(|error| no_match(error.to_string()))?;
                if !path.is_dir() {
                    sources.push(Self::File(path));
                }
            }
            if sources.len() == before {
                return Err(no_match("no file has such a name".to_owned()));
            }
        }
        Ok(sources)
    }

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
