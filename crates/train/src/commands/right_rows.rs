//! Pairs that say which product is right for a query.

use std::path::Path;

use crate::data::{RowKind, TextTable};
use crate::error::TrainError;

/// The rows of `--pairs FILE` whose texts belong together: all, or those with label 1.
///
/// # Errors
///
/// When no row has label 1, or rows have scores, which do not say what is right.
pub(super) fn right_rows(file: &Path, table: &TextTable) -> Result<Vec<usize>, TrainError> {
    let refused = |problem: &str| {
        Err(TrainError::Usage(format!(
            "--pairs {}: {problem}",
            file.display()
        )))
    };
    let rows = 0..table.len();
    match table.kind() {
        RowKind::Labelled => {
            let is_right = |row: &usize| table.row(*row).target() == Some(1.0);
            let right: Vec<usize> = rows.filter(is_right).collect();
            if right.is_empty() {
                return refused("no row has label 1, so there is no right product");
            }
            Ok(right)
        }
        RowKind::Scored => refused(
            "it has a column of scores, which do not say which products are right; keep the rows of right products, and name \
             their columns with --columns anchor=COLUMN,positive=COLUMN",
        ),
        _ => Ok(rows.collect()),
    }
}
