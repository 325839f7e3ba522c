//! `similarity`: how close two texts are, or two columns of a file.

use std::io::Write;
use std::path::Path;

use model::Embeddings;
use records::{RowReader, Source};
use search::{Similarity, VectorsView, pairwise_similarity};
use serde::Serialize;

use super::search::one_line;
use super::{encode, load};
use crate::catalogue::reader_options;
use crate::cli::{Comparison, ModelArgs, ReadArgs, SimilarityArgs};
use crate::failure::{Failure, UsageError};
use crate::stream::{TextsOf, embed_file, note_skipped};
use crate::terminal::Terminal;

pub(super) fn run(
    model: &ModelArgs,
    args: SimilarityArgs,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let similarity = args.compare.similarity.into();
    if let Some(input) = &args.input {
        let mut reader = open_pairs(input, &args)?;
        let encoder = load(model, args.compare.vectors(), terminal.notes())?;
        let notes = terminal.notes();
        // A pair is embedded as two texts that stand one behind the other.
        embed_file(
            &mut reader,
            TextsOf::Fields,
            &encoder,
            notes,
            |pairs, vectors| {
                let scores = scores(vectors, similarity)?;
                for (pair, score) in pairs.iter().zip(scores) {
                    print(&pair.fields, score, &args, terminal)?;
                }
                Ok(())
            },
        )?;
        note_skipped(&reader, notes);
        return Ok(());
    }
    if args.read != ReadArgs::default() {
        return Err(UsageError::ReadWithoutInput.into());
    }
    let encoder = load(model, args.compare.vectors(), terminal.notes())?;
    let vectors = encode(&encoder, &args.texts, terminal.notes())?;
    let score = scores(&vectors, similarity)?;
    print(
        &args.texts,
        score.first().copied().unwrap_or_default(),
        &args,
        terminal,
    )
}

/// Opens a file whose records have exactly two texts; a file without a record has none that has
/// not.
fn open_pairs(input: &Path, args: &SimilarityArgs) -> Result<RowReader, Failure> {
    let mut reader =
        RowReader::open_every_column(&Source::from(input), &reader_options(&args.read))?;
    match reader.columns().len() {
        2 => Ok(reader),
        // JSON Lines without a line.
        0 if reader.next().is_none() => Ok(reader),
        // A file of lines.
        0 => Err(UsageError::TwoColumns(1).into()),
        columns => Err(UsageError::TwoColumns(columns).into()),
    }
}

/// The similarity of each row with an even number and the one behind it.
fn scores(vectors: &Embeddings, similarity: Similarity) -> Result<Vec<f32>, Failure> {
    let side = |offset: usize| -> Vec<f32> {
        let rows = vectors.rows().skip(offset).step_by(2);
        rows.flatten().copied().collect()
    };
    let (a, b) = (side(0), side(1));
    let width = vectors.width();
    let scores = pairwise_similarity(
        VectorsView::new(&a, width)?,
        VectorsView::new(&b, width)?,
        similarity,
    )?;
    Ok(scores)
}

#[derive(Serialize)]
struct JsonPair<'a> {
    a: &'a str,
    b: &'a str,
    #[serde(flatten)]
    score: Score,
}

/// The score under the name of what it is.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Score {
    Cosine(f32),
    Dot(f32),
}

fn print(
    pair: &[String],
    score: f32,
    args: &SimilarityArgs,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let text = |side: usize| pair.get(side).map_or("", String::as_str);
    let (a, b) = (text(0), text(1));
    if args.json {
        let score = match args.compare.similarity {
            Comparison::Cosine => Score::Cosine(score),
            Comparison::Dot => Score::Dot(score),
        };
        serde_json::to_writer(terminal.out(), &JsonPair { a, b, score })?;
        writeln!(terminal.out())?;
    } else {
        writeln!(
            terminal.out(),
            "{score:.4}\t{}\t{}",
            one_line(a),
            one_line(b)
        )?;
    }
    Ok(())
}
