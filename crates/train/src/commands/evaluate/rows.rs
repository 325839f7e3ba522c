//! Evaluators of files of rows: pairs, scores, triplets.

use std::path::Path;

use super::super::right_rows::right_rows;
use crate::data::{ColumnMap, ReadOptions, RowKind, TextTable};
use crate::error::TrainError;
use crate::evaluation::{Evaluator, FileError, RetrievalEvaluator, of_rows};
use crate::report::DataRole;
use crate::run::files_of;

/// The evaluator of a file of rows, or of the validation rows of a folder of Parquet files, and whether it has the given columns; otherwise its own count, because
/// one call may read files of several kinds.
pub(super) fn rows(
    path: &Path,
    kind: RowKind,
    columns: Option<&ColumnMap>,
) -> Result<(Box<dyn Evaluator>, bool), TrainError> {
    let options = ReadOptions {
        columns: columns.cloned(),
        infer_where_missing: true,
        // A label says which pairs are right.
        kind: (kind != RowKind::Pairs).then_some(kind),
        ..ReadOptions::default()
    };
    let table = TextTable::read(&files_of(path, DataRole::Validation)?, &options)?;
    if kind == RowKind::Pairs {
        let evaluator = of_right_pairs(path, &table)?;
        return Ok((Box::new(evaluator), table.used_given_columns()));
    }
    let all: Vec<usize> = (0..table.len()).collect();
    let evaluator = of_rows(&table, &all).map_err(|source| FileError::Setup {
        file: path.to_owned(),
        source,
    })?;
    Ok((evaluator, table.used_given_columns()))
}

/// The evaluator of the pairs that belong together: all, or those with label 1.
fn of_right_pairs(path: &Path, table: &TextTable) -> Result<RetrievalEvaluator, TrainError> {
    let rows = right_rows(path, table)?;
    let columns = [0, 1].map(|column| {
        let texts = rows.iter().map(|&row| table.text(row, column).to_owned());
        texts.collect()
    });
    let evaluator = RetrievalEvaluator::of_pairs(columns);
    Ok(evaluator.map_err(|source| FileError::Setup {
        file: path.to_owned(),
        source,
    })?)
}
