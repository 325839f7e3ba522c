//! A corpus: the rows of a file, with an index of their vectors.

use std::path::PathBuf;

use model::{Prompt, SentenceEncoder};
use program::Console;
use records::{Row, RowReader};
use search::{Index, Similarity};

use crate::cli::CorpusArgs;
use crate::error::Error;
use crate::input::open_texts;
use crate::stream::{TextsOf, embed_file, note_skipped};
use crate::vectors::{Vectors, read_vectors};
use crate::verify::verify;

/// Rows and the index of their vectors, in the same order.
pub struct Corpus {
    path: PathBuf,
    columns: Vec<String>,
    rows: Vec<Row>,
    index: Index,
}

/// The opened files of a corpus. Opening comes first: a wrong file is an error before the model is
/// loaded.
pub struct CorpusFiles {
    path: PathBuf,
    reader: RowReader,
    vectors: Option<(PathBuf, Vectors)>,
}

impl CorpusFiles {
    /// Opens the file of texts, and reads the saved vectors if there are any.
    ///
    /// # Errors
    ///
    /// When one of them cannot be read.
    pub fn open(args: &CorpusArgs) -> Result<Self, Error> {
        let reader = open_texts(&args.corpus, &args.read)?;
        let vectors = match &args.vectors {
            Some(path) => Some((path.clone(), read_vectors(path)?)),
            None => None,
        };
        Ok(Self {
            path: args.corpus.first().cloned().unwrap_or_default(),
            reader,
            vectors,
        })
    }
}

impl Corpus {
    /// Reads the rows, and embeds them unless their vectors were saved.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, the saved vectors belong to other rows, or the model fails.
    pub fn load(
        files: CorpusFiles,
        encoder: &SentenceEncoder,
        similarity: Similarity,
        console: Console,
    ) -> Result<Self, Error> {
        let CorpusFiles {
            path,
            mut reader,
            vectors: saved,
        } = files;
        let mut rows = Vec::new();
        let mut values = Vec::new();
        if let Some((vectors_path, saved)) = saved {
            for row in reader.by_ref() {
                rows.push(row?);
            }
            verify(&vectors_path, &saved, &rows, encoder)?;
            values = saved.values;
        } else {
            embed_file(
                &mut reader,
                TextsOf::Row,
                &Prompt::Document,
                encoder,
                console,
                |window, vectors| {
                    rows.extend(window);
                    values.extend_from_slice(vectors.values());
                    Ok(())
                },
            )?;
        }
        note_skipped(&reader, console);
        Ok(Self {
            path,
            columns: reader.columns().to_vec(),
            rows,
            index: Index::new(values, encoder.width(), similarity)?,
        })
    }

    /// The index; its positions are those of the rows.
    #[must_use]
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// The columns of the text, in the order of the fields of a row; none in plain text.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The row at a position of the index, from 0.
    #[must_use]
    pub fn row(&self, position: usize) -> Option<&Row> {
        self.rows.get(position)
    }

    /// The position of the row with that id. Where rows have no ids, an id is the number of a data row
    /// of the files, from 1; skipped rows count too.
    ///
    /// # Errors
    ///
    /// When no row has that id.
    pub fn position(&self, id: &str) -> Result<usize, Error> {
        let by_id = self
            .rows
            .iter()
            .position(|row| row.id.as_deref() == Some(id));
        let by_number = || {
            let number: u64 = id.parse().ok()?;
            let position = self
                .rows
                .binary_search_by_key(&number, |row| row.number)
                .ok()?;
            self.rows.get(position)?.id.is_none().then_some(position)
        };
        by_id.or_else(by_number).ok_or_else(|| Error::UnknownId {
            path: self.path.clone(),
            id: id.to_owned(),
        })
    }

    /// The number of the row at a position, among the rows of the files, from 1; skipped rows count
    /// too.
    #[must_use]
    pub fn number(&self, position: usize) -> u64 {
        self.row(position).map_or(0, |row| row.number)
    }

    /// The id of the row at a position, or its number from 1.
    #[must_use]
    pub fn name(&self, position: usize) -> String {
        let id = self.row(position).and_then(|row| row.id.clone());
        id.unwrap_or_else(|| self.number(position).to_string())
    }

    /// The text of the row at a position.
    #[must_use]
    pub fn text(&self, position: usize) -> String {
        self.row(position).map(Row::text).unwrap_or_default()
    }
}
