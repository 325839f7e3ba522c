//! A corpus: the rows of a file, with an index of their vectors.

use std::path::PathBuf;

use model::{Prompt, SentenceEncoder};
use program::Console;
use records::{Row, RowReader};
use search::{Similarity, VectorIndex};

use crate::cli::CorpusArgs;
use crate::error::Error;
use crate::input::{only_files, open_texts};
use crate::made_of::provenance;
use crate::rows::Rows;
use crate::stream::{TextsOf, embed_file};
use crate::vectors::{Difference, Vectors, read_vectors};
use crate::verify::{SAMPLED_ROWS, verify_provenance, verify_sample, verify_without_model};

/// Rows and the index of their vectors, in the same order.
pub struct Corpus {
    rows: Rows,
    index: VectorIndex,
}

/// The opened files of a corpus. Opening comes first: a wrong file is an error before the model is
/// loaded.
pub struct CorpusFiles {
    path: PathBuf,
    reader: RowReader,
    vectors: Option<(PathBuf, Vectors)>,
    /// The number of rows, where their vectors will need memory.
    expected: usize,
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
        // Vectors that grow by doubling would need three times their memory for a while.
        let expected = if vectors.is_none() && only_files(&args.corpus) {
            open_texts(&args.corpus, &args.read)?.flatten().count()
        } else {
            0
        };
        Ok(Self {
            path: args.corpus.first().cloned().unwrap_or_default(),
            reader,
            vectors,
            expected,
        })
    }

    /// Whether the saved vectors can be verified without the model: the file says what they are made
    /// of.
    #[must_use]
    pub fn has_provenance(&self) -> bool {
        let saved = self.vectors.as_ref();
        saved.is_some_and(|(_, vectors)| vectors.provenance.is_some())
    }

    /// The options of the command line that are not those of the saved vectors.
    #[must_use]
    pub fn contradicted(
        &self,
        dimensions: Option<usize>,
        precision: Option<String>,
    ) -> Vec<Difference> {
        let provenance = self
            .vectors
            .as_ref()
            .and_then(|(_, saved)| saved.provenance.as_ref());
        let Some(saved) = provenance else {
            return Vec::new();
        };
        let given = [
            (
                "--dimensions",
                saved.dimensions.to_string(),
                dimensions.map(|dimensions| dimensions.to_string()),
            ),
            ("--precision", saved.precision.clone(), precision),
        ];
        let differences = given.into_iter().filter_map(|(option, saved, now)| {
            let now = now.filter(|now| *now != saved)?;
            Some(Difference { option, saved, now })
        });
        differences.collect()
    }

    fn rows(&mut self) -> Result<Vec<Row>, Error> {
        let mut rows = Vec::new();
        for row in self.reader.by_ref() {
            rows.push(row?);
        }
        Ok(rows)
    }
}

impl Corpus {
    /// Reads the rows, and embeds them unless their vectors were saved. `model` is the name of the
    /// model on the command line.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, the saved vectors belong to other rows, or the model fails.
    pub fn load(
        mut files: CorpusFiles,
        encoder: &SentenceEncoder,
        model: &str,
        similarity: Similarity,
        console: Console,
    ) -> Result<Self, Error> {
        let Some((path, saved)) = files.vectors.take() else {
            return Self::embed(files, encoder, similarity, console);
        };
        let rows = files.rows()?;
        if let Some(made_of) = &saved.provenance {
            let now = provenance(
                encoder,
                model,
                &Prompt::Document,
                files.reader.columns(),
                true,
            )?;
            verify_provenance(&path, &saved, made_of, &rows, &now, similarity)?;
        } else {
            verify_sample(&path, &saved, &rows, encoder, similarity)?;
            console.note(format_args!(
                "note: {}: the vectors of {} of {} rows were compared with their texts, the others were \
                 not; a .parquet or .safetensors file of `infer embed` is compared whole, without the model",
                path.display(),
                SAMPLED_ROWS.min(rows.len()),
                rows.len(),
            ));
        }
        Self::new(
            files,
            rows,
            saved.values,
            encoder.width(),
            similarity,
            console,
        )
    }

    /// Reads the rows and their saved vectors, which [have a
    /// provenance](CorpusFiles::has_provenance), without a model. The similarity is that of the model, unless another is given. `differences` are options of the
    /// command line that it contradicts, see [`CorpusFiles::contradicted`].
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or the saved vectors belong to other rows.
    pub fn load_saved(
        mut files: CorpusFiles,
        differences: Vec<Difference>,
        similarity: Option<Similarity>,
        console: Console,
    ) -> Result<Self, Error> {
        let rows = files.rows()?;
        let (path, saved) = files.vectors.take().unwrap_or_default();
        if let Some(made_of) = &saved.provenance {
            let columns = files.reader.columns();
            verify_without_model(&path, &saved, made_of, &rows, columns, differences)?;
        }
        let of_model = saved
            .provenance
            .and_then(|made_of| Similarity::from_name(&made_of.similarity));
        let similarity = similarity.or(of_model).unwrap_or_default();
        let width = saved.width.max(1);
        Self::new(files, rows, saved.values, width, similarity, console)
    }

    fn embed(
        mut files: CorpusFiles,
        encoder: &SentenceEncoder,
        similarity: Similarity,
        console: Console,
    ) -> Result<Self, Error> {
        let mut rows = Vec::new();
        let mut values: Vec<f32> = Vec::with_capacity(files.expected * encoder.width());
        embed_file(
            &mut files.reader,
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
        Self::new(files, rows, values, encoder.width(), similarity, console)
    }

    fn new(
        files: CorpusFiles,
        rows: Vec<Row>,
        values: Vec<f32>,
        width: usize,
        similarity: Similarity,
        console: Console,
    ) -> Result<Self, Error> {
        let index = VectorIndex::new(values, width, similarity)?;
        let rows = Rows::new(files.path, &files.reader, rows, console);
        Ok(Self { rows, index })
    }

    /// The index; its positions are those of the rows.
    #[must_use]
    pub fn index(&self) -> &VectorIndex {
        &self.index
    }

    /// The rows.
    #[must_use]
    pub fn rows(&self) -> &Rows {
        &self.rows
    }
}
