//! Texts without pairs: every text of every column is a row.

use std::collections::HashSet;
use std::path::Path;

use records::{RowReader, Source};

use super::column_error::ColumnMapError;
use super::columns::ColumnMap;
use super::error::DataError;
use super::hash::hash_text;
use super::inference::is_id;
use super::kind::RowKind;
use super::read::{Layout, ReadOptions, first_row, has, reader_options};
use super::table::TextTable;

impl TextTable {
    /// Reads files as [`read`](Self::read) does, but each distinct text of any column becomes a row of its own, of the
    /// kind [`RowKind::Texts`]. Empty texts are left out.
    ///
    /// The columns are those with a text in the given map, if the file has them. Else they are all columns except those of
    /// ids, by their name, and those of numbers, by their first value. A file of plain text has a text per line.
    ///
    /// # Errors
    ///
    /// A file cannot be read, or a row of it and bad rows are not skipped; a file has no column of texts; no file has
    /// a text.
    pub(crate) fn read_texts<P: AsRef<Path>>(
        paths: &[P],
        options: &ReadOptions,
    ) -> Result<Self, DataError> {
        let files: Vec<Source> = paths
            .iter()
            .map(|path| Source::from(path.as_ref()))
            .collect();
        let mut table = Self::new(RowKind::Texts);
        let mut seen = HashSet::new();
        for file in &files {
            let layout = Layout::new(&columns(file, options)?, None);
            let mut reader_options = reader_options(options);
            reader_options.columns.clone_from(&layout.columns);
            // An empty column is a text less.
            reader_options.missing_is_bad = false;
            reader_options.skip_bad_rows = false;
            table.begin_file(file.clone());
            for row in RowReader::open(file, &reader_options)? {
                let row = match row {
                    Err(error) if options.skip_bad_rows && error.is_row() => {
                        table.skip(error.into());
                        continue;
                    }
                    row => row?,
                };
                let texts: Vec<String> = if layout.columns.is_empty() {
                    row.fields
                } else {
                    layout.texts(&row.fields).map(Into::into).collect()
                };
                for text in texts.iter().map(|text| text.trim()) {
                    if !text.is_empty() && seen.insert(hash_text(text)) {
                        table.push(std::iter::once(text), &[], None, row.line);
                    }
                }
            }
        }
        table.finish(&files)
    }
}

/// The columns of texts of a file; none for plain text.
fn columns(file: &Source, options: &ReadOptions) -> Result<ColumnMap, DataError> {
    if let Some(given) = &options.columns {
        let texts = ColumnMap::of_texts(given.texts().to_vec());
        if has(file, &texts, options)? {
            return Ok(texts);
        }
    }
    let mut reader = RowReader::open_every_scalar(file, &reader_options(options))?;
    if reader.total_bytes().is_none() {
        return Err(DataError::ReadOnce { file: file.clone() });
    }
    let first = first_row(&mut reader)?;
    let names = reader.columns();
    let texts = match first {
        Some(first) if !names.is_empty() => text_columns(names, &first.fields),
        _ => Ok(Vec::new()),
    };
    texts
        .map(ColumnMap::of_texts)
        .map_err(|source| DataError::Columns {
            file: file.clone(),
            source,
        })
}

/// The columns of texts: those that are neither ids nor, by their first value, numbers.
fn text_columns(names: &[String], first: &[String]) -> Result<Vec<String>, ColumnMapError> {
    let is_text = |value: &str| value.trim().parse::<f64>().is_err();
    let texts = names.iter().zip(first);
    let texts = texts.filter(|(name, value)| !is_id(name) && is_text(value));
    let texts: Vec<String> = texts.map(|(name, _)| name.clone()).collect();
    if texts.is_empty() {
        let present = names.to_vec();
        return Err(ColumnMapError::NoTexts { present });
    }
    Ok(texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The texts of files of these contents.
    fn texts(files: &[(&str, &str)], options: &ReadOptions) -> Result<Vec<String>, DataError> {
        let folder = tempfile::tempdir().unwrap();
        let paths = files.iter().map(|(name, content)| {
            let path = folder.path().join(name);
            std::fs::write(&path, content).unwrap();
            path
        });
        let table = TextTable::read_texts(&paths.collect::<Vec<_>>(), options)?;
        assert_eq!((table.kind(), table.text_columns()), (RowKind::Texts, 1));
        Ok((0..table.len())
            .map(|row| table.text(row, 0).to_owned())
            .collect())
    }

    #[test]
    fn every_text_of_every_column_is_a_row_once() {
        let csv = "id,title,price,description\n1,lamp,9.5,gives light\n2,chair,20,\n3,lamp,9,gives light \n";
        let lines = "chair\n\nkettle\n";
        let found = texts(&[("a.csv", csv), ("b.txt", lines)], &ReadOptions::default()).unwrap();
        assert_eq!(found, ["lamp", "gives light", "chair", "kettle"]);
    }

    #[test]
    fn columns_may_be_given() {
        let options = ReadOptions {
            columns: Some("anchor={title} of {brand},positive=id".parse().unwrap()),
            ..ReadOptions::default()
        };
        let csv = "id,title,brand\n1,lamp,X\n2,chair,Y\n";
        let found = texts(&[("a.csv", csv), ("b.txt", "kettle\n")], &options).unwrap();
        assert_eq!(found, ["lamp of X", "1", "chair of Y", "2", "kettle"]);
    }

    #[test]
    fn a_file_without_texts_is_refused() {
        let error = texts(
            &[("a.csv", "id,price\n1,2.5\n2,3\n")],
            &ReadOptions::default(),
        );
        assert!(matches!(error, Err(DataError::Columns { .. })), "{error:?}");
        let error = texts(&[("a.txt", "\n\n")], &ReadOptions::default());
        assert!(matches!(error, Err(DataError::NoRows { .. })), "{error:?}");
    }
}
