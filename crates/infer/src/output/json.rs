//! Results as JSON, one value per line.
//!
//! `docs/src/reference/results.schema.json` describes them, and a test compares. A key that changes
//! its meaning or goes needs another [`VERSION`]; a new key does not.

use std::collections::BTreeMap;
use std::io::{self, Write};

use search::filter::Column;
use search::{FacetCount, Hit};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::ser::Formatter;

use super::{Attributed, Pair, Subject};
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
    #[serde(skip_serializing_if = "Option::is_none")]
    facets: Option<BTreeMap<&'a str, Vec<Facet>>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    boosts: Vec<BoostOf<'a>>,
}

/// How many rows have a value, which is a text in every column of attributes.
#[derive(Serialize)]
struct Facet {
    value: String,
    rows: usize,
}

#[derive(Serialize)]
struct BoostOf<'a> {
    column: &'a str,
    value: String,
    weight: f32,
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
    /// The attributes of the row.
    #[serde(skip_serializing_if = "Option::is_none")]
    values: Option<BTreeMap<&'a str, Option<String>>>,
    /// What is added to the score.
    #[serde(skip_serializing_if = "Option::is_none")]
    boost: Option<f32>,
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
    attributed: Option<&Attributed<'_>>,
    metric: &'static str,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let boosts = attributed.map_or(&[][..], |attributed| attributed.boosts);
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
            values: attributed.map(|attributed| attributed.values(hit.index)),
            boost: attributed
                .filter(|_| !boosts.is_empty())
                .and_then(|attributed| attributed.raised.get(rank - 1).copied()),
        }
    });
    let found = Found {
        version: VERSION,
        subject,
        metric,
        hits: hits.collect(),
        facets: attributed.and_then(Attributed::facets),
        boosts: boosts
            .iter()
            .map(|boost| BoostOf {
                column: &boost.column,
                value: boost.value.to_string(),
                weight: boost.weight,
            })
            .collect(),
    };
    print_line(&found, out)
}

impl<'a> Attributed<'a> {
    /// The attributes of a row.
    fn values(&self, row: usize) -> BTreeMap<&'a str, Option<String>> {
        let columns = self.columns.declared.iter().zip(&self.columns.values);
        let value = |column: &Column| Some(column.value(u32::try_from(row).ok()?)?.to_string());
        columns
            .map(|(declared, column)| (declared.name.as_str(), value(column)))
            .collect()
    }

    /// The facets, if any were asked for.
    fn facets(&self) -> Option<BTreeMap<&'a str, Vec<Facet>>> {
        let facet = |count: &FacetCount| Facet {
            value: count.value.to_string(),
            rows: count.rows,
        };
        let facets = self.facets.iter();
        let facets =
            facets.map(|(name, counts)| (name.as_str(), counts.iter().map(facet).collect()));
        (!self.facets.is_empty()).then(|| facets.collect())
    }
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
