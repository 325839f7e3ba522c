//! `recommend`: the rows of a corpus that are closest to another row, or to a text.

use std::io::Write;

use model::Prompt;
use program::Console;

use super::{encode, open_corpus};
use crate::cli::{CorpusArgs, ModelArgs, RecommendArgs};
use crate::error::{Error, UsageError};
use crate::input::open_texts;
use crate::output::{Printer, Subject};
use crate::stdin::is_dash;
use crate::vectors::view;

pub(super) fn run(
    model: &ModelArgs,
    mut args: RecommendArgs,
    console: Console,
    out: &mut dyn Write,
) -> Result<(), Error> {
    if args
        .text
        .as_deref()
        .is_some_and(|text| text.trim().is_empty())
    {
        return Err(UsageError::EmptyQuery.into());
    }
    if let Some(id) = &args.id {
        check_id(&args.corpus, id)?;
    }
    // Products are compared with products: every text has the prompt of the corpus.
    args.compare.corpus_prompt = args.compare.prompts.chosen();
    let (encoder, corpus) = open_corpus(model, &args.corpus, args.compare, console)?;
    let printer = Printer {
        json: args.json,
        similarity: corpus.index().similarity(),
        width: console.stdout_width(),
    };
    if let Some(id) = &args.id {
        let position = corpus.position(id)?;
        let hits = corpus.index().recommend(position, args.top_k)?;
        let text = corpus.text(position);
        return printer.hits(Subject::Id(id, &text), &hits, &corpus, out);
    }
    // clap requires a text where there is no id.
    let text = args.text.unwrap_or_default();
    let query = encode(
        &encoder,
        std::slice::from_ref(&text),
        &Prompt::Document,
        console,
    )?;
    let found = corpus.index().search(view(&query)?, args.top_k)?;
    let hits = found.into_iter().next().unwrap_or_default();
    printer.hits(Subject::Text(&text), &hits, &corpus, out)
}

/// Refuses an unknown id before the model is loaded. Standard input can be read only once.
fn check_id(corpus: &CorpusArgs, id: &str) -> Result<(), Error> {
    if corpus.corpus.iter().any(|path| is_dash(path)) {
        return Ok(());
    }
    let number: Option<u64> = id.parse().ok();
    for row in open_texts(&corpus.corpus, &corpus.read)? {
        let row = row?;
        let is_named = match row.id {
            Some(row_id) => row_id == id,
            None => number == Some(row.number),
        };
        if is_named {
            return Ok(());
        }
    }
    Err(Error::UnknownId {
        path: corpus.corpus.first().cloned().unwrap_or_default(),
        id: id.to_owned(),
    })
}
