//! Names of files on a command line, which may be patterns.

use std::path::{Path, PathBuf};

use crate::error::ReadError;
use crate::source::Source;

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
}
