//! `search`: the rows of a corpus that are closest to each query.

use std::io::Write;

use model::Prompt;
use program::Console;
use records::Row;
use search::Hit;

use super::ask::{self, Catalogue};
use super::{encode, open_corpus};
use crate::cli::{ModelArgs, ReadArgs, SearchArgs};
use crate::error::{Error, UsageError};
use crate::input::open_texts;
use crate::output::{Printer, Subject};
use crate::reranker::{METRIC, Reranker};
use crate::stdin::{is_dash, piped};
use crate::vectors::view;

pub(super) fn run(
    model: &ModelArgs,
    mut args: SearchArgs,
    console: Console,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let texts = queries(&args)?;
    let reranker = |console| Reranker::of_search(&args.rerank, model, console);
    if let Some(index) = Catalogue::open(&args.ask)? {
        return ask::search(
            model,
            &args,
            &texts,
            &index,
            reranker(console)?.as_ref(),
            console,
            out,
        );
    }
    let reranker = reranker(console)?;
    args.compare.corpus_prompt = args.corpus_prompts.chosen();
    let (encoder, corpus) = open_corpus(model, &args.corpus, args.compare, console)?;
    let queries = encode(&encoder, &texts, &Prompt::Query, console)?;
    let depth = reranker
        .as_ref()
        .map_or(args.top_k, |reranker| reranker.depth(args.top_k));
    let found = corpus.index().search(view(&queries)?, depth)?;
    let printer = Printer {
        json: args.json,
        metric: match &reranker {
            Some(_) => METRIC,
            None => corpus.index().similarity().name(),
        },
        width: console.stdout_width(),
    };
    let rows = corpus.rows();
    for (number, (query, mut hits)) in texts.iter().zip(found).enumerate() {
        if number > 0 && !args.json {
            writeln!(out)?;
        }
        if let Some(reranker) = &reranker {
            let candidates: Vec<String> = hits.iter().map(|hit| rows.text(hit.index)).collect();
            let order = reranker.order(query, &candidates, args.top_k)?;
            hits = order
                .into_iter()
                .map(|(place, score)| Hit {
                    index: hits[place].index,
                    score,
                })
                .collect();
        }
        printer.hits(Subject::Query(query), &hits, rows, out)?;
    }
    if let Some(reranker) = &reranker {
        reranker.note_truncated(console);
    }
    Ok(())
}

/// The queries of the command line, of `--queries`, or of a piped standard input.
fn queries(args: &SearchArgs) -> Result<Vec<String>, Error> {
    if !args.texts.is_empty() {
        if args.texts.iter().any(|text| text.trim().is_empty()) {
            return Err(UsageError::EmptyQuery.into());
        }
        return Ok(args.texts.clone());
    }
    let corpus_is_stdin = args.corpus.corpus.iter().any(|path| is_dash(path));
    let mut files = args.queries.clone();
    if corpus_is_stdin && files.iter().any(|path| is_dash(path)) {
        return Err(UsageError::StdinTwice.into());
    }
    if files.is_empty() && !corpus_is_stdin {
        files.extend(piped());
    }
    if files.is_empty() {
        return Err(UsageError::NoQuery.into());
    }
    let read = ReadArgs {
        columns: args.query_column.iter().cloned().collect(),
        ..ReadArgs::default()
    };
    let mut queries = Vec::new();
    for row in open_texts(&files, &read)? {
        let query = row.map(|row: Row| row.text())?;
        // A blank line is no query.
        if !query.trim().is_empty() {
            queries.push(query);
        }
    }
    if queries.is_empty() {
        return Err(UsageError::NoQuery.into());
    }
    Ok(queries)
}
