//! A file of products in memory, with an index of their vectors.

use std::path::Path;

use model::SentenceEncoder;
use search::{Index, Similarity};

use crate::cli::{CorpusArgs, ReadArgs};
use crate::failure::{Failure, UsageError};
use crate::records::{ReaderOptions, Record, RecordReader, Source};
use crate::stream::{Summary, encode_records};
use crate::terminal::{BarKind, Notes};
use crate::vectors::read_vectors;

/// Records and the index of their vectors, in the same order.
pub struct Catalogue {
    records: Vec<Record>,
    index: Index,
}

impl Catalogue {
    /// Reads a corpus and embeds it, or takes its vectors from a file.
    ///
    /// # Errors
    ///
    /// When the corpus or its vectors cannot be read or do not fit together, or when the model
    /// fails.
    pub fn load(
        args: &CorpusArgs,
        encoder: &SentenceEncoder,
        notes: Notes,
    ) -> Result<Self, Failure> {
        if args.corpus == Path::new("-") {
            return Err(UsageError::CorpusIsStdin.into());
        }
        let mut reader = open(&args.corpus, &args.read)?;
        let (records, values, width) = match &args.vectors {
            Some(path) => {
                let records = reader.by_ref().collect::<Result<Vec<_>, _>>()?;
                let vectors = read_vectors(path)?;
                if vectors.width != encoder.width() {
                    let (found, expected) = (vectors.width, encoder.width());
                    return Err(Failure::VectorWidth {
                        path: path.clone(),
                        found,
                        expected,
                    });
                }
                let count = vectors.values.len() / vectors.width.max(1);
                if count != records.len() {
                    return Err(Failure::VectorCount {
                        path: path.clone(),
                        vectors: count,
                        records: records.len(),
                    });
                }
                (records, vectors.values, vectors.width)
            }
            None => {
                let mut records = Vec::new();
                let mut values = Vec::new();
                embed_file(&mut reader, encoder, notes, |window, vectors| {
                    records.extend(window);
                    values.extend_from_slice(vectors);
                    Ok(())
                })?;
                (records, values, encoder.width())
            }
        };
        note_skipped(&reader, notes);
        Ok(Self {
            records,
            index: Index::new(values, width, Similarity::Cosine)?,
        })
    }

    /// The index; its positions are those of the records.
    #[must_use]
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// The record at a position of the index.
    #[must_use]
    pub fn record(&self, position: usize) -> Option<&Record> {
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
pub fn open(path: &Path, args: &ReadArgs) -> Result<RecordReader, Failure> {
    Ok(RecordReader::open(
        &Source::from(path),
        &reader_options(args),
    )?)
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

/// Embeds all records of a reader under a progress bar, and says how many texts were cut.
///
/// # Errors
///
/// As [`encode_records`].
pub fn embed_file(
    reader: &mut RecordReader,
    encoder: &SentenceEncoder,
    notes: Notes,
    mut sink: impl FnMut(Vec<Record>, &[f32]) -> Result<(), Failure>,
) -> Result<Summary, Failure> {
    // The number of records is not known before the end: the bar follows the bytes.
    let bar = notes.bar(reader.total_bytes(), BarKind::Bytes);
    let step = |reader: &RecordReader, done: usize| {
        bar.set_position(reader.bytes_read());
        let rate = done as f64 / bar.elapsed().as_secs_f64().max(1e-3);
        bar.set_message(format!("{done} texts  {rate:.1}/s"));
    };
    let summary = encode_records(reader, encoder, step, |window, vectors| {
        sink(window, vectors.values())
    });
    bar.finish_and_clear();
    let summary = summary?;
    note_truncated(summary.truncated, summary.records, encoder, notes);
    Ok(summary)
}

/// Says how many texts were longer than the model reads.
pub fn note_truncated(truncated: usize, texts: usize, encoder: &SentenceEncoder, notes: Notes) {
    if truncated > 0 {
        let limit = encoder.tokenizer().max_length();
        notes.note(format_args!(
            "note: {truncated} of {texts} texts have more than {limit} tokens; the rest was cut"
        ));
    }
}

/// Says how many rows were skipped.
pub fn note_skipped(reader: &RecordReader, notes: Notes) {
    if reader.skipped() > 0 {
        let first = reader
            .first_skipped()
            .map(|error| format!("; the first: {error}"))
            .unwrap_or_default();
        notes.note(format_args!(
            "note: skipped {} bad rows{first}",
            reader.skipped()
        ));
    }
}
