//! `search`: the texts of a file that are closest to each query.

use std::io::Write;

use ::search::{Hit, VectorsView};
use records::Row;
use serde::Serialize;

use super::{encode, load};
use crate::catalogue::{Catalogue, Corpus};
use crate::cli::{ModelArgs, SearchArgs};
use crate::failure::Failure;
use crate::terminal::Terminal;

/// A line of a hit's text, at most this many characters.
const SHOWN_CHARACTERS: usize = 100;

pub(super) fn run(
    model: &ModelArgs,
    args: SearchArgs,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let corpus = Corpus::open(&args.corpus)?;
    let encoder = load(model, args.compare.vectors(), terminal.notes())?;
    let similarity = args.compare.similarity.into();
    let catalogue = Catalogue::load(corpus, &encoder, similarity, terminal.notes())?;
    let queries = encode(&encoder, &args.queries, terminal.notes())?;
    let found = catalogue
        .index()
        .search(VectorsView::new(queries.values(), queries.width())?, args.k)?;
    for (number, (query, hits)) in args.queries.iter().zip(&found).enumerate() {
        if args.json {
            print_json(About::Query(query), hits, &catalogue, terminal)?;
            continue;
        }
        let out = terminal.out();
        if number > 0 {
            writeln!(out)?;
        }
        writeln!(out, "{}", one_line(query))?;
        print_hits(hits, &catalogue, terminal)?;
    }
    Ok(())
}

/// One hit a line: rank, score, id, text.
pub(super) fn print_hits(
    hits: &[Hit],
    catalogue: &Catalogue,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let names: Vec<String> = hits.iter().map(|hit| catalogue.name(hit.index)).collect();
    let width = names
        .iter()
        .map(|name| name.chars().count())
        .max()
        .unwrap_or(0);
    for (rank, (hit, name)) in hits.iter().zip(&names).enumerate() {
        let text = catalogue
            .record(hit.index)
            .map(|record| one_line(&record.text()))
            .unwrap_or_default();
        writeln!(
            terminal.out(),
            "{:4}  {:7.4}  {name:<width$}  {text}",
            rank + 1,
            hit.score
        )?;
    }
    Ok(())
}

/// The hits of a query as one line of JSON.
pub(super) fn print_json(
    about: About<'_>,
    hits: &[Hit],
    catalogue: &Catalogue,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let hits = (1usize..).zip(hits).map(|(rank, hit)| {
        let record = catalogue.record(hit.index);
        JsonHit {
            rank,
            score: hit.score,
            index: hit.index,
            id: record.and_then(|record| record.id.as_deref()),
            text: record.map(Row::text).unwrap_or_default(),
        }
    });
    let found = JsonFound {
        about,
        hits: hits.collect(),
    };
    serde_json::to_writer(terminal.out(), &found)?;
    writeln!(terminal.out())?;
    Ok(())
}

/// What the hits are for.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum About<'a> {
    Query(&'a str),
    Id(&'a str),
    Text(&'a str),
}

#[derive(Serialize)]
struct JsonFound<'a> {
    #[serde(flatten)]
    about: About<'a>,
    hits: Vec<JsonHit<'a>>,
}

#[derive(Serialize)]
struct JsonHit<'a> {
    rank: usize,
    score: f32,
    index: usize,
    id: Option<&'a str>,
    text: String,
}

/// Line breaks and the rest of a long text do not fit a table.
pub(super) fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    match line.char_indices().nth(SHOWN_CHARACTERS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_text_is_one_short_line() {
        assert_eq!(one_line("a\tb\r\n  c"), "a b c");
        let long = "é".repeat(SHOWN_CHARACTERS + 1);
        assert_eq!(one_line(&long).chars().count(), SHOWN_CHARACTERS + 1);
        assert!(one_line(&long).ends_with('…'));
    }
}
