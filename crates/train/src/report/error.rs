//! What can go wrong with the files that a run leaves behind.

use std::io;
use std::path::{Path, PathBuf};

/// Why a log could not be kept or read, or a report not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// A file or folder could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A line of a log is none of its events.
    #[error(
        "{}, line {line}: not an event of a run: {source}; mend the line or remove it",
        path.display()
    )]
    Json {
        /// The log.
        path: PathBuf,
        /// The line; the first is 1.
        line: usize,
        /// What is wrong with it, and at which column.
        source: serde_json::Error,
    },
    /// A picture of the report could not be drawn.
    #[error(
        "the picture {name} could not be drawn: {source}; its numbers are in the log of the run"
    )]
    Picture {
        /// Its name.
        name: String,
        /// What the drawing library said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl ReportError {
    /// For `map_err`: names the file or folder of a system error.
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            path: path.to_owned(),
            source,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;

    #[test]
    fn a_message_names_the_place_and_keeps_the_cause() {
        let error = ReportError::io(Path::new("run/metrics.jsonl"))(io::Error::other("disk full"));
        assert_eq!(error.to_string(), "run/metrics.jsonl: disk full");
        assert!(error.source().unwrap().is::<io::Error>());

        let error = ReportError::Json {
            path: "metrics.jsonl".into(),
            line: 3,
            source: serde_json::from_str::<bool>("maybe").unwrap_err(),
        };
        let message = error.to_string();
        assert!(
            message.starts_with("metrics.jsonl, line 3: not an event of a run: "),
            "{message}"
        );
        assert!(
            message.ends_with("; mend the line or remove it"),
            "{message}"
        );
        assert!(error.source().unwrap().is::<serde_json::Error>());

        let error = ReportError::Picture {
            name: "loss.svg".to_owned(),
            source: "no points".into(),
        };
        assert_eq!(
            error.to_string(),
            "the picture loss.svg could not be drawn: no points; \
             its numbers are in the log of the run"
        );
        assert_eq!(error.source().unwrap().to_string(), "no points");
    }
}
