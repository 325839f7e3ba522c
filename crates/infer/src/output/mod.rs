//! Printed results: tables for people, JSON for programs.

mod answer_json;
mod answer_table;
pub(crate) mod doctor;
pub(crate) mod json;
pub(crate) mod sample;
pub(crate) mod table;

use std::io::Write;

use search::{Answer, Asked, Boost, FacetCount, Hit};

use crate::attributes::AttributeColumns;
use crate::error::Error;
use crate::rows::Rows;

/// What was searched for.
#[derive(Clone, Copy)]
pub(crate) enum Subject<'a> {
    /// A query of `search`.
    Query(&'a str),
    /// The id that `recommend` was given, and the text of its row.
    Id(&'a str, &'a str),
    /// Several ids that `recommend` was given, and those that hits should not be like.
    Examples(&'a [String], &'a [String]),
    /// The text that `recommend` was given.
    Text(&'a str),
}

impl Subject<'_> {
    /// The line above a table of hits.
    fn headline(self) -> String {
        match self {
            Subject::Query(query) => query.to_owned(),
            Subject::Id(id, text) => format!("like {id}: {text}"),
            Subject::Examples(ids, []) => format!("like {}", ids.join(", ")),
            Subject::Examples(ids, not) => {
                format!("like {}, not like {}", ids.join(", "), not.join(", "))
            }
            Subject::Text(text) => format!("like: {text}"),
        }
    }
}

/// What is known of the hits of a corpus with attributes.
pub(crate) struct Attributed<'a> {
    /// The attributes of all rows.
    pub(crate) columns: &'a AttributeColumns,
    /// What was added to the score of each hit.
    pub(crate) raised: &'a [f32],
    /// The boosts of the query.
    pub(crate) boosts: &'a [Boost],
    /// The values of the facets that were asked for, by name.
    pub(crate) facets: Vec<(&'a String, &'a Vec<FacetCount>)>,
}

/// Two texts and their score.
pub(crate) struct Pair<'a> {
    /// The texts.
    pub(crate) texts: [&'a str; 2],
    /// Their similarity.
    pub(crate) score: f32,
    /// The number of the row, from 1; `None` for texts of the command line.
    pub(crate) row: Option<u64>,
    /// The id of the row.
    pub(crate) id: Option<&'a str>,
}

/// How results are printed.
#[derive(Clone, Copy)]
pub(crate) struct Printer {
    /// JSON instead of a table.
    pub(crate) json: bool,
    /// What the scores are.
    pub(crate) metric: &'static str,
    /// The columns of the terminal; `None` prints whole texts.
    pub(crate) width: Option<usize>,
}

impl Printer {
    /// Prints the hits of one search.
    pub(crate) fn hits(
        self,
        subject: Subject<'_>,
        hits: &[Hit],
        rows: &Rows,
        attributed: Option<&Attributed<'_>>,
        out: &mut dyn Write,
    ) -> Result<(), Error> {
        if self.json {
            return json::print_hits(subject, hits, rows, attributed, self.metric, out);
        }
        table::print_hits(subject, hits, rows, self.width, out)?;
        if let Some(attributed) = attributed {
            table::print_boosts(attributed.boosts, self.width, out)?;
            let facets = attributed.facets.iter();
            let facets = facets.map(|(name, counts)| (name.as_str(), counts.as_slice()));
            table::print_facets(facets, self.width, out)?;
        }
        Ok(())
    }

    /// Prints the answer of an index or a store.
    pub(crate) fn answer(
        self,
        subject: Subject<'_>,
        answer: &Answer,
        asked: Asked<'_>,
        out: &mut dyn Write,
    ) -> Result<(), Error> {
        if self.json {
            answer_json::print(subject, answer, asked, out)
        } else {
            Ok(answer_table::print(
                subject, answer, asked, self.width, out,
            )?)
        }
    }

    /// Prints the score of two texts.
    pub(crate) fn pair(self, pair: &Pair<'_>, out: &mut dyn Write) -> Result<(), Error> {
        if self.json {
            json::print_pair(pair, self.metric, out)
        } else {
            Ok(table::print_pair(pair, self.width, out)?)
        }
    }
}
