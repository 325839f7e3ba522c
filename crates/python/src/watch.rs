//! What Python wants to do while Rust computes: stop by Ctrl-C, and hear of the progress.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use pyo3::prelude::*;

/// How long Python's signals may wait. Taking the interpreter's lock costs microseconds, unless another thread holds it.
const INTERVAL: Duration = Duration::from_millis(50);

/// Texts that are tokenized together, after which their batches follow: no signal is looked at meanwhile.
pub(crate) const SLICE: usize = 4096;

/// Looks after signals between batches.
pub(crate) struct Watch {
    /// Called with the number of texts that are done.
    progress: Option<Py<PyAny>>,
    /// Texts of the slices before.
    passed: usize,
    looked: Instant,
    raised: Option<PyErr>,
}

impl Watch {
    pub(crate) fn new(progress: Option<Py<PyAny>>) -> Self {
        Self {
            progress,
            passed: 0,
            looked: Instant::now(),
            raised: None,
        }
    }

    /// After a slice, with the number of its texts.
    pub(crate) fn passed(&mut self, texts: usize) {
        self.passed += texts;
    }

    /// After a batch, with the number of texts of its slice that are done: breaks when a handler of signals raises an exception, or the callback does.
    pub(crate) fn done(&mut self, texts: usize) -> ControlFlow<()> {
        if self.looked.elapsed() < INTERVAL {
            return ControlFlow::Continue(());
        }
        self.looked = Instant::now();
        let texts = self.passed + texts;
        let looked = Python::attach(|py| {
            py.check_signals()?;
            match &self.progress {
                Some(progress) => progress.call1(py, (texts,)).map(drop),
                None => Ok(()),
            }
        });
        match looked {
            Ok(()) => ControlFlow::Continue(()),
            Err(raised) => {
                self.raised = Some(raised);
                ControlFlow::Break(())
            }
        }
    }

    /// The exception that ended the work, or the error of the work.
    pub(crate) fn or_raised<T, E>(self, result: Result<T, E>) -> PyResult<T>
    where
        PyErr: From<E>,
    {
        match self.raised {
            Some(raised) => Err(raised),
            None => Ok(result?),
        }
    }
}
