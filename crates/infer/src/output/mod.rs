//! Printed results: tables for people, JSON for programs.

pub(crate) mod doctor;
pub(crate) mod json;
pub(crate) mod sample;
pub(crate) mod table;

use std::io::Write;

use search::{Hit, Similarity};

use crate::corpus::Corpus;
use crate::error::Error;

/// What was searched for.
#[derive(Clone, Copy)]
pub(crate) enum Subject<'a> {
    /// A query of `search`.
    Query(&'a str),
    /// The id that `recommend` was given, and the text of its row.
    Id(&'a str, &'a str),
    /// The text that `recommend` was given.
    Text(&'a str),
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
    /// The measure of the scores.
    pub(crate) similarity: Similarity,
    /// The columns of the terminal; `None` prints whole texts.
    pub(crate) width: Option<usize>,
}

impl Printer {
    /// Prints the hits of one search.
    pub(crate) fn hits(
        self,
        subject: Subject<'_>,
        hits: &[Hit],
        corpus: &Corpus,
        out: &mut dyn Write,
    ) -> Result<(), Error> {
        if self.json {
            json::print_hits(subject, hits, corpus, self.similarity, out)
        } else {
            Ok(table::print_hits(subject, hits, corpus, self.width, out)?)
        }
    }

    /// Prints the score of two texts.
    pub(crate) fn pair(self, pair: &Pair<'_>, out: &mut dyn Write) -> Result<(), Error> {
        if self.json {
            json::print_pair(pair, self.similarity, out)
        } else {
            Ok(table::print_pair(pair, self.width, out)?)
        }
    }
}
