//! The files of the data sets.

use std::collections::HashMap;
use std::path::Path;

use infer::Failure;
use records::{ReaderOptions, Row, RowReader, Source};
use safetensors::SafeTensors;
use search::Hit;
use search::metrics::{self, Gain};
use serde::Deserialize;

use crate::error::QualityError;

/// Reads these columns of a file, and its ids where it has them.
pub(crate) fn read(
    path: &Path,
    columns: &[&str],
    id_column: Option<&str>,
) -> Result<Vec<Row>, QualityError> {
    let options = ReaderOptions {
        columns: columns.iter().map(|&column| column.to_owned()).collect(),
        id_column: id_column.map(str::to_owned),
        ..ReaderOptions::default()
    };
    let records = RowReader::open(&Source::File(path.to_owned()), &options)
        .and_then(|reader| reader.collect::<Result<_, _>>());
    Ok(records.map_err(Failure::from)?)
}

/// The awkward texts, and PyTorch's vectors of them one after the other.
pub(crate) fn known_vectors(fixtures: &Path) -> Result<(Vec<String>, Vec<f32>), QualityError> {
    #[derive(Deserialize)]
    struct Known {
        texts: Vec<String>,
    }
    let open = |name: &str| {
        let path = fixtures.join(name);
        let bytes = std::fs::read(&path).map_err(|source| QualityError::reference(&path)(source));
        (path, bytes)
    };
    let (path, bytes) = open("all-mpnet-base-v2_tokens.json");
    let known: Known = serde_json::from_slice(&bytes?)
        .map_err(|error| QualityError::reference(&path)(error.into()))?;
    let (path, bytes) = open("all-mpnet-base-v2_embeddings.safetensors");
    let bytes = bytes?;
    let damaged = |error| QualityError::reference(&path)(std::io::Error::other(error));
    let tensors = SafeTensors::deserialize(&bytes).map_err(damaged)?;
    let vectors = tensors.tensor("embeddings").map_err(damaged)?;
    let floats = vectors.data().chunks_exact(4);
    let floats = floats.filter_map(|bytes| bytes.try_into().ok().map(f32::from_le_bytes));
    Ok((known.texts, floats.collect()))
}

/// The field of a record at a position among the columns that were read.
pub(crate) fn field(record: &Row, position: usize) -> &str {
    record.fields.get(position).map_or("", String::as_str)
}

/// That field as a number.
pub(crate) fn number(path: &Path, record: &Row, position: usize) -> Result<f64, QualityError> {
    let value = field(record, position);
    match value.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(number),
        _ => Err(QualityError::NotANumber {
            path: path.to_owned(),
            line: record.line,
            value: value.to_owned(),
        }),
    }
}

/// Positions of records by their ids.
pub(crate) fn positions(records: &[Row]) -> HashMap<&str, usize> {
    let ids = records
        .iter()
        .map(|record| record.id.as_deref().unwrap_or_default());
    ids.zip(0..).collect()
}

/// What people judged for one query, in the order of the file.
pub(crate) struct Judgements {
    /// The query's text or id, as the file has it.
    pub(crate) query: String,
    /// Positions of documents.
    pub(crate) documents: Vec<usize>,
    /// Their grades; 0 is irrelevant.
    pub(crate) grades: Vec<f64>,
}

/// Reads a file of judgements by query; its columns hold query, document and grade.
pub(crate) fn read_judgements(
    path: &Path,
    columns: [&str; 3],
    documents: &HashMap<&str, usize>,
) -> Result<Vec<Judgements>, QualityError> {
    let mut all: Vec<Judgements> = Vec::new();
    let mut by_query: HashMap<String, usize> = HashMap::new();
    for record in read(path, &columns, None)? {
        let (query, id) = (field(&record, 0).to_owned(), field(&record, 1));
        let Some(&document) = documents.get(id) else {
            return Err(QualityError::UnknownId {
                path: path.to_owned(),
                id: id.to_owned(),
            });
        };
        let grade = number(path, &record, 2)?;
        let position = *by_query.entry(query).or_insert_with_key(|query| {
            all.push(Judgements {
                query: query.clone(),
                documents: Vec::new(),
                grades: Vec::new(),
            });
            all.len() - 1
        });
        all[position].documents.push(document);
        all[position].grades.push(grade);
    }
    Ok(all)
}

impl Judgements {
    /// How many documents are relevant.
    pub(crate) fn relevant(&self) -> usize {
        self.grades.iter().filter(|&&grade| grade > 0.0).count()
    }

    /// Whether one judged document is better than another.
    pub(crate) fn tell_apart(&self) -> bool {
        self.grades.windows(2).any(|pair| pair[0] != pair[1])
    }

    /// The grades of what a search over all documents found; what was not judged is irrelevant.
    pub(crate) fn grades_of(&self, hits: &[Hit]) -> Vec<f64> {
        let grades: HashMap<_, _> = self.documents.iter().zip(&self.grades).collect();
        hits.iter()
            .map(|hit| grades.get(&hit.index).map_or(0.0, |&&grade| grade))
            .collect()
    }

    /// The gain of the first ten, relative to the best order of all that were judged.
    pub(crate) fn ndcg_at_10(&self, ranked_grades: &[f64]) -> Option<f64> {
        metrics::ndcg(ranked_grades, &self.grades, 10, Gain::Exponential)
    }
}
