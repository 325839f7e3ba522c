//! Results as JSON, one value per line.
//!
//! `docs/src/reference/results.schema.json` describes them, and a test compares. A key that changes
//! its meaning or goes needs another [`VERSION`]; a new key does not.

use std::io::{self, Write};

use search::Hit;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::ser::Formatter;

use super::{Pair, Subject};
use crate::error::Error;
use crate::rows::Rows;

/// The version of the schema.
pub(super) const VERSION: u32 = 1;

#[derive(Serialize)]
struct Found<'a> {
    version: u32,
    #[serde(flatten)]
    subject: Subject<'a>,
    metric: &'static str,
    hits: Vec<FoundRow<'a>>,
}

impl Serialize for Subject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self {
            Self::Query(query) => map.serialize_entry("query", query)?,
            Self::Id(id, _) => map.serialize_entry("id", id)?,
            Self::Examples(ids, not) => {
                map.serialize_entry("ids", ids)?;
                map.serialize_entry("not", not)?;
            }
            Self::Text(text) => map.serialize_entry("text", text)?,
        }
        map.end()
    }
}

#[derive(Serialize)]
struct FoundRow<'a> {
    rank: usize,
    score: f32,
    row: u64,
    id: Option<&'a str>,
    text: String,
    columns: Columns<'a>,
}

/// The chosen columns of a row, by name.
struct Columns<'a> {
    names: &'a [String],
    values: &'a [String],
}

impl Serialize for Columns<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.names.len()))?;
        for (name, value) in self.names.iter().zip(self.values) {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// The hits of one search.
pub(super) fn print_hits(
    subject: Subject<'_>,
    hits: &[Hit],
    rows: &Rows,
    metric: &'static str,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let hits = (1usize..).zip(hits).map(|(rank, hit)| {
        let row = rows.row(hit.index);
        FoundRow {
            rank,
            score: hit.score,
            row: rows.number(hit.index),
            id: row.and_then(|row| row.id.as_deref()),
            text: rows.text(hit.index),
            columns: Columns {
                names: rows.columns(),
                values: row.map(|row| row.fields.as_slice()).unwrap_or_default(),
            },
        }
    });
    let found = Found {
        version: VERSION,
        subject,
        metric,
        hits: hits.collect(),
    };
    print_line(&found, out)
}

#[derive(Serialize)]
struct ScoredPair<'a> {
    version: u32,
    a: &'a str,
    b: &'a str,
    metric: &'static str,
    score: f32,
    row: Option<u64>,
    id: Option<&'a str>,
}

/// A pair of texts and their score.
pub(super) fn print_pair(
    pair: &Pair<'_>,
    metric: &'static str,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let [a, b] = pair.texts;
    let line = ScoredPair {
        version: VERSION,
        a,
        b,
        metric,
        score: pair.score,
        row: pair.row,
        id: pair.id,
    };
    print_line(&line, out)
}

pub(super) fn print_line(value: &impl Serialize, out: &mut dyn Write) -> Result<(), Error> {
    let mut serializer = serde_json::Serializer::with_formatter(&mut *out, Escaping);
    value.serialize(&mut serializer)?;
    writeln!(out)?;
    Ok(())
}

/// Escapes all control characters: JSON needs it of some, a terminal of the others too.
struct Escaping;

impl Formatter for Escaping {
    fn write_string_fragment<W: Write + ?Sized>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(place) = rest.find(program::text::is_control) {
            let (plain, control) = rest.split_at(place);
            out.write_all(plain.as_bytes())?;
            let mut characters = control.chars();
            if let Some(character) = characters.next() {
                // All control characters are in the first plane.
                write!(out, "\\u{:04x}", u32::from(character))?;
            }
            rest = characters.as_str();
        }
        out.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_control_character_is_escaped_and_nothing_is_lost() {
        let text = "a\u{1b}[2J\u{9b}31m\u{7f}\u{202e}\"\\\n中";
        let mut out = Vec::new();
        print_line(&text, &mut out).unwrap();
        let line = String::from_utf8(out).unwrap();
        assert!(
            !line.trim_end().contains(program::text::is_control),
            "{line:?}"
        );
        assert!(line.contains("中"), "{line}");
        assert_eq!(serde_json::from_str::<String>(&line).unwrap(), text);
    }
}
