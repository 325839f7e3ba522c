//! Queries, documents and relevance judgements from files.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::super::error::FileError;
use super::super::retrieval::{
    IndexEvaluator, Judgement, RetrievalEvaluator, RetrievalOptions, is_relevance,
};
use super::setup;
use super::table::{Layout, Row, Table};

/// Default columns of judgements: those of BEIR, and those of judgements that hold the query texts.
const JUDGEMENTS: &[[&str; 3]] = &[
    ["query-id", "corpus-id", "score"],
    ["query", "docid", "rating"],
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetrievalFiles {
    /// File of the queries. Without it the judgements hold the query texts.
    pub queries: Option<PathBuf>,
    /// File of the documents.
    pub documents: PathBuf,
    /// File of the judgements: a query, a document and a relevance per row.
    pub judgements: PathBuf,
    /// Columns of the queries.
    pub query_columns: Option<TextColumns>,
    /// Columns of the documents.
    pub document_columns: Option<TextColumns>,
    /// Columns of the judgements: query, document, relevance.
    pub judgement_columns: Option<[String; 3]>,
}

/// The id column, and the text columns, whose values are joined by a space.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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
            queries,
            documents,
            judgements,
            query_columns: None,
            document_columns: None,
            judgement_columns: None,
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
    /// [`new`](Self::new).
    pub fn from_files(
        files: &RetrievalFiles,
        options: RetrievalOptions,
    ) -> Result<Self, FileError> {
        let documents = Collection::read(&files.documents, &files.document_columns, DOCUMENTS)?;
        let of_queries = QueryFiles {
            queries: files.queries.clone(),
            judgements: files.judgements.clone(),
            query_columns: files.query_columns.clone(),
            judgement_columns: files.judgement_columns.clone(),
        };
        let (queries, judgements) =
            of_queries.read(|table, row| documents.position(table, row, 1))?;
        Self::new(queries, documents.texts, &judgements, options)
            .map_err(|source| setup(&files.judgements, source))
    }
}

/// The files of an [`IndexEvaluator`], and their columns if not the default ones, which are those of
/// [`RetrievalFiles`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryFiles {
    /// File of the queries. Without it the judgements hold the query texts.
    pub queries: Option<PathBuf>,
    /// File of the judgements: a query, the id of a document and a relevance per row.
    pub judgements: PathBuf,
    /// Columns of the queries.
    pub query_columns: Option<TextColumns>,
    /// Columns of the judgements: query, document, relevance.
    pub judgement_columns: Option<[String; 3]>,
}

impl QueryFiles {
    /// The texts of the queries, and the judgements; `document` gives the position of a row's document.
    fn read(
        &self,
        mut document: impl FnMut(&Table, &Row) -> Result<usize, FileError>,
    ) -> Result<(Vec<String>, Vec<Judgement>), FileError> {
        let mut queries = match &self.queries {
            Some(file) => Collection::read(file, &self.query_columns, QUERIES)?,
            None => Collection::empty(&self.judgements),
        };
        let named = self.judgement_columns.as_ref();
        let named = named.map(|columns| columns.each_ref().map(String::as_str));
        let table = Table::read(&self.judgements, &super::layouts(named, JUDGEMENTS))?;
        let mut judgements = Judgements::default();
        for row in &table.rows {
            let query = match &self.queries {
                Some(_) => queries.position(&table, row, 0)?,
                None => queries.add(row.field(0)),
            };
            let document = document(&table, row)?;
            judgements.add(&table, row, query, document)?;
        }
        Ok((queries.texts, judgements.all))
    }
}

impl IndexEvaluator {
    /// Reads queries and judgements of the documents of an index.
    ///
    /// # Errors
    ///
    /// As [`RetrievalEvaluator::from_files`], but for ids of documents, which an index need not hold.
    pub fn from_files(files: &QueryFiles, options: RetrievalOptions) -> Result<Self, FileError> {
        let mut ids = Collection::empty(&files.judgements);
        let (queries, judgements) = files.read(|_, row| Ok(ids.add(row.field(1))))?;
        Self::new(queries, ids.texts, &judgements, options)
            .map_err(|source| setup(&files.judgements, source))
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
        named: &Option<TextColumns>,
        usual: &[(&str, &[&str])],
    ) -> Result<Self, FileError> {
        let layouts = match named {
            Some(columns) => vec![Layout {
                id: Some(columns.id.clone()),
                columns: columns.text.clone(),
            }],
            None => usual
                .iter()
                .map(|(id, text)| Layout::with_id(id, text))
                .collect(),
        };
        let table = Table::read(file, &layouts)?;
        let mut collection = Self::empty(file);
        let mut lines = Vec::with_capacity(table.rows.len());
        for row in &table.rows {
            match collection.positions.entry(row.id().to_owned()) {
                Entry::Vacant(new) => {
                    new.insert(collection.texts.len());
                    collection.texts.push(row.0.text());
                    lines.push(row.line());
                }
                Entry::Occupied(known) => {
                    return Err(FileError::DuplicateId {
                        file: file.to_owned(),
                        line: row.line(),
                        column: table.layout.id.clone().unwrap_or_default(),
                        id: known.key().clone(),
                        first_line: lines[*known.get()],
                    });
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
    fn position(&self, judgements: &Table, row: &Row, column: usize) -> Result<usize, FileError> {
        let id = row.field(column);
        match self.positions.get(id) {
            Some(&position) => Ok(position),
            None => Err(FileError::UnknownId {
                file: judgements.file().to_owned(),
                line: row.line(),
                column: judgements.column(column),
                id: id.to_owned(),
                collection: self.file.clone(),
            }),
        }
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
        row: &Row,
        query: usize,
        document: usize,
    ) -> Result<(), FileError> {
        let relevance = table.number(row, 2)?;
        if !is_relevance(relevance) {
            return Err(FileError::Relevance {
                file: table.file().to_owned(),
                line: row.line(),
                column: table.column(2),
                relevance,
            });
        }
        let (first, first_line) = *self
            .seen
            .entry((query, document))
            .or_insert((relevance, row.line()));
        if first != relevance {
            return Err(FileError::Conflict {
                file: table.file().to_owned(),
                line: row.line(),
                column: table.column(2),
                query: row.field(0).to_owned(),
                document: row.field(1).to_owned(),
                first_line,
            });
        }
        self.all.push(Judgement {
            query,
            document,
            relevance,
        });
        Ok(())
    }
}
