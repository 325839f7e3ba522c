//! Texts without pairs: every text of every column is a row.

use std::collections::HashSet;
use std::path::Path;

use records::{ReaderOptions, RowReader, Source};

use super::column_error::ColumnMapError;
use super::columns::ColumnMap;
use super::error::DataError;
use super::hash::hash_text;
use super::inference::is_id;
use super::kind::RowKind;
use super::read::{Layout, ReadOptions, first_row, has, open_to_infer, reader_options, sources};
use super::table::TextTable;

impl TextTable {
    /// Reads files as [`read`](Self::read) does, but each distinct text of any column becomes a row of its own, of the
    /// kind [`RowKind::Texts`]. Empty texts are left out.
    ///
    /// The columns are those with a text in the given map, if the file has them. Else they are all columns except those of
    /// ids, by their name, and those of numbers or addresses, by their first values. A file of plain text has a text per
    /// line. [`notes_on_texts`](Self::notes_on_texts) tells which columns were read.
    ///
    /// # Errors
    ///
    /// A file cannot be read, or a row of it and bad rows are not skipped; a file has no column of texts; no file has
    /// the given columns, or a text.
    pub(crate) fn read_texts<P: AsRef<Path>>(
        paths: &[P],
        options: &ReadOptions,
    ) -> Result<Self, DataError> {
        let files = sources(paths);
        let mut table = Self::new(RowKind::Texts);
        let mut seen = HashSet::new();
        for file in &files {
            let (columns, given) = columns(file, options)?;
            table.used_given |= given;
            let layout = Layout::new(&columns, None);
            table.columns_of_texts.push(layout.columns.clone());
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
        match (&options.columns, files.first()) {
            (Some(columns), Some(file)) if !table.used_given => {
                let wanted =
                    Layout::new(&ColumnMap::of_texts(columns.texts().to_vec()), None).columns;
                Err(DataError::columns(file)(ColumnMapError::NotThere {
                    wanted,
                }))
            }
            _ => table.finish(&files),
        }
    }
}

impl TextTable {
    /// Which columns of the files hold the texts, a line per file; none for rows that were not read so, and for plain text.
    pub(crate) fn notes_on_texts(&self) -> impl Iterator<Item = String> {
        let columns = self.columns_of_texts.iter().zip(self.files());
        let columns = columns.filter(|(columns, _)| !columns.is_empty());
        columns.map(|(columns, (file, ..))| format!("{file}: texts of {}", columns.join(", ")))
    }
}

/// First rows that say which columns are texts.
const LOOKED_AT: usize = 100;

/// The columns of texts of a file, none for plain text; and whether they are those of the options.
fn columns(file: &Source, options: &ReadOptions) -> Result<(ColumnMap, bool), DataError> {
    if let Some(given) = &options.columns {
        let texts = ColumnMap::of_texts(given.texts().to_vec());
        if has(file, &texts, options)? {
            return Ok((texts, true));
        }
    }
    let every_row = ReaderOptions {
        // A column may begin later than in the first row.
        missing_is_bad: false,
        ..reader_options(options)
    };
    let mut reader = open_to_infer(file, &every_row)?;
    let Some(first) = first_row(&mut reader)? else {
        return Ok((ColumnMap::of_texts(Vec::new()), false));
    };
    let others = reader.by_ref().take(LOOKED_AT).filter_map(Result::ok);
    let rows: Vec<Vec<String>> = std::iter::once(first)
        .chain(others)
        .map(|row| row.fields)
        .collect();
    let names = reader.columns();
    let texts = if names.is_empty() {
        Ok(Vec::new())
    } else {
        text_columns(names, &rows)
    };
    texts
        .map(|texts| (ColumnMap::of_texts(texts), false))
        .map_err(DataError::columns(file))
}

/// The columns of texts: those that are not ids by their name, and of which most values are neither numbers nor addresses.
fn text_columns(names: &[String], rows: &[Vec<String>]) -> Result<Vec<String>, ColumnMapError> {
    let is_text = |value: &str| {
        let is_address = value.starts_with("http://") || value.starts_with("https://");
        !is_address && value.parse::<f64>().is_err()
    };
    let has_texts = |place: usize| {
        let values = rows.iter().filter_map(|row| row.get(place));
        let values: Vec<&str> = values.map(|value| value.trim()).collect();
        let values = values.iter().filter(|value| !value.is_empty());
        let texts = values.clone().filter(|value| is_text(value)).count();
        2 * texts > values.count()
    };
    let texts = names.iter().enumerate();
    let texts = texts.filter(|(place, name)| !is_id(name) && has_texts(*place));
    let texts: Vec<String> = texts.map(|(_, name)| name.clone()).collect();
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

    /// One title is a number, the first price is missing, and addresses are no texts.
    #[test]
    fn columns_of_texts_are_told_by_many_rows() {
        let csv =
            "id,title,price,url\n1,1984,,https://x.de/1\n2,lamp,3,https://x.de/2\n3,chair,4,\n";
        let found = texts(&[("a.csv", csv)], &ReadOptions::default()).unwrap();
        assert_eq!(found, ["1984", "lamp", "chair"]);
    }

    #[test]
    fn columns_that_no_file_has_are_an_error() {
        let options = ReadOptions {
            columns: Some("anchor=headline,positive=id".parse().unwrap()),
            ..ReadOptions::default()
        };
        let error = texts(&[("a.csv", "id,title\n1,lamp\n")], &options).unwrap_err();
        assert!(error.to_string().contains("headline"), "{error}");
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
