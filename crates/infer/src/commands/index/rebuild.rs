//! `index rebuild`: the rows of an index with vectors of another model.

use std::time::Instant;

use model::Prompt;
use program::text::count;
use program::{Console, Unit};
use search::index::{Change, Document, IndexReader, IndexWriter, Settings, joined};

use super::build::COMMIT_TIME;
use crate::cli::{ModelArgs, RebuildArgs, VectorArgs};
use crate::commands::{encode, load};
use crate::error::Error;

/// Rows that are embedded together.
const BLOCK_ROWS: usize = 1024;

pub(super) fn rebuild(
    model: &ModelArgs,
    args: &RebuildArgs,
    console: Console,
) -> Result<(), Error> {
    let index = IndexReader::open(&args.index)?;
    let mut model = model.clone();
    let earlier = &index.settings().model;
    model.hub.model.get_or_insert_with(|| earlier.name.clone());
    let vectors = VectorArgs {
        no_normalize: false,
        dimensions: args.dimensions,
        prompts: args.prompts.clone(),
        corpus_prompt: args.corpus_prompts.chosen(),
    };
    let encoder = load(&model, vectors, console)?;
    let settings = Settings {
        model: encoder.fingerprint(model.hub.name())?,
        width: encoder.width(),
        similarity: encoder.similarity(),
        ..index.settings().clone()
    };
    let mut writer = IndexWriter::rebuild(&args.index, settings)?;
    // What was committed while the model was loaded belongs to the index too; from here on the lock is held.
    let index = index.refreshed()?.unwrap_or(index);
    // What was removed from the index since an interruption.
    for id in writer.ids()? {
        if index.document(&id)?.is_none() {
            writer.remove(&id)?;
        }
    }
    let start = Instant::now();
    let bar = console.progress_bar(Some(index.len()), Unit::Texts);
    let mut committed = Instant::now();
    let mut embedded = 0;
    let mut documents = index.documents();
    loop {
        let block: Vec<Document> = documents
            .by_ref()
            .take(BLOCK_ROWS)
            .collect::<Result<_, _>>()?;
        if block.is_empty() {
            break;
        }
        let rows = block.len() as u64;
        let mut changed = Vec::new();
        for document in block {
            match writer.needed(&document)? {
                Change::Unchanged => {}
                Change::SameTexts => writer.add(&document, None)?,
                Change::New => changed.push(document),
            }
        }
        let texts: Vec<String> = changed
            .iter()
            .map(|document| joined(&document.texts))
            .collect();
        let vectors = encode(&encoder, &texts, &Prompt::Document, console)?;
        for (document, vector) in changed.iter().zip(vectors.rows()) {
            writer.add(document, Some(vector))?;
        }
        embedded += changed.len();
        if committed.elapsed() > COMMIT_TIME {
            writer.commit()?;
            committed = Instant::now();
        }
        bar.inc(rows);
    }
    bar.finish_and_clear();
    let rows = writer.switch()?.rows;
    console.note(format_args!(
        "embedded {} in {:.2} s; {} holds {} of {}",
        count(embedded, "text"),
        start.elapsed().as_secs_f64(),
        args.index.display(),
        super::rows(rows),
        model.hub.name(),
    ));
    Ok(())
}
