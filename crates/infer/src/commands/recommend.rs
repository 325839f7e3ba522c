//! `recommend`: the rows of a corpus that are closest to another row, or to a text.

use std::io::Write;

use program::Console;
use search::Hit;

use super::{encode, load_corpus, open_corpus};
use crate::cli::{ModelArgs, RecommendArgs};
use crate::corpus::{Corpus, CorpusFiles};
use crate::error::Error;
use crate::output::json::{self, Subject};
use crate::output::table;
use crate::output::text::one_line;
use crate::vectors::view;

pub(super) fn run(
    model: &ModelArgs,
    args: RecommendArgs,
    console: Console,
    out: &mut dyn Write,
) -> Result<(), Error> {
    if let Some(id) = &args.id {
        let corpus = rows_alone(model, &args, console)?;
        let position = corpus.position(id)?;
        let headline = format!("like {id}: {}", one_line(&corpus.text(position)));
        let hits = corpus.index().recommend(position, args.k)?;
        return print(&args, Subject::Id(id), &headline, &hits, &corpus, out);
    }
    // clap requires a text where there is no id.
    let text = args.text.as_deref().unwrap_or_default();
    let (encoder, corpus) = open_corpus(model, &args.corpus, args.compare, console)?;
    let query = encode(&encoder, &[text.to_owned()], console)?;
    let found = corpus.index().search(view(&query)?, args.k)?;
    let hits = found.into_iter().next().unwrap_or_default();
    let headline = format!("like: {}", one_line(text));
    print(&args, Subject::Text(text), &headline, &hits, &corpus, out)
}

/// The corpus, of which rows are compared with each other: saved vectors that say what they are made
/// of need no model.
fn rows_alone(model: &ModelArgs, args: &RecommendArgs, console: Console) -> Result<Corpus, Error> {
    let compare = args.compare;
    let files = CorpusFiles::open(&args.corpus)?;
    if files.has_provenance() {
        let precision = model.precision.chosen();
        let precision = precision.map(|precision| precision.to_string());
        let differences = files.contradicted(compare.dimensions, precision);
        return Corpus::load_saved(files, differences, compare.similarity.into(), console);
    }
    let (_, corpus) = load_corpus(model, files, compare, console)?;
    Ok(corpus)
}

fn print(
    args: &RecommendArgs,
    subject: Subject<'_>,
    headline: &str,
    hits: &[Hit],
    corpus: &Corpus,
    out: &mut dyn Write,
) -> Result<(), Error> {
    if args.json {
        return json::print_hits(subject, hits, corpus, out);
    }
    writeln!(out, "{headline}")?;
    table::print_hits(hits, corpus, out)?;
    Ok(())
}
