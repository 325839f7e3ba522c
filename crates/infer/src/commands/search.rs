//! `search`: the rows of a corpus that are closest to each query.

use std::io::Write;

use model::{Embeddings, Prompt};
use program::Console;
use records::Row;
use search::filter::{Filter, FilterColumn};
use search::index::IndexError;
use search::{Boost, FacetCount, Hit, Query, Table};

use super::ask::{self, Catalogue};
use super::query_model::query_attributes;
use super::{encode, open_corpus};
use crate::attributes::{AttributeColumns, Attributes, QueryAttributes};
use crate::cli::{ModelArgs, ReadArgs, SearchArgs};
use crate::corpus::Corpus;
use crate::error::{Error, UsageError};
use crate::input::open_texts;
use crate::output::{Attributed, Printer, Subject};
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
    if let Some(column) = Boost::repeated_column(&args.attributes.boosts) {
        return Err(UsageError::RepeatedBoost(column.to_owned()).into());
    }
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
    let attributes = args.attributes.attributes.as_deref();
    let attributes = attributes.map(Attributes::read).transpose()?;
    // What does not fit the attributes is found before the model is loaded.
    let question = attributes
        .as_ref()
        .map(|of| question(&args, &of.declared()));
    let question = question.transpose()?.unwrap_or_default();
    let of_queries = query_attributes(&args, model, &texts, console)?;
    let reranker = reranker(console)?;
    args.compare.corpus_prompt = args.corpus_prompts.chosen();
    let (encoder, corpus) = open_corpus(model, &args.corpus, args.compare.clone(), console)?;
    let columns = attributes.map(|attributes| attributes.of_rows(corpus.rows(), console));
    let columns = columns.transpose()?;
    let queries = encode(&encoder, &texts, &Prompt::Query, console)?;
    let printer = Printer {
        json: args.json,
        metric: match &reranker {
            Some(_) => METRIC,
            None => corpus.index().similarity().name(),
        },
        width: console.stdout_width(),
    };
    let searched = Searched {
        args: &args,
        corpus: &corpus,
        columns: columns.as_ref(),
        of_queries,
        question: Query {
            k: match &reranker {
                Some(reranker) => reranker.depth(args.ask.offset + args.top_k),
                None => args.ask.offset + args.top_k,
            },
            ..question
        },
    };
    let found = searched.find(&texts, &queries)?;
    for (number, (query, mut found)) in texts.iter().zip(found).enumerate() {
        if number > 0 && !args.json {
            writeln!(out)?;
        }
        if let Some(reranker) = &reranker {
            rerank(&mut found, reranker, query, &searched)?;
        }
        let shown = args.ask.offset.min(found.hits.len());
        let attributed = searched.attributed(&found, shown);
        let hits = &found.hits[shown..];
        printer.hits(
            Subject::Query(query),
            hits,
            corpus.rows(),
            attributed.as_ref(),
            out,
        )?;
    }
    if let Some(reranker) = &reranker {
        reranker.note_truncated(console);
    }
    Ok(())
}

/// What queries ask of rows with attributes.
fn question(args: &SearchArgs, columns: &[FilterColumn]) -> Result<Query, Error> {
    let ask = &args.ask;
    let boosted = args.attributes.boosts.iter().map(|(name, _)| name);
    for name in ask.facets.iter().chain(boosted) {
        if FilterColumn::position(columns, name).is_none() {
            return Err(Error::Index(IndexError::NoSuchColumn {
                column: name.clone(),
                columns: columns.iter().map(|column| column.name.clone()).collect(),
            }));
        }
    }
    let filter = ask.filter.as_deref();
    let filter = filter.map(|text| Filter::parse(text, columns));
    Ok(Query {
        filter: filter.transpose()?,
        facets: ask.facets.clone(),
        min_score: ask.min_score,
        ..Query::default()
    })
}

/// What queries search.
struct Searched<'a> {
    args: &'a SearchArgs,
    corpus: &'a Corpus,
    /// The attributes of the rows.
    columns: Option<&'a AttributeColumns>,
    /// The attributes of the queries.
    of_queries: QueryAttributes,
    /// What every query asks of them.
    question: Query,
}

/// What a query finds.
#[derive(Default)]
struct FoundRows {
    hits: Vec<Hit>,
    /// What was added to the score of each hit; none without attributes.
    raised: Vec<f32>,
    boosts: Vec<Boost>,
    facets: Vec<Vec<FacetCount>>,
}

impl Searched<'_> {
    fn find(&self, texts: &[String], queries: &Embeddings) -> Result<Vec<FoundRows>, Error> {
        let Some(columns) = self.columns else {
            let k = self.question.k;
            let found = self.corpus.index().search(view(queries)?, k)?;
            let found = found.into_iter().map(|hits| FoundRows {
                hits,
                ..FoundRows::default()
            });
            return Ok(found.collect());
        };
        let table = Table::new(self.corpus.index(), &columns.declared, &columns.values)?;
        let weights = &self.args.attributes.boosts;
        let known_values = |text: &str, names: &[String]| Ok(table.named_values(text, names)?);
        let answered = texts.iter().zip(queries.rows()).map(|(text, vector)| {
            let query = Query {
                vector: vector.to_vec(),
                boosts: self.of_queries.boosts(text, weights, known_values)?,
                ..self.question.clone()
            };
            let answer = table.answer(&query)?;
            let hits = answer.hits.iter();
            Ok(FoundRows {
                hits: hits
                    .clone()
                    .map(|hit| Hit {
                        index: hit.index,
                        score: hit.score,
                    })
                    .collect(),
                raised: hits.map(|hit| hit.boost).collect(),
                boosts: query.boosts,
                facets: answer.facets,
            })
        });
        answered.collect()
    }

    /// What is known of the hits from the first shown one on.
    fn attributed<'f>(&'f self, found: &'f FoundRows, shown: usize) -> Option<Attributed<'f>> {
        let columns = self.columns?;
        Some(Attributed {
            columns,
            raised: found.raised.get(shown..).unwrap_or_default(),
            boosts: &found.boosts,
            facets: self.args.ask.facets.iter().zip(&found.facets).collect(),
        })
    }
}

/// Orders the hits by a reranker, whose scores are raised too.
fn rerank(
    found: &mut FoundRows,
    reranker: &Reranker,
    query: &str,
    searched: &Searched<'_>,
) -> Result<(), Error> {
    let rows = searched.corpus.rows();
    let texts: Vec<String> = found.hits.iter().map(|hit| rows.text(hit.index)).collect();
    let shown = searched.args.ask.offset + searched.args.top_k;
    let order = reranker.order(query, &texts, &found.raised, shown)?;
    let (hits, raised) = (&found.hits, &found.raised);
    let ordered = order.into_iter().map(|(place, score)| {
        let index = hits[place].index;
        (Hit { index, score }, raised.get(place).copied())
    });
    let (hits, raised): (Vec<Hit>, Vec<Option<f32>>) = ordered.unzip();
    found.hits = hits;
    found.raised = raised.into_iter().flatten().collect();
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
