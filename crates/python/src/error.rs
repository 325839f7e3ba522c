//! Errors as exceptions of Python.

use std::error::Error as _;

use model::ModelError;
use model::threads::{InvalidThreadCount, ThreadsError};
use pyo3::PyErr;
use pyo3::exceptions::{PyOSError, PyRuntimeError, PyValueError};
use search::SearchError;
use search::index::IndexError;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A model cannot be loaded, or fails.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Vectors cannot be compared.
    #[error(transparent)]
    Search(#[from] SearchError),
    /// An index cannot be made, opened, changed or asked.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// Threads cannot be started.
    #[error(transparent)]
    Threads(#[from] ThreadsError),
    /// The number of threads is wrong.
    #[error("threads: {0}")]
    ThreadCount(#[from] InvalidThreadCount),
    /// Another argument is wrong.
    #[error("{0}")]
    Argument(String),
}

/// An argument that names nothing.
pub(crate) fn unknown(what: &str, name: &str, known: &[&str]) -> Error {
    let known = known.join(", ");
    Error::Argument(format!("{what} `{name}` is unknown; choose {known}"))
}

/// Numbers that are not a matrix of that shape, which no computation here gives.
pub(crate) fn shape(error: numpy::ndarray::ShapeError) -> Error {
    Error::Argument(error.to_string())
}

impl From<Error> for PyErr {
    /// `ValueError` for what another argument would mend, `OSError` for models and files that are not there, else
    /// `RuntimeError`.
    fn from(error: Error) -> Self {
        let text = with_sources(&error);
        match error {
            Error::Model(error) if error.is_usage() => PyValueError::new_err(text),
            Error::Model(ModelError::Compute { .. }) | Error::Threads(_) => {
                PyRuntimeError::new_err(text)
            }
            Error::Model(_) => PyOSError::new_err(text),
            Error::Index(error) if is_argument(&error) => PyValueError::new_err(text),
            Error::Index(_) => PyOSError::new_err(text),
            Error::Search(_) | Error::ThreadCount(_) | Error::Argument(_) => {
                PyValueError::new_err(text)
            }
        }
    }
}

/// Whether another argument would mend it, not another state of the files.
fn is_argument(error: &IndexError) -> bool {
    matches!(
        error,
        IndexError::OtherModel { .. }
            | IndexError::Settings { .. }
            | IndexError::NoSuchColumn { .. }
            | IndexError::EmptyId
            | IndexError::Columns { .. }
            | IndexError::ValueKind { .. }
            | IndexError::Vector { .. }
            | IndexError::Filter(_)
            | IndexError::Query(_)
    )
}

/// The message, with those of its sources that it does not repeat.
fn with_sources(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let reason = error.to_string();
        if !text.contains(&reason) {
            text = format!("{text}: {reason}");
        }
        source = error.source();
    }
    text
}
