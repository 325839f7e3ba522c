//! An index on disk: rows in, hits out.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use model::SentenceEncoder;
use numpy::PyReadonlyArray2;
use pyo3::prelude::*;
use pyo3::types::PyList;
use search::filter::{ColumnKind, Filter, FilterColumn};
use search::index::{IndexError, IndexReader, IndexWriter, Settings, TextColumn};
use search::words::Language;
use search::{Found, Fusion, Mode, Query, Sort};

use crate::encoder::Encoder;
use crate::error::{Error, unknown};
use crate::index_rows::{add_rows, document, made};
use crate::index_values::{given, to_python};
use crate::loading::Loading;
use crate::threads::ThreadsOf;
use crate::watch::Watch;

/// Queries that are answered together, between two looks at signals.
const BLOCK_QUERIES: usize = 256;

/// An index on disk, as its last commit left it; later commits are taken up with every call.
#[pyclass(frozen, module = "mpnet_burn._native")]
pub(crate) struct Index {
    folder: PathBuf,
    reader: Mutex<Arc<IndexReader>>,
    /// The threads of searches.
    threads: ThreadsOf,
}

#[pymethods]
impl Index {
    /// Makes an index without rows for the vectors of a model, or opens one that was made the same way.
    ///
    /// `text_columns` are names with the weights of their words, `filter_columns` names with their kinds, `weight` is
    /// that of words in a hybrid search.
    #[staticmethod]
    #[pyo3(signature = (folder, encoder, model_name, *, id_column, text_columns, filter_columns, language, weight=None, threads=None))]
    #[allow(clippy::too_many_arguments, reason = "keywords of Python")]
    fn create(
        py: Python<'_>,
        folder: PathBuf,
        encoder: &Encoder,
        model_name: &str,
        id_column: String,
        text_columns: Vec<(String, f32)>,
        filter_columns: Vec<(String, String)>,
        language: &str,
        weight: Option<f32>,
        threads: Option<usize>,
    ) -> PyResult<Self> {
        let threads = ThreadsOf::new(threads)?;
        let text_column = |(name, weight)| TextColumn { name, weight };
        let settings = Settings {
            id_column,
            text_columns: text_columns.into_iter().map(text_column).collect(),
            filter_columns: filter_columns
                .into_iter()
                .map(filter_column)
                .collect::<Result<_, _>>()?,
            language: Language::from_name(language).ok_or_else(|| {
                unknown("the language", language, &Language::ALL.map(Language::name))
            })?,
            fusion: weight.map_or_else(Fusion::default, |weight| Fusion::WeightedSum { weight }),
            ..Settings::default()
        };
        let reader = computed(py, &threads, || {
            made(&folder, &encoder.encoder, model_name, settings, weight)
        })?;
        Ok(Self::new(folder, reader, threads))
    }

    /// Opens the index in a folder. Without a number, searches share the threads of all models.
    #[staticmethod]
    #[pyo3(signature = (folder, *, threads=None))]
    fn open(py: Python<'_>, folder: PathBuf, threads: Option<usize>) -> PyResult<Self> {
        let threads = ThreadsOf::new(threads)?;
        let reader = computed(py, &threads, || Ok(IndexReader::open(&folder)?))?;
        Ok(Self::new(folder, reader, threads))
    }

    /// Loads the model of the index, by the name that it had or another one.
    #[pyo3(signature = (name=None, *, threads=None, device=None, revision=None, offline=false))]
    fn load_model(
        &self,
        py: Python<'_>,
        name: Option<&str>,
        threads: Option<usize>,
        device: Option<&str>,
        revision: Option<String>,
        offline: bool,
    ) -> PyResult<Encoder> {
        let reader = self.reader();
        let of_index = &reader.settings().model;
        let name = name.unwrap_or(&of_index.name);
        let loading = Loading::new(None, threads, device, revision, offline)?;
        let builder = SentenceEncoder::builder()
            .of_index(of_index)
            .map_err(|error| Error::Argument(error.to_string()))?;
        let loaded = Encoder::load(py, name, loading, builder, None)?;
        self.check_model(py, &loaded, name)?;
        Ok(loaded)
    }

    /// Fails where vectors of a model cannot be compared with those of the index.
    fn check_model(&self, py: Python<'_>, encoder: &Encoder, name: &str) -> PyResult<()> {
        let reader = self.reader();
        let checked = computed(py, &self.threads, || {
            let found = encoder.encoder.fingerprint(name)?;
            Ok(reader.settings().model.check(&found)?)
        });
        Ok(checked?)
    }

    /// Adds rows, or replaces those with the same ids, and commits. `texts` and `values` are one list for each row, of
    /// the text and the filter columns. Rows without a text are left out, and rows whose texts are those of the index
    /// are not embedded. Returns the number of rows that were written.
    ///
    /// What is embedded when it is interrupted becomes part of the index.
    #[pyo3(signature = (encoder, ids, texts, values, *, progress=None))]
    fn add(
        &self,
        py: Python<'_>,
        encoder: &Encoder,
        ids: Vec<String>,
        texts: Vec<Vec<String>>,
        values: &Bound<'_, PyList>,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<usize> {
        let columns = self.reader().settings().filter_columns.clone();
        let values = given(values)?;
        let mut rows = Vec::with_capacity(ids.len());
        for ((id, texts), values) in ids.into_iter().zip(texts).zip(values) {
            rows.push(document(id, texts, values, &columns)?);
        }
        rows.retain(|row| row.texts.iter().any(|text| !text.trim().is_empty()));
        let mut watch = Watch::new(progress);
        let folder = &self.folder;
        let written = py.detach(|| {
            let pool = encoder.threads.pool()?;
            pool.run(|| add_rows(folder, &encoder.encoder, &pool, &rows, &mut watch))
        });
        let refreshed = self.refresh(py);
        let written = watch.or_raised(written)?;
        refreshed?;
        Ok(written)
    }

    /// Removes rows by their ids, and commits. Returns the number of rows that there were.
    fn remove(&self, py: Python<'_>, ids: Vec<String>) -> PyResult<usize> {
        let removed = computed(py, &self.threads, || {
            let mut writer = IndexWriter::open(&self.folder)?;
            let mut removed = 0;
            for id in &ids {
                removed += usize::from(writer.remove(id)?);
            }
            writer.commit()?;
            Ok(removed)
        })?;
        self.refresh(py)?;
        Ok(removed)
    }

    /// Takes up what was committed since, unless it is of another model.
    fn refresh(&self, py: Python<'_>) -> PyResult<()> {
        let reader = self.reader();
        let newer = computed(py, &self.threads, || {
            let newer = reader.refreshed()?;
            if let Some(newer) = &newer {
                newer.settings().model.check(&reader.settings().model)?;
            }
            Ok(newer)
        });
        if let Some(newer) = newer? {
            *self.reader.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(newer);
        }
        Ok(())
    }

    /// Answers queries: for each its hits, as id, score, texts and values. `vectors` are those of the queries,
    /// `[queries, width]`; none to search by words.
    #[pyo3(signature = (queries, vectors, *, k, mode, filter=None, sort=None, offset=0, min_score=None, recall=None, weight=None, typos=true))]
    #[allow(clippy::too_many_arguments, reason = "keywords of Python")]
    #[allow(clippy::type_complexity, reason = "lists of hits")]
    fn search<'py>(
        &self,
        py: Python<'py>,
        queries: Vec<String>,
        vectors: Option<PyReadonlyArray2<'py, f32>>,
        k: usize,
        mode: &str,
        filter: Option<&str>,
        sort: Option<&str>,
        offset: usize,
        min_score: Option<f32>,
        recall: Option<f32>,
        weight: Option<f32>,
        typos: bool,
    ) -> PyResult<Vec<Vec<(String, f32, Vec<String>, Vec<Option<Bound<'py, PyAny>>>)>>> {
        let reader = self.reader();
        let settings = reader.settings();
        let mode = Mode::from_name(mode)
            .ok_or_else(|| unknown("the mode", mode, &Mode::ALL.map(Mode::name)))?;
        let filter = filter.map(|text| Filter::parse(text, &settings.filter_columns));
        let question = Query {
            mode,
            fusion: weight.map(|weight| Fusion::WeightedSum { weight }),
            k,
            offset,
            filter: filter
                .transpose()
                .map_err(IndexError::from)
                .map_err(Error::from)?,
            sort: sort.map(sorted_by),
            min_score,
            recall,
            typos,
            ..Query::default()
        };
        let vectors = vectors.as_ref().map(|vectors| vectors.as_slice());
        let mut rows = vectors
            .transpose()?
            .unwrap_or_default()
            .chunks(settings.width.max(1));
        let queries: Vec<Query> = queries
            .into_iter()
            .map(|text| Query {
                vector: rows.next().unwrap_or_default().to_vec(),
                text: if mode == Mode::Meaning {
                    String::new()
                } else {
                    text
                },
                ..question.clone()
            })
            .collect();
        let mut answers = Vec::with_capacity(queries.len());
        for queries in queries.chunks(BLOCK_QUERIES) {
            py.check_signals()?;
            answers.extend(computed(
                py,
                &self.threads,
                || Ok(reader.answers(queries)?),
            )?);
        }
        let hit = |found: Found| {
            let values = found.values.into_iter();
            let values = values
                .map(|value| to_python(py, value))
                .collect::<PyResult<_>>()?;
            Ok((found.id, found.score, found.texts, values))
        };
        answers
            .into_iter()
            .map(|answer| answer.hits.into_iter().map(hit).collect())
            .collect()
    }

    /// The number of rows.
    fn __len__(&self) -> usize {
        usize::try_from(self.reader().len()).unwrap_or(usize::MAX)
    }

    /// The name that the model of the vectors had.
    #[getter]
    fn model_name(&self) -> String {
        self.reader().settings().model.name.clone()
    }

    /// The names of the text columns.
    #[getter]
    fn text_columns(&self) -> Vec<String> {
        let reader = self.reader();
        let columns = reader.settings().text_columns.iter();
        columns.map(|column| column.name.clone()).collect()
    }

    /// The names of the filter columns, and the kinds of their values.
    #[getter]
    fn filter_columns(&self) -> Vec<(String, &'static str)> {
        let reader = self.reader();
        let columns = reader.settings().filter_columns.iter();
        columns
            .map(|column| (column.name.clone(), column.kind.name()))
            .collect()
    }
}

impl Index {
    fn new(folder: PathBuf, reader: IndexReader, threads: ThreadsOf) -> Self {
        Self {
            folder,
            reader: Mutex::new(Arc::new(reader)),
            threads,
        }
    }

    /// The snapshot that calls look at.
    fn reader(&self) -> Arc<IndexReader> {
        self.reader
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// Does work of an index with the interpreter's lock released.
fn computed<T: Send>(
    py: Python<'_>,
    threads: &ThreadsOf,
    work: impl FnOnce() -> Result<T, Error> + Send,
) -> Result<T, Error> {
    py.detach(|| threads.pool()?.install(work))
}

fn filter_column((name, kind): (String, String)) -> Result<FilterColumn, Error> {
    let known = ColumnKind::ALL.map(ColumnKind::name);
    let kind = ColumnKind::from_name(&kind).ok_or_else(|| unknown("the kind", &kind, &known))?;
    Ok(FilterColumn { name, kind })
}

/// The order by a column; with a `-` before its name, the largest first.
fn sorted_by(name: &str) -> Sort {
    let (column, descending) = match name.strip_prefix('-') {
        Some(column) => (column, true),
        None => (name, false),
    };
    Sort {
        column: column.to_owned(),
        descending,
    }
}
