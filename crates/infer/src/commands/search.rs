//! `search`: the texts of a file that are closest to each query.

use std::io::Write;

use ::search::{Hit, Rows};
use serde_json::{Value, json};

use super::{encode, load};
use crate::catalogue::Catalogue;
use crate::cli::{ModelArgs, SearchArgs, VectorArgs};
use crate::failure::Failure;
use crate::terminal::Terminal;

/// A line of a hit's text, at most this many characters.
const SHOWN_CHARACTERS: usize = 100;

pub(super) fn run(
    model: &ModelArgs,
    args: SearchArgs,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let vectors = VectorArgs {
        dimensions: args.dimensions,
        ..VectorArgs::default()
    };
    let encoder = load(model, vectors, terminal.notes())?;
    let catalogue = Catalogue::load(&args.corpus, &encoder, terminal.notes())?;
    let queries = encode(&encoder, &args.queries, terminal.notes())?;
    let found = catalogue
        .index()
        .search(Rows::new(queries.values(), queries.width())?, args.k)?;
    for (number, (query, hits)) in args.queries.iter().zip(&found).enumerate() {
        if args.json {
            print_json(&[("query", query)], hits, &catalogue, terminal)?;
            continue;
        }
        let out = terminal.out();
        if number > 0 {
            writeln!(out)?;
        }
        writeln!(out, "{query}")?;
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

/// The hits of a query as one line of JSON, behind the fields of `about`.
pub(super) fn print_json(
    about: &[(&str, &str)],
    hits: &[Hit],
    catalogue: &Catalogue,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let hits: Vec<Value> = hits
        .iter()
        .enumerate()
        .map(|(rank, hit)| {
            let record = catalogue.record(hit.index);
            json!({
                "rank": rank + 1,
                "score": hit.score,
                "index": hit.index,
                "id": record.and_then(|record| record.id.clone()),
                "text": record.map(crate::records::Record::text),
            })
        })
        .collect();
    let mut object: serde_json::Map<String, Value> = about
        .iter()
        .map(|(key, value)| ((*key).to_owned(), Value::from(*value)))
        .collect();
    object.insert("hits".to_owned(), hits.into());
    serde_json::to_writer(terminal.out(), &object)?;
    writeln!(terminal.out())?;
    Ok(())
}

/// Line breaks and the rest of a long text do not fit a table.
fn one_line(text: &str) -> String {
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
