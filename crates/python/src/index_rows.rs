//! The rows of an index, and how they get there.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::path::Path;

use model::parts::Progress;
use model::threads::Pool;
use model::{EncodeOptions, ModelError, Prompt, SentenceEncoder};
use search::filter::FilterColumn;
use search::index::{Change, Document, IndexError, IndexReader, IndexWriter, Settings, joined};

use crate::error::Error;
use crate::index_values::Given;
use crate::watch::Watch;

/// Rows that are embedded together, between two looks at signals at most a slice of texts.
const BLOCK_ROWS: usize = 1024;

/// Makes an index without rows, or opens one of these settings.
pub(crate) fn made(
    folder: &Path,
    encoder: &SentenceEncoder,
    name: &str,
    settings: Settings,
    weight: Option<f32>,
) -> Result<IndexReader, Error> {
    let settings = Settings {
        model: encoder.fingerprint(name)?,
        width: encoder.width(),
        similarity: encoder.similarity(),
        ..settings
    };
    match IndexWriter::open(folder) {
        Ok(mut writer) => {
            writer.settings().model.check(&settings.model)?;
            if !writer.settings().holds_like(&settings) {
                let folder = folder.display();
                return Err(Error::Argument(format!(
                    "{folder} is an index of other columns or another language"
                )));
            }
            if weight.is_some() {
                writer.set_fusion(settings.fusion)?;
                writer.commit()?;
            }
        }
        Err(IndexError::NoIndex { .. }) => drop(IndexWriter::create(folder, settings)?),
        Err(error) => return Err(error.into()),
    }
    Ok(IndexReader::open(folder)?)
}

/// Embeds what is new, and commits, also what was done before an error. Returns the number of rows that were written.
pub(crate) fn add_rows(
    folder: &Path,
    encoder: &SentenceEncoder,
    pool: &Pool,
    rows: &[Document],
    watch: &mut Watch,
) -> Result<usize, Error> {
    let mut writer = IndexWriter::open(folder)?;
    let of_index = &writer.settings().model;
    of_index.check(&encoder.fingerprint(&of_index.name)?)?;
    let mut written = 0;
    let mut add_block = |rows: &[Document]| {
        let (mut changed, mut texts, mut ids) = (Vec::new(), Vec::new(), HashSet::new());
        pool.install(|| {
            for row in rows {
                // The vector of a row that this block replaces is not that of the index.
                let change = match ids.insert(&row.id) {
                    true => writer.needed(row)?,
                    false => Change::New,
                };
                match change {
                    Change::Unchanged => continue,
                    Change::SameTexts => {}
                    Change::New => texts.push(joined(&row.texts)),
                }
                changed.push((row, change));
            }
            Ok::<_, Error>(())
        })?;
        let options = EncodeOptions::with_prompt(Prompt::Document);
        let progress = |progress: Progress| watch.done(progress.done);
        let vectors = encoder.encode_with_options(&texts, &options, progress)?;
        pool.install(|| {
            let mut vectors = vectors.rows();
            for (row, change) in changed {
                let vector = match change {
                    Change::New => vectors.next(),
                    _ => None,
                };
                writer.add(row, vector)?;
                written += 1;
            }
            Ok::<_, Error>(())
        })?;
        watch.passed(rows.len());
        // A block without a new text has looked at no signal.
        match watch.done(0) {
            ControlFlow::Continue(()) => Ok::<_, Error>(()),
            ControlFlow::Break(()) => Err(ModelError::Interrupted.into()),
        }
    };
    let added = rows.chunks(BLOCK_ROWS).try_for_each(&mut add_block);
    let committed = pool.install(|| writer.commit());
    added?;
    committed?;
    Ok(written)
}

/// The document of a row; a value that is none of its column's kind is an error.
pub(crate) fn document(
    id: String,
    texts: Vec<String>,
    values: Vec<Given>,
    columns: &[FilterColumn],
) -> Result<Document, Error> {
    let values = values.into_iter().zip(columns).map(|(value, column)| {
        value.of_kind(column.kind).map_err(|reason| {
            Error::Argument(format!("row `{id}`, column `{}`: {reason}", column.name))
        })
    });
    let values = values.collect::<Result<_, _>>()?;
    Ok(Document { id, texts, values })
}
