//! `recommend`: the rows of a corpus that are closest to another row, or to a text.

use std::io::Write;

use model::Prompt;
use program::Console;

use super::{encode, open_corpus};
use crate::cli::{ModelArgs, RecommendArgs};
use crate::error::Error;
use crate::output::json::{self, Subject};
use crate::output::table;
use crate::output::text::one_line;
use crate::vectors::view;

pub(super) fn run(
    model: &ModelArgs,
    mut args: RecommendArgs,
    console: Console,
    out: &mut dyn Write,
) -> Result<(), Error> {
    // Products are compared with products: every text has the prompt of the corpus.
    args.compare.corpus_prompt = args.compare.prompts.chosen();
    let (encoder, corpus) = open_corpus(model, &args.corpus, args.compare, console)?;
    let (subject, headline, hits) = if let Some(id) = &args.id {
        let position = corpus.position(id)?;
        let headline = format!("like {id}: {}", one_line(&corpus.text(position)));
        let hits = corpus.index().recommend(position, args.k)?;
        (Subject::Id(id), headline, hits)
    } else {
        // clap requires a text where there is no id.
        let text = args.text.as_deref().unwrap_or_default();
        let query = encode(&encoder, &[text.to_owned()], &Prompt::Document, console)?;
        let found = corpus.index().search(view(&query)?, args.k)?;
        let hits = found.into_iter().next().unwrap_or_default();
        let headline = format!("like: {}", one_line(text));
        (Subject::Text(text), headline, hits)
    };
    if args.json {
        return json::print_hits(subject, &hits, &corpus, out);
    }
    writeln!(out, "{headline}")?;
    table::print_hits(&hits, &corpus, out)?;
    Ok(())
}
