//! Printed results: tables for people, JSON for programs.

mod answer_json;
mod answer_table;
pub(crate) mod doctor;
pub(crate) mod json;
pub(crate) mod sample;
pub(crate) mod table;

use std::io::Write;

use search::index::Settings;
use search::{Answer, Hit};

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

/// What an index or a store was asked, as far as its answer is printed by it.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    /// The columns of the hits.
    pub(crate) settings: &'a Settings,
    /// What the scores are.
    pub(crate) metric: &'static str,
    /// The columns whose values are counted.
    pub(crate) facets: &'a [String],
    /// Whether to say where scores come from.
    pub(crate) explain: bool,
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
        out: &mut dyn Write,
    ) -> Result<(), Error> {
        if self.json {
            json::print_hits(subject, hits, rows, self.metric, out)
        } else {
            Ok(table::print_hits(subject, hits, rows, self.width, out)?)
        }
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
