//! `search` and `recommend` over an index or a store.

use std::io::Write;
use std::path::PathBuf;

use model::Prompt;
use program::Console;
use search::filter::{Filter, Value};
use search::index::{Document, IndexReader, Settings, joined};
use search::{Answer, Asked, Found, Fusion, Mode, Query, VectorsView, examples_vector};
use store::{Options, PostgresStore};

use super::encode;
use super::query_model::query_attributes;
use crate::cli::{AskArgs, CompareArgs, CorpusArgs, FusionChoice, ModelArgs, RankArgs, ReadArgs};
use crate::cli::{RecommendArgs, SearchArgs};
use crate::error::{Error, UsageError};
use crate::index_model::load_model_of;
use crate::output::{Printer, Subject};
use crate::reranker::{METRIC, Reranker};

/// Queries whose answers are computed together.
const BLOCK: usize = 256;

/// An index on disk, or a store on servers.
pub(super) enum Catalogue {
    /// A folder.
    Index(PathBuf, IndexReader),
    /// Servers.
    Store(PostgresStore),
}

impl Catalogue {
    /// Opens what the options name; `None` if they name nothing.
    ///
    /// # Errors
    ///
    /// When it cannot be opened.
    pub(super) fn open(ask: &AskArgs) -> Result<Option<Self>, Error> {
        if let Some(folder) = &ask.index {
            let index = IndexReader::open(folder)?;
            return Ok(Some(Self::Index(folder.clone(), index)));
        }
        if ask.store.is_empty() {
            return Ok(None);
        }
        let options = Options {
            name: ask.store_name.clone(),
            partial: ask.partial,
            exact: ask.exact,
            ..Options::default()
        };
        Ok(Some(Self::Store(PostgresStore::open(&ask.store, options)?)))
    }

    fn settings(&self) -> &Settings {
        match self {
            Self::Index(_, index) => index.settings(),
            Self::Store(store) => store.settings(),
        }
    }

    fn answers(&self, queries: &[Query]) -> Result<Vec<Answer>, Error> {
        match self {
            Self::Index(_, index) => Ok(index.answers(queries)?),
            Self::Store(store) => {
                let answers = queries.iter().map(|query| store.answer(query));
                Ok(answers.collect::<Result<_, _>>()?)
            }
        }
    }

    /// The values of columns that a query names.
    fn named_values(&self, text: &str, columns: &[String]) -> Result<Vec<(String, Value)>, Error> {
        match self {
            Self::Index(_, index) => Ok(index.named_values(text, columns)?),
            // The command line refuses boosts of a store.
            Self::Store(_) => Ok(Vec::new()),
        }
    }

    fn document(&self, id: &str) -> Result<Option<Document>, Error> {
        match self {
            Self::Index(_, index) => Ok(index.document(id)?),
            Self::Store(store) => Ok(store.document(id)?),
        }
    }

    /// The vectors of rows, one after the other.
    fn vectors(&self, ids: &[String]) -> Result<Vec<f32>, Error> {
        let mut values = Vec::with_capacity(ids.len() * self.settings().width);
        for id in ids {
            let vector = match self {
                Self::Index(_, index) => index.vector(id)?,
                Self::Store(store) => store.vector(id)?,
            };
            values.extend(vector.ok_or_else(|| Error::NotInIndex {
                catalogue: self.name(),
                id: id.clone(),
            })?);
        }
        Ok(values)
    }

    fn name(&self) -> String {
        match self {
            Self::Index(folder, _) => folder.display().to_string(),
            Self::Store(store) => store.servers().collect::<Vec<_>>().join(", "),
        }
    }
}

/// Answers queries.
pub(super) fn search(
    model: &ModelArgs,
    args: &SearchArgs,
    texts: &[String],
    index: &Catalogue,
    reranker: Option<&Reranker>,
    console: Console,
    out: &mut dyn Write,
) -> Result<(), Error> {
    check_options(&args.compare, &args.corpus)?;
    note_exact(index, &args.ask, console);
    let settings = index.settings();
    let mode = args.rank.mode;
    let mut question = Query {
        mode,
        fusion: fusion(&args.rank),
        typos: !args.rank.no_typos,
        ..question(&args.ask, args.top_k, index)?
    };
    if let Some(reranker) = reranker {
        // The second ranking is of the hits from the first on, whatever part of it is shown.
        question.k = reranker.depth(args.ask.offset + args.top_k);
        question.offset = 0;
    }
    let boosted = args.attributes.boosts.iter().map(|(name, _)| name.clone());
    // A wrong name is found before the model is loaded.
    index.named_values("", &boosted.collect::<Vec<_>>())?;
    let of_queries = query_attributes(args, model, texts, console)?;
    let vectors = if mode == Mode::Words {
        None
    } else {
        let encoder = load_model_of(settings, model, console)?;
        Some(encode(&encoder, texts, &Prompt::Query, console)?)
    };
    let asked = Asked {
        settings,
        metric: match mode {
            _ if reranker.is_some() => METRIC,
            Mode::Meaning => settings.similarity.name(),
            Mode::Words => "bm25",
            Mode::Hybrid => "hybrid",
        },
        facets: &args.ask.facets,
        explain: args.ask.explain,
    };
    let printer = printer(args.json, index, console);
    let mut rows = vectors.iter().flat_map(|vectors| vectors.rows());
    for (number, block) in texts.chunks(BLOCK).enumerate() {
        let queries = block.iter().map(|text| {
            let known_values = |text: &str, columns: &[String]| index.named_values(text, columns);
            Ok(Query {
                vector: rows.next().unwrap_or_default().to_vec(),
                text: if mode == Mode::Meaning {
                    String::new()
                } else {
                    text.clone()
                },
                boosts: of_queries.boosts(text, &args.attributes.boosts, known_values)?,
                ..question.clone()
            })
        });
        let queries: Vec<Query> = queries.collect::<Result<_, Error>>()?;
        for (place, (text, answer)) in block.iter().zip(index.answers(&queries)?).enumerate() {
            if number + place > 0 && !args.json {
                writeln!(out)?;
            }
            note_missing(&answer, console);
            let answer = match reranker {
                Some(reranker) => reranked(answer, reranker, text, args)?,
                None => answer,
            };
            printer.answer(Subject::Query(text), &answer, asked, out)?;
        }
    }
    if let Some(reranker) = reranker {
        reranker.note_truncated(console);
    }
    Ok(())
}

/// The answer with the part of its hits that is shown, in the order of a reranker.
fn reranked(
    mut answer: Answer,
    reranker: &Reranker,
    query: &str,
    args: &SearchArgs,
) -> Result<Answer, Error> {
    let texts: Vec<String> = answer.hits.iter().map(|hit| joined(&hit.texts)).collect();
    let boosts = answer.hits.iter();
    let boosts: Vec<f32> = boosts
        .map(|hit| hit.explanation.boost.unwrap_or(0.0))
        .collect();
    let order = reranker.order(query, &texts, &boosts, args.ask.offset + args.top_k)?;
    let shown = order.into_iter().skip(args.ask.offset);
    answer.hits = shown
        .map(|(place, score)| Found {
            score,
            ..answer.hits[place].clone()
        })
        .collect();
    Ok(answer)
}

/// Recommends rows that are like others, or like a text.
pub(super) fn recommend(
    model: &ModelArgs,
    args: &RecommendArgs,
    index: &Catalogue,
    console: Console,
    out: &mut dyn Write,
) -> Result<(), Error> {
    check_options(&args.compare, &args.corpus)?;
    let settings = index.settings();
    let vector = match &args.text {
        Some(text) => {
            let encoder = load_model_of(settings, model, console)?;
            let texts = std::slice::from_ref(text);
            encode(&encoder, texts, &Prompt::Document, console)?.into_values()
        }
        None => {
            let (like, unlike) = (index.vectors(&args.ids)?, index.vectors(&args.not)?);
            examples_vector(
                VectorsView::new(&like, settings.width)?,
                VectorsView::new(&unlike, settings.width)?,
            )?
        }
    };
    let query = Query {
        vector,
        mode: Mode::Meaning,
        without: args.ids.iter().chain(&args.not).cloned().collect(),
        ..question(&args.ask, args.top_k, index)?
    };
    let answers = index.answers(&[query])?;
    let answer = answers.into_iter().next().unwrap_or_default();
    note_missing(&answer, console);
    let text = match args.ids.as_slice() {
        [id] => index.document(id)?.map(|document| joined(&document.texts)),
        _ => None,
    };
    let text = text.unwrap_or_default();
    let asked = Asked {
        settings,
        metric: settings.similarity.name(),
        facets: &args.ask.facets,
        explain: args.ask.explain,
    };
    let printer = printer(args.json, index, console);
    printer.answer(args.subject(&text), &answer, asked, out)
}

fn printer(json: bool, index: &Catalogue, console: Console) -> Printer {
    Printer {
        json,
        metric: index.settings().similarity.name(),
        width: console.stdout_width(),
    }
}

/// What every query asks.
fn question(ask: &AskArgs, k: usize, index: &Catalogue) -> Result<Query, Error> {
    let columns = &index.settings().filter_columns;
    let filter = ask
        .filter
        .as_deref()
        .map(|text| Filter::parse(text, columns));
    Ok(Query {
        k,
        offset: ask.offset,
        filter: filter.transpose()?,
        facets: ask.facets.clone(),
        sort: ask.sort.clone(),
        min_score: ask.min_score,
        recall: ask.recall,
        ..Query::default()
    })
}

/// Says where --recall changes nothing.
fn note_exact(index: &Catalogue, ask: &AskArgs, console: Console) {
    if let (Catalogue::Index(folder, index), Some(_)) = (index, ask.recall)
        && index.info().recall.is_empty()
    {
        console.note(format_args!(
            "note: {} has no codes of 1 bit, so that the search is exact",
            folder.display()
        ));
    }
}

/// Names the servers that did not answer.
fn note_missing(answer: &Answer, console: Console) {
    if !answer.missing.is_empty() {
        console.warning(format_args!(
            "hits of {} are missing, because it did not answer",
            answer.missing.join(", ")
        ));
    }
}

fn fusion(rank: &RankArgs) -> Option<Fusion> {
    match (rank.fusion, rank.weight) {
        (FusionChoice::Rrf, _) => Some(Fusion::ReciprocalRank),
        (FusionChoice::Sum, Some(weight)) => Some(Fusion::WeightedSum { weight }),
        (FusionChoice::Sum, None) => None,
    }
}

/// Refuses options that an index decides.
fn check_options(compare: &CompareArgs, corpus: &CorpusArgs) -> Result<(), UsageError> {
    let option = if compare.similarity.is_some() {
        "--similarity"
    } else if compare.dimensions.is_some() {
        "--dimensions"
    } else if compare.prompts.chosen().is_some() {
        "--prompt"
    } else if corpus.read != ReadArgs::default() {
        "the format and the columns of a corpus"
    } else {
        return Ok(());
    };
    Err(UsageError::DecidedByIndex(option))
}
