//! An encoder: texts in, vectors out.

use std::collections::HashMap;

use model::parts::Progress;
use model::{EncodeOptions, Prompt, Route, SentenceEncoder, SentenceEncoderBuilder};
use numpy::ndarray::Array2;
use numpy::{IntoPyArray, PyArray1, PyArray2};
use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::error::{Error, shape, unknown};
use crate::loading::{Kind, Loading};
use crate::texts::borrowed;
use crate::threads::ThreadsOf;
use crate::watch::{SLICE, Watch};

/// A model that turns texts into vectors.
#[pyclass(frozen, module = "mpnet_burn._native")]
pub(crate) struct Encoder {
    pub(crate) encoder: SentenceEncoder,
    pub(crate) threads: ThreadsOf,
    /// Notes about the finding of the model.
    found: Vec<String>,
}

#[pymethods]
impl Encoder {
    /// Finds and loads a model by its name or folder.
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
        let builder = SentenceEncoder::builder();
        Self::load(py, name, loading, builder, max_length)
    }

    /// The vectors of texts, `[texts, dimensions]`; their array owns the memory into which they were computed.
    ///
    /// `task` is `query`, `document` or none; `prompt` the text before every text; `progress` is called with the
    /// number of texts that are done.
    #[pyo3(signature = (texts, *, task=None, prompt=None, dimensions=None, normalize=None, progress=None))]
    #[allow(clippy::too_many_arguments, reason = "keywords of Python")]
    fn encode<'py>(
        &self,
        py: Python<'py>,
        texts: &Bound<'py, PyList>,
        task: Option<&str>,
        prompt: Option<String>,
        dimensions: Option<usize>,
        normalize: Option<bool>,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let mut options = EncodeOptions::with_prompt(of_task(task)?);
        options.prompt_text = prompt;
        options.dimensions = dimensions;
        options.normalize = normalize;
        let texts = borrowed(texts)?;
        let full = self.encoder.full_width();
        let width = dimensions.unwrap_or(self.encoder.width()).min(full);
        let mut watch = Watch::new(progress);
        let values = py.detach(|| {
            let pool = self.threads.pool()?;
            let mut values = Vec::with_capacity(texts.len() * width);
            for slice in texts.chunks(SLICE) {
                let progress = |progress: Progress| watch.done(progress.done);
                let encode = || self.encoder.encode_with_options(slice, &options, progress);
                values.extend_from_slice(pool.run(encode)?.values());
                watch.passed(slice.len());
            }
            Ok::<_, Error>(values)
        });
        let values = watch.or_raised(values)?;
        let vectors = Array2::from_shape_vec((texts.len(), width), values);
        Ok(vectors.map_err(shape)?.into_pyarray(py))
    }

    /// The token ids of texts behind a prompt: all ids one after the other, and the number of those of each text.
    #[pyo3(signature = (texts, *, task=None, prompt=None))]
    #[allow(clippy::type_complexity, reason = "two arrays")]
    fn tokenize<'py>(
        &self,
        py: Python<'py>,
        texts: &Bound<'py, PyList>,
        task: Option<&str>,
        prompt: Option<&str>,
    ) -> PyResult<(Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<i64>>)> {
        let texts = borrowed(texts)?;
        let task = of_task(task)?;
        let tokens = py.detach(|| {
            let pool = self.threads.pool()?;
            let tokenizer = self.encoder.route(&task)?.tokenizer();
            let prompt = prompt.unwrap_or_default();
            let tokens = pool.run(|| tokenizer.encode_with_prompt(prompt, &texts));
            Ok::<_, Error>(tokens?)
        })?;
        let lengths: Vec<i64> = tokens.iter().map(|text| text.ids.len() as i64).collect();
        let ids = tokens.iter().flat_map(|text| &text.ids);
        let ids: Vec<i64> = ids.map(|id| i64::from(*id)).collect();
        Ok((ids.into_pyarray(py), lengths.into_pyarray(py)))
    }

    /// The id that fills a batch; none for a static model.
    #[getter]
    fn pad_token_id(&self) -> Option<u32> {
        self.main().and_then(Route::pad_token_id)
    }

    /// Width of the vectors, unless a call asks for other dimensions.
    #[getter]
    fn width(&self) -> usize {
        self.encoder.width()
    }

    /// Width of the vectors before they are cut.
    #[getter]
    fn full_width(&self) -> usize {
        self.encoder.full_width()
    }

    /// Maximum tokens of a text; none for a static model without one.
    #[getter]
    fn max_length(&self) -> Option<usize> {
        let length = self.encoder.tokenizer().max_length();
        (length != usize::MAX).then_some(length)
    }

    /// The precision that it computes in.
    #[getter]
    fn precision(&self) -> String {
        self.encoder.precision().to_string()
    }

    /// The device on which it computes.
    #[getter]
    fn device(&self) -> String {
        self.encoder.device().to_string()
    }

    /// The folder of its files.
    #[getter]
    fn folder(&self) -> std::path::PathBuf {
        self.encoder.folder().to_owned()
    }

    /// A hash of the files that decide on vectors.
    #[getter]
    fn identity(&self) -> PyResult<String> {
        Ok(self.encoder.identity().map_err(Error::from)?)
    }

    /// The similarity for which it was trained.
    #[getter]
    fn similarity(&self) -> &'static str {
        self.encoder.similarity().name()
    }

    /// The prompts by their names.
    #[getter]
    fn prompts(&self) -> HashMap<&str, &str> {
        let prompts = self.encoder.prompts();
        let named = prompts.names().map(|name| (name, prompts.get(name)));
        named
            .filter_map(|(name, text)| Some((name, text?)))
            .collect()
    }

    /// The name of the default prompt.
    #[getter]
    fn default_prompt_name(&self) -> Option<&str> {
        self.encoder.prompts().default_name()
    }

    /// What is to be said about the finding and the reading of the model, a sentence each.
    #[getter]
    fn notes(&self) -> Vec<String> {
        let mut notes = self.found.clone();
        notes.extend(self.encoder.notes());
        notes
    }
}

impl Encoder {
    /// Finds and loads a model with the settings of a builder.
    pub(crate) fn load(
        py: Python<'_>,
        name: &str,
        loading: Loading,
        builder: SentenceEncoderBuilder,
        max_length: Option<usize>,
    ) -> PyResult<Self> {
        let mut builder = builder.device(loading.device);
        if let Some(precision) = loading.precision {
            builder = builder.precision(precision);
        }
        if let Some(length) = max_length {
            builder = builder.max_length(length);
        }
        let (encoder, threads, notes) =
            loading.load(py, name, Kind::Encoder, |folder| builder.load(folder))?;
        Ok(Self {
            encoder,
            threads,
            found: notes,
        })
    }

    /// The part of the model for texts that are neither queries nor documents, or for documents.
    fn main(&self) -> Option<&Route> {
        let prompts = [Prompt::Default, Prompt::Document];
        prompts
            .iter()
            .find_map(|prompt| self.encoder.route(prompt).ok())
    }
}

/// What texts are for, by the name of their task in sentence-transformers.
fn of_task(task: Option<&str>) -> Result<Prompt, Error> {
    match task {
        None => Ok(Prompt::Default),
        Some("query") => Ok(Prompt::Query),
        Some("document") => Ok(Prompt::Document),
        Some(other) => Err(unknown("the task", other, &["query", "document"])),
    }
}
