//! Opening files of texts as the command line says.

use std::path::Path;

use records::{ReaderOptions, RowReader, Source};

use crate::cli::ReadArgs;
use crate::error::{Error, UsageError};

impl From<&ReadArgs> for ReaderOptions {
    fn from(args: &ReadArgs) -> Self {
        Self {
            format: args.format,
            columns: args.columns.clone(),
            id_column: args.id_column.clone(),
            skip_bad_rows: args.skip_bad_rows,
        }
    }
}

/// Opens a file of texts; `-` is standard input.
///
/// # Errors
///
/// When the file cannot be opened or lacks a column.
pub fn open_texts(path: &Path, args: &ReadArgs) -> Result<RowReader, Error> {
    Ok(RowReader::open(&Source::from(path), &args.into())?)
}

/// Opens a file whose rows have exactly two texts; `-` is standard input.
///
/// # Errors
///
/// When the file cannot be opened, lacks a column, or has another number of columns.
pub fn open_pairs(path: &Path, args: &ReadArgs) -> Result<RowReader, Error> {
    let mut reader = RowReader::open_every_column(&Source::from(path), &args.into())?;
    match reader.columns().len() {
        2 => Ok(reader),
        // JSON Lines without a row names no columns.
        0 if reader.next().is_none() => Ok(reader),
        // A plain text file has no columns, and one text per row.
        0 => Err(UsageError::TwoColumns(1).into()),
        columns => Err(UsageError::TwoColumns(columns).into()),
    }
}
