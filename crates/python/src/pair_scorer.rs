//! A reranker: pairs of texts in, scores out.

use model::parts::Progress;
use numpy::{IntoPyArray, PyArray1};
use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::error::Error;
use crate::loading::{Kind, Loading};
use crate::texts::borrowed;
use crate::threads::ThreadsOf;
use crate::watch::{SLICE, Watch};

/// A model that gives a query and a text together one score.
#[pyclass(frozen, module = "mpnet_burn._native")]
pub(crate) struct PairScorer {
    scorer: model::PairScorer,
    threads: ThreadsOf,
    notes: Vec<String>,
}

#[pymethods]
impl PairScorer {
    /// Finds and loads a reranker by its name or folder.
    #[new]
    #[pyo3(signature = (name, *, precision=None, threads=None, device=None, revision=None, offline=false, max_length=None))]
    #[allow(clippy::too_many_arguments, reason = "keywords of Python")]
    fn new(
        py: Python<'_>,
        name: &str,
        precision: Option<&str>,
        threads: Option<usize>,
        device: Option<&str>,
        revision: Option<String>,
        offline: bool,
        max_length: Option<usize>,
    ) -> PyResult<Self> {
        let loading = Loading::new(precision, threads, device, revision, offline)?;
        let mut builder = model::PairScorer::builder().device(loading.device);
        if let Some(precision) = loading.precision {
            builder = builder.precision(precision);
        }
        if let Some(length) = max_length {
            builder = builder.max_length(length);
        }
        let (scorer, threads, notes) =
            loading.load(py, name, Kind::Reranker, |folder| builder.load(folder))?;
        Ok(Self {
            scorer,
            threads,
            notes,
        })
    }

    /// The score of each pair, `[pairs]`: of a query with the text in its place. `progress` is called with the number of
    /// pairs that are done.
    #[pyo3(signature = (queries, documents, *, progress=None))]
    fn scores<'py>(
        &self,
        py: Python<'py>,
        queries: &Bound<'py, PyList>,
        documents: &Bound<'py, PyList>,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Bound<'py, PyArray1<f32>>> {
        let pairs: Vec<_> = borrowed(queries)?
            .into_iter()
            .zip(borrowed(documents)?)
            .collect();
        let mut watch = Watch::new(progress);
        let scores = py.detach(|| {
            let pool = self.threads.pool()?;
            let mut scores = Vec::with_capacity(pairs.len());
            for slice in pairs.chunks(SLICE) {
                let progress = |progress: Progress| watch.done(progress.done);
                let score = || self.scorer.scores_with_progress(slice, progress);
                scores.extend(pool.run(score)?.values);
                watch.passed(slice.len());
            }
            Ok::<_, Error>(scores)
        });
        Ok(watch.or_raised(scores)?.into_pyarray(py))
    }

    /// Maximum tokens of a pair.
    #[getter]
    fn max_length(&self) -> usize {
        self.scorer.tokenizer().max_length()
    }

    /// The precision that it computes in.
    #[getter]
    fn precision(&self) -> String {
        self.scorer.precision().to_string()
    }

    /// The device on which it computes.
    #[getter]
    fn device(&self) -> String {
        self.scorer.device().to_string()
    }

    /// What is to be said about the finding of the model, a sentence each.
    #[getter]
    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }
}
