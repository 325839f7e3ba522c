//! Files as shops have them: each with the rows that it means, or the error that says what to do.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may"
)]

mod bytes;
mod csv;
mod format;
mod json;
mod rows;
mod tsv;

use std::io::{Cursor, Write};

use records::{ReadError, ReaderOptions, Row, RowReader, Source};
use tempfile::TempDir;

/// A folder of files.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> Source {
        let path = self.0.path().join(name);
        std::fs::write(&path, content).unwrap();
        Source::File(path)
    }

    /// A message without the folder.
    fn message(&self, text: impl ToString) -> String {
        let folder = format!("{}/", self.0.path().display());
        text.to_string().replace(&folder, "")
    }
}

/// The end of reading a file.
#[derive(Debug, Default)]
struct Read {
    rows: Vec<Row>,
    errors: Vec<String>,
    notes: Vec<String>,
}

impl Read {
    /// The texts of the rows.
    fn texts(&self) -> Vec<String> {
        self.rows.iter().map(Row::text).collect()
    }

    fn lines(&self) -> Vec<u64> {
        self.rows.iter().map(|row| row.line).collect()
    }
}

fn columns(columns: &[&str]) -> ReaderOptions {
    ReaderOptions {
        columns: columns.iter().map(|&column| column.to_owned()).collect(),
        ..ReaderOptions::default()
    }
}

fn open(name: &str, content: impl AsRef<[u8]>, options: &ReaderOptions) -> Result<Read, String> {
    let folder = Folder::new();
    let source = folder.file(name, content);
    read_all(&folder, RowReader::open(&source, options))
}

/// Reads to the end, also behind bad rows.
fn read_all(folder: &Folder, reader: Result<RowReader, ReadError>) -> Result<Read, String> {
    let mut reader = reader.map_err(|error| folder.message(error))?;
    let mut read = Read::default();
    for row in reader.by_ref() {
        match row {
            Ok(row) => read.rows.push(row),
            Err(error) => read.errors.push(folder.message(error)),
        }
    }
    let notes = reader.notes().into_iter();
    read.notes = notes.map(|note| folder.message(note)).collect();
    Ok(read)
}

#[track_caller]
fn texts(name: &str, content: impl AsRef<[u8]>, options: &ReaderOptions) -> Vec<String> {
    let read = open(name, content, options).unwrap();
    assert_eq!(read.errors, [""; 0], "{name}");
    read.texts()
}

/// Reads a stream under the name of standard input.
fn stream(content: impl AsRef<[u8]>, options: &ReaderOptions) -> Result<Read, String> {
    let bytes = Cursor::new(content.as_ref().to_vec());
    let reader = RowReader::from_reader(&Source::Stdin, bytes, options);
    read_all(&Folder::new(), reader)
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}
