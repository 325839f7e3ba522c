//! Errors of the files of a run.

use std::io;
use std::path::{Path, PathBuf};

/// Error of a log or a report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// A file or folder could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Error of the operating system.
        source: io::Error,
    },
    /// A line of a log that is not an event.
    #[error(
        "{}, line {line}: not an event of a run: {source}; correct or remove the line",
        path.display()
    )]
    Json {
        /// The log.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// Error with its column.
        source: serde_json::Error,
    },
    /// A chart of the report could not be drawn.
    #[error("the chart {name} could not be drawn: {source}; its numbers are in metrics.jsonl")]
    Picture {
        /// File name of the chart.
        name: String,
        /// Error of the drawing library.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl ReportError {
    /// For `map_err`: adds the file or folder to a system error.
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
            message.ends_with("; correct or remove the line"),
            "{message}"
        );
        assert!(error.source().unwrap().is::<serde_json::Error>());

        let error = ReportError::Picture {
            name: "loss.svg".to_owned(),
            source: "no points".into(),
        };
        assert_eq!(
            error.to_string(),
            "the chart loss.svg could not be drawn: no points; its numbers are in metrics.jsonl"
        );
        assert_eq!(error.source().unwrap().to_string(), "no points");
    }
}
