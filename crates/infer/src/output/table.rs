//! Results as lines of text. On a terminal a line is cut to its width.

use std::io::{self, Write};

use program::text::{columns, one_line};
use search::{Boost, FacetCount, Hit};

use super::{Pair, Subject};
use crate::rows::Rows;

/// Values of a facet that are printed.
const FACET_VALUES: usize = 10;

/// The columns of a text on a terminal that is too narrow for the columns before it.
pub(super) const LEAST_WIDTH: usize = 20;

/// The most columns of an id on a terminal.
pub(super) const ID_WIDTH: usize = 32;

/// Columns of rank, score and the spaces between: `   1   0.5082  `.
pub(super) const BEFORE_ID: usize = 4 + 2 + 7 + 2;

/// The subject, then one hit per line: rank, score, id, text.
pub(super) fn print_hits(
    subject: Subject<'_>,
    hits: &[Hit],
    rows: &Rows,
    width: Option<usize>,
    out: &mut dyn Write,
) -> io::Result<()> {
    writeln!(out, "{}", one_line(&subject.headline(), width))?;
    let id_width = width.map(|_| ID_WIDTH);
    let names: Vec<String> = hits
        .iter()
        .map(|hit| one_line(&rows.name(hit.index), id_width))
        .collect();
    let widest = names.iter().map(|name| columns(name)).max().unwrap_or(0);
    let text_width =
        width.map(|width| LEAST_WIDTH.max(width.saturating_sub(BEFORE_ID + widest + 2)));
    for (rank, (hit, name)) in (1usize..).zip(hits.iter().zip(&names)) {
        let text = one_line(&rows.text(hit.index), text_width);
        let padding = " ".repeat(widest - columns(name));
        writeln!(out, "{rank:4}  {:7.4}  {name}{padding}  {text}", hit.score)?;
    }
    Ok(())
}

/// What raised scores, in one line; nothing where nothing did.
pub(super) fn print_boosts(
    boosts: &[Boost],
    width: Option<usize>,
    out: &mut dyn Write,
) -> io::Result<()> {
    if boosts.is_empty() {
        return Ok(());
    }
    let boosts: Vec<String> = boosts
        .iter()
        .map(|boost| format!("{} = {} +{}", boost.column, boost.value, boost.weight))
        .collect();
    let line = format!("boosted: {}", boosts.join(", "));
    writeln!(out, "{}", one_line(&line, width))
}

/// A line for each facet: its most frequent values with their rows.
pub(super) fn print_facets<'a>(
    facets: impl Iterator<Item = (&'a str, &'a [FacetCount])>,
    width: Option<usize>,
    out: &mut dyn Write,
) -> io::Result<()> {
    for (name, counts) in facets {
        let values = counts.iter().take(FACET_VALUES);
        let mut values: Vec<String> = values
            .map(|count| format!("{} {}", count.value, count.rows))
            .collect();
        if counts.len() > FACET_VALUES {
            values.push("…".to_owned());
        }
        let line = format!("{name}: {}", values.join(", "));
        writeln!(out, "{}", one_line(&line, width))?;
    }
    Ok(())
}

/// A score and its two texts, separated by tabs: on a terminal one line of its width, else whole
/// texts, quoted as in CSV where they hold tabs, line breaks or quotes.
pub(super) fn print_pair(
    pair: &Pair<'_>,
    width: Option<usize>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let [a, b] = match width {
        Some(width) => {
            // A tab goes to the next of the columns 8, 16, …
            let half = LEAST_WIDTH.max(width.saturating_sub(8 + 8) / 2);
            pair.texts.map(|text| one_line(text, Some(half)))
        }
        None => pair.texts.map(field),
    };
    writeln!(out, "{:.4}\t{a}\t{b}", pair.score)
}

/// A field of a file with tabs between its columns.
fn field(text: &str) -> String {
    if text.contains(['\t', '\n', '\r', '"']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(texts: [&str; 2], width: Option<usize>) -> String {
        let pair = Pair {
            texts,
            score: 0.5,
            row: None,
            id: None,
        };
        let mut out = Vec::new();
        print_pair(&pair, width, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_pipe_gets_whole_texts() {
        let long = "water bottle ".repeat(30);
        assert_eq!(printed([&long, "b"], None), format!("0.5000\t{long}\tb\n"));
        assert_eq!(
            printed(["5\" pipe", "a\tb\nc"], None),
            "0.5000\t\"5\"\" pipe\"\t\"a\tb\nc\"\n"
        );
    }

    #[test]
    fn a_terminal_gets_a_line_that_fits_and_commands_nothing() {
        let line = printed(["\u{1b}[31mred", &"茶 ".repeat(100)], Some(60));
        assert!(line.contains("\\u{1b}[31mred\t茶 茶"), "{line}");
        assert!(line.ends_with("…\n") && line.lines().count() == 1, "{line}");
        assert!(columns(line.trim_end()) <= 60, "{line}");
    }
}
