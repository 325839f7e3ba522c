//! Measures what boosts of attributes do to the ranking of judged products.
//!
//! ```text
//! infer index build --corpus products.tsv --column title --filter-column brand ... --output products.index
//! infer embed --input queries.txt --output queries.npy ...
//! cargo run --release -p search --example boost_quality -- products.index qrels.tsv queries.txt queries.npy brand=0.2
//! ```
//!
//! `qrels.tsv` has a header, and a query, an id and a relevance per line; `queries.txt` a query per line, and
//! `queries.npy` a float32 vector for each of them, of the model of the index. Every further argument is a set of boosts, as
//! `brand=0.2,colour=0.1`. A query's own attributes are the values that it has verbatim. stdout gets a JSON object per mode
//! and set, the first of which has no boosts: graded NDCG@10 over all products and over the judged ones of each query, the
//! same over the boosted queries alone, and how many of these got better and worse.

use std::collections::HashMap;
use std::error::Error;
use std::io::Write;

use search::index::IndexReader;
use search::metrics::{self, Gain};
use search::{Answer, Boost, Mode, Query};

#[path = "files/mod.rs"]
mod files;

use files::{npy, records};

/// A query with its judged products.
struct Judged {
    text: String,
    vector: Vec<f32>,
    ids: Vec<String>,
    relevances: Vec<f64>,
}

/// NDCG@10 of one query; none where no ranking is better than another.
#[derive(Clone, Copy, PartialEq)]
struct Scores {
    all: Option<f64>,
    judged: Option<f64>,
    recall: Option<f64>,
    boosted: bool,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [index, qrels, queries, vectors, sets @ ..] = arguments.as_slice() else {
        return Err("give an index, qrels.tsv, queries.txt, queries.npy and sets of boosts".into());
    };
    let index = IndexReader::open(index.as_ref())?;
    let queries = judged(&records::<3>(qrels)?, queries, vectors)?;
    let mut stdout = std::io::stdout().lock();
    for mode in [Mode::Meaning, Mode::Hybrid] {
        let plain = scores(&index, &queries, mode, &[])?;
        for set in std::iter::once("").chain(sets.iter().map(String::as_str)) {
            let weights = weights(set)?;
            let boosted = scores(&index, &queries, mode, &weights)?;
            let line = line(mode, set, &plain, &boosted);
            writeln!(stdout, "{line}")?;
        }
    }
    Ok(())
}

fn weights(set: &str) -> Result<Vec<(String, f32)>, Box<dyn Error>> {
    let parts = set.split(',').filter(|part| !part.is_empty());
    let weight = |part: &str| {
        let (name, weight) = part
            .rsplit_once('=')
            .ok_or_else(|| format!("write a column and a weight, as brand=0.2, not '{part}'"))?;
        Ok((name.to_owned(), weight.parse()?))
    };
    parts.map(weight).collect()
}

fn judged(
    judgements: &[[String; 3]],
    queries: &str,
    vectors: &str,
) -> Result<Vec<Judged>, Box<dyn Error>> {
    let queries = std::fs::read_to_string(queries)?;
    let (vectors, width) = npy(vectors)?;
    if queries.lines().count() * width != vectors.len() {
        return Err("there must be a vector for every query".into());
    }
    let queries = queries.lines().zip(vectors.chunks_exact(width));
    let mut judged: Vec<Judged> = queries
        .map(|(text, vector)| Judged {
            text: text.to_owned(),
            vector: vector.to_vec(),
            ids: Vec::new(),
            relevances: Vec::new(),
        })
        .collect();
    let places = judged.iter().enumerate();
    let places: HashMap<String, usize> = places
        .map(|(place, query)| (query.text.clone(), place))
        .collect();
    for [query, id, relevance] in judgements {
        let place = places
            .get(query)
            .ok_or_else(|| format!("there is no vector of the query '{query}'"))?;
        let (query, relevance) = (&mut judged[*place], relevance.parse()?);
        match query.ids.iter().position(|other| other == id) {
            Some(known) => query.relevances[known] = relevance,
            None => {
                query.ids.push(id.clone());
                query.relevances.push(relevance);
            }
        }
    }
    judged.retain(|query| query.relevances.iter().any(|relevance| *relevance > 0.0));
    Ok(judged)
}

/// The scores of every query.
fn scores(
    index: &IndexReader,
    queries: &[Judged],
    mode: Mode,
    weights: &[(String, f32)],
) -> Result<Vec<Scores>, Box<dyn Error>> {
    let names: Vec<String> = weights.iter().map(|(name, _)| name.clone()).collect();
    let mut asked = Vec::with_capacity(2 * queries.len());
    for only_judged in [false, true] {
        for query in queries {
            let mut boosts = Vec::new();
            for (column, value) in index.named_values(&query.text, &names)? {
                let weight = weights.iter().find(|(name, _)| *name == column);
                boosts.extend(weight.map(|(_, weight)| Boost {
                    column,
                    value,
                    weight: *weight,
                }));
            }
            asked.push(Query {
                vector: query.vector.clone(),
                text: match mode {
                    Mode::Meaning => String::new(),
                    _ => query.text.clone(),
                },
                mode,
                k: if only_judged { query.ids.len() } else { 100 },
                only: if only_judged {
                    query.ids.clone()
                } else {
                    Vec::new()
                },
                boosts,
                typos: true,
                ..Query::default()
            });
        }
    }
    let answers = index.answers(&asked)?;
    let (all, judged) = answers.split_at(queries.len());
    let answers = queries.iter().zip(all).zip(judged);
    Ok(answers
        .map(|((query, all), judged)| query.scores(all, judged))
        .collect())
}

impl Judged {
    fn scores(&self, all: &Answer, judged: &Answer) -> Scores {
        let relevance = |id: &str| {
            let place = self.ids.iter().position(|other| other == id);
            place.map_or(0.0, |place| self.relevances[place])
        };
        let found = |answer: &Answer| -> Vec<f64> {
            answer.hits.iter().map(|hit| relevance(&hit.id)).collect()
        };
        let ndcg = |found: &[f64]| metrics::ndcg(found, &self.relevances, 10, Gain::Exponential);
        let differ = self.relevances.iter().any(|one| *one != self.relevances[0]);
        let relevant: Vec<bool> = found(all)
            .iter()
            .map(|relevance| *relevance > 0.0)
            .collect();
        let total = self.relevances.iter().filter(|relevance| **relevance > 0.0);
        Scores {
            all: ndcg(&found(all)),
            judged: ndcg(&found(judged)).filter(|_| differ),
            recall: Some(metrics::recall(&relevant, total.count(), 100)),
            boosted: !all.boosts.is_empty(),
        }
    }
}

type Figure = fn(&Scores) -> Option<f64>;

fn line(mode: Mode, set: &str, plain: &[Scores], scores: &[Scores]) -> serde_json::Value {
    let boosted = || plain.iter().zip(scores).filter(|(_, score)| score.boosted);
    let figures: [(&str, Figure); 3] = [
        ("all_ndcg", |scores| scores.all),
        ("judged_ndcg", |scores| scores.judged),
        ("recall_100", |scores| scores.recall),
    ];
    let mut row = serde_json::Map::new();
    row.insert("mode".to_owned(), mode.name().into());
    row.insert("boosts".to_owned(), set.into());
    for (name, figure) in figures {
        let mut insert = |part: &str, value: serde_json::Value| {
            row.insert(format!("{name}{part}"), value);
        };
        insert("", mean(scores.iter().filter_map(figure)));
        insert("_queries", scores.iter().filter_map(figure).count().into());
        if boosted().next().is_none() {
            continue;
        }
        let pairs: Vec<(f64, f64)> = boosted()
            .filter_map(|(plain, score)| Some((figure(plain)?, figure(score)?)))
            .collect();
        insert("_of_boosted", mean(pairs.iter().map(|(_, score)| *score)));
        insert(
            "_of_boosted_before",
            mean(pairs.iter().map(|(plain, _)| *plain)),
        );
        insert("_boosted", pairs.len().into());
        insert(
            "_better",
            pairs
                .iter()
                .filter(|(plain, score)| score > plain)
                .count()
                .into(),
        );
        insert(
            "_worse",
            pairs
                .iter()
                .filter(|(plain, score)| score < plain)
                .count()
                .into(),
        );
    }
    row.into()
}

/// Rounded to four decimals.
fn mean(values: impl Iterator<Item = f64>) -> serde_json::Value {
    let values: Vec<f64> = values.collect();
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    ((mean * 1e4).round() / 1e4).into()
}
