//! How a model is found and loaded.

use std::path::PathBuf;

use model::hub::{self, HubOptions};
use model::{Device, ModelError, Precision};
use pyo3::prelude::*;

use crate::error::Error;
use crate::threads::ThreadsOf;

/// What a model is for, by which it is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Texts into vectors.
    Encoder,
    /// Pairs of texts into scores.
    Reranker,
}

/// The arguments that all models share.
pub(crate) struct Loading {
    pub(crate) device: Device,
    pub(crate) precision: Option<Precision>,
    threads: ThreadsOf,
    hub: HubOptions,
}

impl Loading {
    /// Reads the arguments; without a device, the best there is.
    pub(crate) fn new(
        precision: Option<&str>,
        threads: Option<usize>,
        device: Option<&str>,
        revision: Option<String>,
        offline: bool,
    ) -> Result<Self, Error> {
        let device: Device = match device {
            None => Device::default(),
            Some(name) => name.parse().map_err(ModelError::from)?,
        };
        let precision = precision.filter(|name| *name != "auto").map(str::parse);
        let precision = precision.transpose();
        Ok(Self {
            device: device.select().map_err(ModelError::from)?,
            precision: precision.map_err(|error: model::backend::UnknownPrecision| {
                Error::Argument(error.to_string())
            })?,
            threads: ThreadsOf::new(threads)?,
            hub: HubOptions::of_program(revision, offline, |_| (), signalled),
        })
    }

    /// Finds a model and loads its folder on the threads of the model. Returns the notes about the finding too.
    ///
    /// It is found on the calling thread, which is the only one that Python tells of signals.
    pub(crate) fn load<T: Send>(
        self,
        py: Python<'_>,
        name: &str,
        kind: Kind,
        load: impl FnOnce(&str) -> Result<T, ModelError> + Send,
    ) -> PyResult<(T, ThreadsOf, Vec<String>)> {
        let hub = match kind {
            Kind::Encoder => self.hub,
            Kind::Reranker => self.hub.of_reranker(),
        };
        let found = py.detach(|| hub::resolve(name, &hub).map_err(ModelError::from));
        if let Some(raised) = PyErr::take(py) {
            return Err(raised);
        }
        let found = found.map_err(Error::from)?;
        let folder = as_text(found.path)?;
        let threads = self.threads;
        let loaded = py.detach(|| {
            let loaded = threads.pool()?.install(|| load(&folder));
            Ok::<_, Error>(loaded?)
        })?;
        Ok((loaded, threads, found.notes))
    }
}

/// A folder whose name is a text, as the names of models are.
fn as_text(folder: PathBuf) -> Result<String, Error> {
    folder
        .into_os_string()
        .into_string()
        .map_err(|name| Error::Argument(format!("the name of {} is not Unicode", name.display())))
}

/// Whether a handler of signals raises an exception, which ends a download.
fn signalled() -> bool {
    Python::attach(|py| match py.check_signals() {
        Ok(()) => false,
        Err(raised) => {
            // For `load`, to which the error of the download says less.
            raised.restore(py);
            true
        }
    })
}
