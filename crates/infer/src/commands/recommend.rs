//! `recommend`: the rows of a corpus that are closest to another row, or to a text.

use std::io::Write;

use model::Prompt;
use program::Console;
use records::Source;
use search::{Hit, VectorIndex, VectorsView, examples_vector};

use super::ask::{self, Catalogue};
use super::{encode, load_corpus, open_corpus};
use crate::cli::{CorpusArgs, ModelArgs, RecommendArgs};
use crate::corpus::{Corpus, CorpusFiles};
use crate::error::{Error, UsageError};
use crate::input::open_texts;
use crate::output::{Printer, Subject};
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
    if let Some(index) = Catalogue::open(&args.ask)? {
        return ask::recommend(model, &args, &index, console, out);
    }
    for id in args.ids.iter().chain(&args.not) {
        check_id(&args.corpus, id)?;
    }
    // Products are compared with products: every text has the prompt of the corpus.
    args.compare.corpus_prompt = args.compare.prompts.chosen();
    let printer = |corpus: &Corpus| Printer {
        json: args.json,
        metric: corpus.index().similarity().name(),
        width: console.stdout_width(),
    };
    if !args.ids.is_empty() {
        let corpus = rows_alone(model, &args, console)?;
        let positions = |ids: &[String]| -> Result<Vec<usize>, Error> {
            ids.iter().map(|id| corpus.rows().position(id)).collect()
        };
        let (like, unlike) = (positions(&args.ids)?, positions(&args.not)?);
        let hits = similar(corpus.index(), &like, &unlike, args.top_k)?;
        let text = like.first().map(|&position| corpus.rows().text(position));
        let text = text.unwrap_or_default();
        return printer(&corpus).hits(args.subject(&text), &hits, corpus.rows(), None, out);
    }
    // clap requires a text where there is no id.
    let text = args.text.clone().unwrap_or_default();
    let (encoder, corpus) = open_corpus(model, &args.corpus, args.compare.clone(), console)?;
    let query = encode(
        &encoder,
        std::slice::from_ref(&text),
        &Prompt::Document,
        console,
    )?;
    let found = corpus.index().search(view(&query)?, args.top_k)?;
    let hits = found.into_iter().next().unwrap_or_default();
    printer(&corpus).hits(args.subject(&text), &hits, corpus.rows(), None, out)
}

/// The rows that are similar to some and not to others, without these.
fn similar(
    index: &VectorIndex,
    like: &[usize],
    unlike: &[usize],
    k: usize,
) -> Result<Vec<Hit>, Error> {
    if let ([position], []) = (like, unlike) {
        return Ok(index.recommend(*position, k)?);
    }
    let rows = |positions: &[usize]| -> Vec<f32> {
        let rows = positions.iter().filter_map(|&position| index.row(position));
        rows.flatten().copied().collect()
    };
    let (positive, negative) = (rows(like), rows(unlike));
    let query = examples_vector(
        VectorsView::new(&positive, index.width())?,
        VectorsView::new(&negative, index.width())?,
    )?;
    let examples = like.len() + unlike.len();
    let found = index.search(VectorsView::new(&query, index.width())?, k + examples)?;
    let others = found.into_iter().flatten();
    let others = others.filter(|hit| !like.contains(&hit.index) && !unlike.contains(&hit.index));
    Ok(others.take(k).collect())
}

/// The corpus, of which rows are compared with each other: saved vectors that say what they are made
/// of need no model.
fn rows_alone(model: &ModelArgs, args: &RecommendArgs, console: Console) -> Result<Corpus, Error> {
    let compare = args.compare.clone();
    let files = CorpusFiles::open(&args.corpus)?;
    if files.has_provenance() {
        let precision = model.device.precision.chosen();
        let precision = precision.map(|precision| precision.to_string());
        let differences = files.contradicted(compare.dimensions, precision);
        let similarity = compare.similarity.map(Into::into);
        return Corpus::load_saved(files, differences, similarity, console);
    }
    let (_, corpus) = load_corpus(model, files, &args.corpus, compare, console)?;
    Ok(corpus)
}

/// Refuses an unknown id before the model is loaded. Standard input and pipes can be read only once.
fn check_id(corpus: &CorpusArgs, id: &str) -> Result<(), Error> {
    let sources = Source::expand(&corpus.corpus)?;
    if !sources.iter().all(Source::is_regular_file) {
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

impl RecommendArgs {
    /// What hits are like, for the results. `text` is that of the only id.
    pub(super) fn subject<'a>(&'a self, text: &'a str) -> Subject<'a> {
        match (&self.text, self.ids.as_slice(), self.not.is_empty()) {
            (Some(text), _, _) => Subject::Text(text),
            (None, [id], true) => Subject::Id(id, text),
            (None, ids, _) => Subject::Examples(ids, &self.not),
        }
    }
}
