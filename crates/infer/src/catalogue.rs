//! A file of products in memory, with an index of their vectors.

use std::path::{Path, PathBuf};

use model::SentenceEncoder;
use records::{ReaderOptions, Row, RowReader, Source};
use search::{Index, Similarity};

use crate::cli::{CorpusArgs, ReadArgs};
use crate::failure::{Failure, UsageError};
use crate::saved_vectors;
use crate::stream::{TextsOf, embed_file, note_skipped};
use crate::terminal::Notes;
use crate::vectors::{Vectors, read_vectors};

/// Records and the index of their vectors, in the same order.
pub struct Catalogue {
    records: Vec<Row>,
    index: Index,
}

/// A file of products that has been opened, before the model is loaded.
pub struct Corpus {
    reader: RowReader,
    vectors: Option<(PathBuf, Vectors)>,
}

impl Corpus {
    /// Opens the file, and reads its vectors where they were saved.
    ///
    /// # Errors
    ///
    /// When one of them cannot be read.
    pub fn open(args: &CorpusArgs) -> Result<Self, Failure> {
        if args.corpus == Path::new("-") {
            return Err(UsageError::CorpusIsStdin.into());
        }
        let reader = open(&args.corpus, &args.read)?;
        let vectors = match &args.vectors {
            Some(path) => Some((path.clone(), read_vectors(path)?)),
            None => None,
        };
        Ok(Self { reader, vectors })
    }
}

impl Catalogue {
    /// Reads a corpus to its end, and embeds it unless its vectors were saved.
    ///
    /// # Errors
    ///
    /// When the corpus cannot be read or is not that of the saved vectors, or when the model fails.
    pub fn load(
        corpus: Corpus,
        encoder: &SentenceEncoder,
        similarity: Similarity,
        notes: Notes,
    ) -> Result<Self, Failure> {
        let Corpus {
            mut reader,
            vectors,
        } = corpus;
        let mut records = Vec::new();
        let mut values = Vec::new();
        if let Some((path, vectors)) = vectors {
            for record in reader.by_ref() {
                records.push(record?);
            }
            saved_vectors::check(&path, &vectors, &records, encoder)?;
            values = vectors.values;
        } else {
            embed_file(
                &mut reader,
                TextsOf::Record,
                encoder,
                notes,
                |window, vectors| {
                    records.extend(window);
                    values.extend_from_slice(vectors.values());
                    Ok(())
                },
            )?;
        }
        note_skipped(&reader, notes);
        Ok(Self {
            records,
            index: Index::new(values, encoder.width(), similarity)?,
        })
    }

    /// The index; its positions are those of the records.
    #[must_use]
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// The record at a position of the index.
    #[must_use]
    pub fn record(&self, position: usize) -> Option<&Row> {
        self.records.get(position)
    }

    /// The position of the record with that id; where records have none, ids are their numbers,
    /// from 1.
    #[must_use]
    pub fn position(&self, id: &str) -> Option<usize> {
        let by_id = self
            .records
            .iter()
            .position(|record| record.id.as_deref() == Some(id));
        let numbered = || {
            let number: usize = id.parse().ok()?;
            let position = number.checked_sub(1)?;
            self.records
                .get(position)
                .filter(|record| record.id.is_none())
                .map(|_| position)
        };
        by_id.or_else(numbered)
    }

    /// What a record is called: its id, or its number from 1.
    #[must_use]
    pub fn name(&self, position: usize) -> String {
        let id = self.record(position).and_then(|record| record.id.clone());
        id.unwrap_or_else(|| (position + 1).to_string())
    }
}

/// Opens a file of texts; `-` is standard input.
///
/// # Errors
///
/// When it cannot be opened or lacks the columns.
pub fn open(path: &Path, args: &ReadArgs) -> Result<RowReader, Failure> {
    Ok(RowReader::open(&Source::from(path), &reader_options(args))?)
}

/// What the command line says about reading.
#[must_use]
pub fn reader_options(args: &ReadArgs) -> ReaderOptions {
    ReaderOptions {
        format: args.format,
        columns: args.columns.clone(),
        id_column: args.id_column.clone(),
        skip_bad_rows: args.skip_bad_rows,
    }
}
