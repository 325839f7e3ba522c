//! Results as lines of text.

use std::io::{self, Write};

use search::Hit;

use super::text::one_line;
use crate::corpus::Corpus;

/// One hit per line: rank, score, id, text.
pub(crate) fn print_hits(hits: &[Hit], corpus: &Corpus, out: &mut dyn Write) -> io::Result<()> {
    let names: Vec<String> = hits.iter().map(|hit| corpus.name(hit.index)).collect();
    let width = names
        .iter()
        .map(|name| name.chars().count())
        .max()
        .unwrap_or(0);
    for (rank, (hit, name)) in (1usize..).zip(hits.iter().zip(&names)) {
        let text = one_line(&corpus.text(hit.index));
        writeln!(out, "{rank:4}  {:7.4}  {name:<width$}  {text}", hit.score)?;
    }
    Ok(())
}

/// A pair of texts and their score, separated by tabs.
pub(crate) fn print_pair(pair: [&str; 2], score: f32, out: &mut dyn Write) -> io::Result<()> {
    let [a, b] = pair.map(one_line);
    writeln!(out, "{score:.4}\t{a}\t{b}")
}
