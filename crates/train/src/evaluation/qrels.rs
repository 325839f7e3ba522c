//! Queries, documents and relevance judgements from files of every format that `records` reads.
//!
//! The caller names the columns; by default they are those of the first list in this module that the
//! file has. In JSON Lines the first row determines the columns.

mod table;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::{Path, PathBuf};

use self::table::{Layout, Table};
use super::error::{CellProblem, FileError, SetupError};
use super::retrieval::{
    IndexEvaluator, Judgement, RetrievalEvaluator, RetrievalOptions, is_relevance,
};

/// Default columns of judgements: those of BEIR, and those of judgements that hold the query texts.
const JUDGEMENTS: &[(&str, &[&str])] = &[
    ("", &["query-id", "corpus-id", "score"]),
    ("", &["query", "docid", "rating"]),
];

/// Default columns of the id and text of documents.
const DOCUMENTS: &[(&str, &[&str])] = &[
    ("_id", &["title", "text"]),
    ("_id", &["text"]),
    ("id", &["title", "text"]),
    ("id", &["text"]),
    ("id", &["title"]),
];

/// Default columns of the id and text of queries.
const QUERIES: &[(&str, &[&str])] = &[
    ("_id", &["text"]),
    ("id", &["text"]),
    ("id", &["query"]),
    ("query_id", &["query"]),
];

/// The files of a [`RetrievalEvaluator`], and their columns if not the default ones.
///
/// | file | default columns |
/// | --- | --- |
/// | judgements | `query-id`, `corpus-id`, `score`, or `query`, `docid`, `rating` |
/// | documents | `_id` or `id`, and `title` and `text`, or `text`; or `id` and `title` |
/// | queries | `_id` or `id`, and `text`; or `id` or `query_id`, and `query` |
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetrievalFiles {
    /// Queries and judgements.
    pub queries: QueryFiles,
    /// File of the documents.
    pub documents: PathBuf,
    /// Columns of the documents.
    pub document_columns: Option<TextColumns>,
}

/// The files of an [`IndexEvaluator`], and their columns if not the default ones, which are those of
/// [`RetrievalFiles`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryFiles {
    /// File of the queries. Without it the judgements hold the query texts.
    pub queries: Option<PathBuf>,
    /// File of the judgements: a query, a document and a relevance per row.
    pub judgements: PathBuf,
    /// Columns of the queries.
    pub query_columns: Option<TextColumns>,
    /// Columns of the judgements: query, document, relevance.
    pub judgement_columns: Option<[String; 3]>,
}

/// The id column, and the text columns, whose values are joined by a space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextColumns {
    /// Column of the ids.
    pub id: String,
    /// Columns of the text.
    pub text: Vec<String>,
}

impl RetrievalFiles {
    /// Files with the default columns.
    #[must_use]
    pub fn new(queries: Option<PathBuf>, documents: PathBuf, judgements: PathBuf) -> Self {
        Self {
            queries: QueryFiles {
                queries,
                judgements,
                query_columns: None,
                judgement_columns: None,
            },
            documents,
            document_columns: None,
        }
    }
}

impl RetrievalEvaluator {
    /// Reads queries, documents and judgements.
    ///
    /// # Errors
    ///
    /// A file cannot be read, lacks a column or has a bad row; ids are not unique; a judgement refers to
    /// an unknown id, has an invalid relevance or contradicts another one; errors of
    /// `new`.
    pub fn from_files(
        files: &RetrievalFiles,
        options: RetrievalOptions,
    ) -> Result<Self, FileError> {
        let documents =
            Collection::read(&files.documents, files.document_columns.as_ref(), DOCUMENTS)?;
        let (queries, judgements) = files
            .queries
            .read(|table, row| documents.position(table, row, 1))?;
        Self::new(queries, documents.texts, &judgements, options)
            .map_err(|source| files.queries.setup(source))
    }
}

impl QueryFiles {
    /// The texts of the queries, and the judgements; `document` gives the position of a row's document.
    fn read(
        &self,
        mut document: impl FnMut(&Table, &records::Row) -> Result<usize, FileError>,
    ) -> Result<(Vec<String>, Vec<Judgement>), FileError> {
        let mut queries = match &self.queries {
            Some(file) => Collection::read(file, self.query_columns.as_ref(), QUERIES)?,
            None => Collection::empty(&self.judgements),
        };
        let named = self.judgement_columns.as_ref();
        let named = named.map(|columns| Layout::new("", columns));
        let table = Table::read(&self.judgements, named, JUDGEMENTS)?;
        let mut judgements = Judgements::default();
        for row in &table.rows {
            let query = match &self.queries {
                Some(_) => queries.position(&table, row, 0)?,
                None => queries.add(&row.fields[0]),
            };
            let document = document(&table, row)?;
            judgements.add(&table, row, query, document)?;
        }
        Ok((queries.texts, judgements.all))
    }

    fn setup(&self, source: SetupError) -> FileError {
        FileError::Setup {
            file: self.judgements.clone(),
            source,
        }
    }
}

impl IndexEvaluator {
    /// Reads queries and judgements of the documents of an index.
    ///
    /// # Errors
    ///
    /// As [`RetrievalEvaluator::from_files`], but for ids of documents, which an index need not hold.
    pub(crate) fn from_files(
        files: &QueryFiles,
        options: RetrievalOptions,
    ) -> Result<Self, FileError> {
        let mut ids = Collection::empty(&files.judgements);
        let (queries, judgements) = files.read(|_, row| Ok(ids.add(&row.fields[1])))?;
        Self::new(queries, ids.texts, &judgements, options).map_err(|source| files.setup(source))
    }
}

/// The texts of a file of documents, in order; their ids must differ.
///
/// # Errors
///
/// The file cannot be read, lacks a column or has a bad row; ids are not unique.
pub(crate) fn corpus(file: &Path, columns: Option<&TextColumns>) -> Result<Corpus, FileError> {
    let Collection {
        texts, positions, ..
    } = Collection::read(file, columns, DOCUMENTS)?;
    let mut ids = vec![String::new(); texts.len()];
    for (id, position) in positions {
        ids[position] = id;
    }
    Ok(Corpus { ids, texts })
}

/// Documents.
pub(crate) struct Corpus {
    pub(crate) ids: Vec<String>,
    pub(crate) texts: Vec<String>,
}

impl Corpus {
    /// Removes documents without a text, and returns their number.
    pub(crate) fn remove_blank(&mut self) -> usize {
        let before = self.texts.len();
        let texts = std::mem::take(&mut self.texts).into_iter();
        let filled = texts.zip(std::mem::take(&mut self.ids));
        (self.texts, self.ids) = filled.filter(|(text, _)| !text.trim().is_empty()).unzip();
        before - self.texts.len()
    }
}

/// Texts with ids.
struct Collection {
    file: PathBuf,
    texts: Vec<String>,
    positions: HashMap<String, usize>,
}

impl Collection {
    fn empty(file: &Path) -> Self {
        Self {
            file: file.to_owned(),
            texts: Vec::new(),
            positions: HashMap::new(),
        }
    }

    fn read(
        file: &Path,
        named: Option<&TextColumns>,
        usual: &[(&str, &[&str])],
    ) -> Result<Self, FileError> {
        let named = named.map(|columns| Layout::new(&columns.id, &columns.text));
        let table = Table::read(file, named, usual)?;
        let mut collection = Self::empty(file);
        let mut lines = Vec::with_capacity(table.rows.len());
        for row in &table.rows {
            match collection
                .positions
                .entry(row.id.clone().unwrap_or_default())
            {
                Entry::Vacant(new) => {
                    new.insert(collection.texts.len());
                    collection.texts.push(row.text());
                    lines.push(row.line);
                }
                Entry::Occupied(known) => {
                    let problem = CellProblem::DuplicateId {
                        id: known.key().clone(),
                        first_line: lines[*known.get()],
                    };
                    return Err(table.error(row, &table.layout.id, problem));
                }
            }
        }
        Ok(collection)
    }

    /// The position of a text that is its own id; adds a new one.
    fn add(&mut self, text: &str) -> usize {
        if let Some(&position) = self.positions.get(text) {
            return position;
        }
        let position = self.texts.len();
        self.texts.push(text.to_owned());
        self.positions.insert(text.to_owned(), position);
        position
    }

    /// The position of the text with the id of a judgement.
    fn position(
        &self,
        judgements: &Table,
        row: &records::Row,
        column: usize,
    ) -> Result<usize, FileError> {
        let id = &row.fields[column];
        self.positions.get(id).copied().ok_or_else(|| {
            let problem = CellProblem::UnknownId {
                id: id.clone(),
                collection: self.file.clone(),
            };
            judgements.error(row, &judgements.layout.columns[column], problem)
        })
    }
}

/// The judgements so far.
#[derive(Default)]
struct Judgements {
    all: Vec<Judgement>,
    /// Relevance and line of each pair of query and document.
    seen: HashMap<(usize, usize), (f64, u64)>,
}

impl Judgements {
    fn add(
        &mut self,
        table: &Table,
        row: &records::Row,
        query: usize,
        document: usize,
    ) -> Result<(), FileError> {
        let error = |problem| table.error(row, &table.layout.columns[2], problem);
        let written = &row.fields[2];
        let relevance = match written.trim().parse::<f64>() {
            Ok(relevance) if relevance.is_finite() => relevance,
            _ => return Err(error(CellProblem::NotANumber(written.clone()))),
        };
        if !is_relevance(relevance) {
            return Err(error(CellProblem::Relevance(relevance)));
        }
        let (first, first_line) = *self
            .seen
            .entry((query, document))
            .or_insert((relevance, row.line));
        if first != relevance {
            return Err(error(CellProblem::Conflict {
                query: row.fields[0].clone(),
                document: row.fields[1].clone(),
                first_line,
            }));
        }
        self.all.push(Judgement {
            query,
            document,
            relevance,
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests;
