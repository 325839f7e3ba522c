//! Writes the words of a segment.

use std::io;
use std::path::{Path, PathBuf};

use tantivy::directory::MmapDirectory;
use tantivy::indexer::SingleSegmentIndexWriter;
use tantivy::schema::Field;
use tantivy::tokenizer::TokenizerManager;
use tantivy::{Index, TantivyDocument};

use super::analyzer::Analyzer;
use super::error::WordsError;
use super::settings::{TOKENIZER, WordsSettings, schema};

/// Bytes by which tantivy sizes its table of words; it grows beyond them where it must.
const TABLE_BYTES: usize = 50 << 20;

/// Collects the words of the rows of a segment, in the order of the rows.
pub struct WordsWriter {
    folder: PathBuf,
    writer: SingleSegmentIndexWriter,
    fields: Vec<Field>,
    rows: usize,
}

impl std::fmt::Debug for WordsWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WordsWriter")
            .field("folder", &self.folder)
            .field("rows", &self.rows)
            .finish_non_exhaustive()
    }
}

impl WordsWriter {
    /// Begins in a folder, which is made if it is not there and otherwise must be empty.
    ///
    /// # Errors
    ///
    /// [`WordsError::Weight`] or [`WordsError::Write`].
    pub fn create(folder: &Path, settings: &WordsSettings) -> Result<Self, WordsError> {
        settings.check()?;
        let failed = |source| WordsError::Write {
            folder: folder.to_owned(),
            source,
        };
        let (schema, fields) = schema(settings.fields.len());
        let tokenizers = TokenizerManager::default();
        tokenizers.register(TOKENIZER, Analyzer::new(settings.language).for_rows());
        let writer = guard::guarded(|| -> Result<_, guard::BoxedError> {
            std::fs::create_dir_all(folder)?;
            if std::fs::read_dir(folder)?.next().is_some() {
                return Err(io::Error::from(io::ErrorKind::DirectoryNotEmpty).into());
            }
            let directory = MmapDirectory::open(folder)?;
            let builder = Index::builder().schema(schema).tokenizers(tokenizers);
            Ok(builder.single_segment_index_writer(directory, TABLE_BYTES)?)
        });
        Ok(Self {
            folder: folder.to_owned(),
            writer: writer.map_err(failed)?,
            fields,
            rows: 0,
        })
    }

    /// Bytes of memory that the words take so far.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.writer.mem_usage()
    }

    /// Adds the next row: its text in every column.
    ///
    /// # Errors
    ///
    /// [`WordsError::Texts`] if there are more or fewer texts than columns; [`WordsError::Write`].
    pub fn add(&mut self, texts: &[&str]) -> Result<(), WordsError> {
        if texts.len() != self.fields.len() {
            return Err(WordsError::Texts {
                row: self.rows,
                found: texts.len(),
                expected: self.fields.len(),
            });
        }
        let mut document = TantivyDocument::new();
        for (field, text) in self.fields.iter().zip(texts) {
            document.add_text(*field, text);
        }
        let written = guard::guarded(|| self.writer.add_document(document));
        written.map_err(|source| WordsError::Write {
            folder: self.folder.clone(),
            source,
        })?;
        self.rows += 1;
        Ok(())
    }

    /// Writes the files.
    ///
    /// # Errors
    ///
    /// [`WordsError::Write`].
    pub fn finish(self) -> Result<(), WordsError> {
        let Self { folder, writer, .. } = self;
        let written = guard::guarded(|| writer.finalize());
        written
            .map(drop)
            .map_err(|source| WordsError::Write { folder, source })
    }
}
