//! Results as JSON, one value per line.

use std::io::Write;

use search::{Hit, Similarity};
use serde::Serialize;

use crate::corpus::Corpus;
use crate::error::Error;

/// The subject of a search.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Subject<'a> {
    /// The query of `search`.
    Query(&'a str),
    /// The id that `recommend` was given.
    Id(&'a str),
    /// The text that `recommend` was given.
    Text(&'a str),
}

#[derive(Serialize)]
struct Found<'a> {
    #[serde(flatten)]
    subject: Subject<'a>,
    hits: Vec<FoundRow<'a>>,
}

#[derive(Serialize)]
struct FoundRow<'a> {
    rank: usize,
    score: f32,
    index: usize,
    id: Option<&'a str>,
    text: String,
}

/// The hits of one search.
pub(crate) fn print_hits(
    subject: Subject<'_>,
    hits: &[Hit],
    corpus: &Corpus,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let hits = (1usize..).zip(hits).map(|(rank, hit)| FoundRow {
        rank,
        score: hit.score,
        index: hit.index,
        id: corpus.row(hit.index).and_then(|row| row.id.as_deref()),
        text: corpus.text(hit.index),
    });
    let found = Found {
        subject,
        hits: hits.collect(),
    };
    print_line(&found, out)
}

#[derive(Serialize)]
struct Pair<'a> {
    a: &'a str,
    b: &'a str,
    #[serde(flatten)]
    score: Score,
}

/// The score, under the name of its similarity.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Score {
    Cosine(f32),
    Dot(f32),
    Euclidean(f32),
    Manhattan(f32),
}

/// A pair of texts and their score.
pub(crate) fn print_pair(
    [a, b]: [&str; 2],
    score: f32,
    similarity: Similarity,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let score = match similarity {
        Similarity::Cosine => Score::Cosine(score),
        Similarity::DotProduct => Score::Dot(score),
        Similarity::Euclidean => Score::Euclidean(score),
        Similarity::Manhattan => Score::Manhattan(score),
    };
    print_line(&Pair { a, b, score }, out)
}

fn print_line(value: &impl Serialize, out: &mut dyn Write) -> Result<(), Error> {
    serde_json::to_writer(&mut *out, value)?;
    writeln!(out)?;
    Ok(())
}
