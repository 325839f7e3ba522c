//! Evaluators from files of every format that `records` reads.
//!
//! The caller names the columns; by default they are those of the first list in this module that the
//! file has. In JSON Lines the first row determines the columns.

mod retrieval;
mod table;

use std::path::Path;

pub use retrieval::{QueryFiles, RetrievalFiles, TextColumns};

use self::table::{Layout, Table};
use super::error::{FileError, SetupError};
use super::paired::{Pair, PairedEvaluator};
use super::similarity::{ScoredPair, SimilarityEvaluator};
use super::triplet::{Triplet, TripletEvaluator};

/// Default columns of scored pairs, as in the STS benchmark.
const SCORED_PAIRS: &[[&str; 3]] = &[["sentence1", "sentence2", "score"]];

/// Default columns of triplets and pairs, as in the datasets of sentence-transformers and in product
/// data.
const TRIPLETS: &[[&str; 3]] = &[["anchor", "positive", "negative"]];
const PAIRS: &[[&str; 2]] = &[
    ["anchor", "positive"],
    ["query", "description"],
    ["title", "description"],
    ["sentence1", "sentence2"],
];

impl SimilarityEvaluator {
    /// Reads pairs with scores. The columns are those of the first text, the second text and the
    /// score; without them, `sentence1`, `sentence2` and `score`.
    ///
    /// # Errors
    ///
    /// The file cannot be read, lacks a column or has a bad row or score; errors of
    /// [`new`](Self::new).
    pub fn from_file(file: &Path, columns: Option<[&str; 3]>) -> Result<Self, FileError> {
        let table = Table::read(file, &layouts(columns, SCORED_PAIRS))?;
        let mut pairs = Vec::with_capacity(table.rows.len());
        for row in &table.rows {
            let [first, second] = row.texts();
            let score = table.number(row, 2)?;
            pairs.push(ScoredPair {
                first,
                second,
                score,
            });
        }
        Self::new(pairs).map_err(|source| setup(file, source))
    }
}

impl PairedEvaluator {
    /// Reads pairs. The columns are those of the first and the second text; without them, `anchor`
    /// and `positive`, or `query` and `description`, or `title` and `description`, or `sentence1`
    /// and `sentence2`.
    ///
    /// # Errors
    ///
    /// The file cannot be read, lacks a column, has a bad row or no rows.
    pub fn from_file(file: &Path, columns: Option<[&str; 2]>) -> Result<Self, FileError> {
        let table = Table::read(file, &layouts(columns, PAIRS))?;
        let pairs = table.rows.iter().map(|row| {
            let [first, second] = row.texts();
            Pair { first, second }
        });
        Self::new(pairs.collect()).map_err(|source| setup(file, source))
    }
}

impl TripletEvaluator {
    /// Reads triplets. The columns are those of the anchor, the positive and the negative; without
    /// them, `anchor`, `positive` and `negative`.
    ///
    /// # Errors
    ///
    /// The file cannot be read, lacks a column, has a bad row or no rows.
    pub fn from_file(file: &Path, columns: Option<[&str; 3]>) -> Result<Self, FileError> {
        let table = Table::read(file, &layouts(columns, TRIPLETS))?;
        let triplets = table.rows.iter().map(|row| {
            let [anchor, positive, negative] = row.texts();
            Triplet {
                anchor,
                positive,
                negative,
            }
        });
        Self::new(triplets.collect()).map_err(|source| setup(file, source))
    }
}

/// The named columns, or all default ones.
fn layouts<const N: usize>(named: Option<[&str; N]>, usual: &[[&str; N]]) -> Vec<Layout> {
    match named {
        Some(columns) => vec![Layout::of_columns(&columns)],
        None => usual
            .iter()
            .map(|columns| Layout::of_columns(columns))
            .collect(),
    }
}

fn setup(file: &Path, source: SetupError) -> FileError {
    FileError::Setup {
        file: file.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests;
