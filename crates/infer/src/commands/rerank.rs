//! `rerank`: orders the texts of a file by a model that reads each of them together with the query.

use std::io::Write;

use program::Console;
use records::Row;
use search::Hit;

use crate::cli::{ModelArgs, RerankFileArgs};
use crate::error::{Error, UsageError};
use crate::input::open_texts;
use crate::output::{Printer, Subject};
use crate::reranker::{self, METRIC};
use crate::rows::Rows;

pub(super) fn run(
    model: &ModelArgs,
    args: &RerankFileArgs,
    console: Console,
    out: &mut dyn Write,
) -> Result<(), Error> {
    if args.query.trim().is_empty() {
        return Err(UsageError::EmptyQuery.into());
    }
    if model.hub.model.is_none() {
        return Err(UsageError::NoReranker.into());
    }
    // The file first: a wrong one is an error before the model is loaded.
    let mut reader = open_texts(&args.corpus, &args.read)?;
    let scorer = reranker::load(model, console)?;
    let rows: Vec<Row> = reader.by_ref().collect::<Result<_, _>>()?;
    let path = args.corpus.first().cloned().unwrap_or_default();
    let rows = Rows::new(path, &reader, rows, console);
    let texts: Vec<String> = (0..rows.len()).map(|place| rows.text(place)).collect();
    let scores = reranker::score_all(&scorer, &args.query, &texts, console)?;
    let hits: Vec<Hit> = reranker::best(scores, args.top_k)
        .into_iter()
        .map(|(index, score)| Hit { index, score })
        .collect();
    let printer = Printer {
        json: args.json,
        metric: METRIC,
        width: console.stdout_width(),
    };
    printer.hits(Subject::Query(&args.query), &hits, &rows, None, out)
}
