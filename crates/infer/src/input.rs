//! Opening files of texts as the command line says.

use std::collections::HashSet;
use std::path::PathBuf;

use records::{ReaderOptions, RowReader, Source};

use crate::cli::ReadArgs;
use crate::error::{Error, UsageError};

impl From<&ReadArgs> for ReaderOptions {
    fn from(args: &ReadArgs) -> Self {
        Self {
            format: args.format,
            columns: args.columns.clone(),
            id_column: args.id_column.clone(),
            require: args.require.clone(),
            delimiter: args.delimiter,
            quoting: args.quoting.into(),
            encoding: args.encoding,
            clean_html: args.clean_html,
            skip_bad_rows: args.skip_bad_rows,
            shard: args.shard,
            // The vector of an empty text is as close to one product as to another.
            skip_empty_rows: true,
            text_columns: None,
            missing_is_bad: false,
            keep_objects: false,
        }
    }
}

/// Opens files of texts, which are read in order; `-` is standard input, and a name may be a pattern.
///
/// # Errors
///
/// When a file cannot be opened or lacks a column, or a column is named twice.
pub fn open_texts(paths: &[PathBuf], args: &ReadArgs) -> Result<RowReader, Error> {
    open_texts_beside(paths, args, args.columns.len())
}

/// [`open_texts`], of whose columns the first `texts` have the text: a row without it is empty, whatever the others have.
///
/// # Errors
///
/// As [`open_texts`].
pub fn open_texts_beside(
    paths: &[PathBuf],
    args: &ReadArgs,
    texts: usize,
) -> Result<RowReader, Error> {
    let mut named = HashSet::new();
    if let Some(column) = args.columns.iter().find(|column| !named.insert(*column)) {
        return Err(UsageError::RepeatedColumn(column.clone()).into());
    }
    let sources = Source::expand(paths)?;
    let options = ReaderOptions {
        // Without names the column is the default one.
        text_columns: (texts > 0).then_some(texts),
        ..args.into()
    };
    Ok(RowReader::open_all(&sources, &options)?)
}

/// Whether all names are those of regular files, which can be read twice.
#[must_use]
pub fn only_files(paths: &[PathBuf]) -> bool {
    Source::expand(paths).is_ok_and(|sources| sources.iter().all(Source::is_regular_file))
}

/// Opens files whose rows have exactly two texts; `-` is standard input, and a name may be a pattern.
///
/// # Errors
///
/// When a file cannot be opened, lacks a column, or has another number of columns.
pub fn open_pairs(paths: &[PathBuf], args: &ReadArgs) -> Result<RowReader, Error> {
    let sources = Source::expand(paths)?;
    let mut reader = RowReader::open_every_column(&sources, &args.into())?;
    match reader.columns().len() {
        2 => Ok(reader),
        // JSON without a row names no columns.
        0 if reader.next().is_none() => Ok(reader),
        // A plain text file has no columns, and one text per row.
        0 => Err(UsageError::TwoColumns(1).into()),
        columns => Err(UsageError::TwoColumns(columns).into()),
    }
}
