//! `search`: the rows of a corpus that are closest to each query.

use std::io::Write;

use model::Prompt;
use program::Console;

use super::{encode, open_corpus};
use crate::cli::{ModelArgs, SearchArgs};
use crate::error::Error;
use crate::output::json::{self, Subject};
use crate::output::table;
use crate::output::text::one_line;
use crate::vectors::view;

pub(super) fn run(
    model: &ModelArgs,
    mut args: SearchArgs,
    console: Console,
    out: &mut dyn Write,
) -> Result<(), Error> {
    args.compare.corpus_prompt = args.corpus_prompts.chosen();
    let (encoder, corpus) = open_corpus(model, &args.corpus, args.compare, console)?;
    let queries = encode(&encoder, &args.queries, &Prompt::Query, console)?;
    let found = corpus.index().search(view(&queries)?, args.k)?;
    for (number, (query, hits)) in args.queries.iter().zip(&found).enumerate() {
        if args.json {
            json::print_hits(Subject::Query(query), hits, &corpus, out)?;
            continue;
        }
        if number > 0 {
            writeln!(out)?;
        }
        writeln!(out, "{}", one_line(query))?;
        table::print_hits(hits, &corpus, out)?;
    }
    Ok(())
}
