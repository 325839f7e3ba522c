//! `similarity`: the cosine of two texts, or of two columns of a file.

use std::io::Write;
use std::path::Path;

use search::{Rows, Similarity, pairwise_similarity};
use serde_json::json;

use super::{encode, load};
use crate::catalogue::{note_skipped, note_truncated, reader_options};
use crate::cli::{ModelArgs, SimilarityArgs, VectorArgs};
use crate::failure::{Failure, UsageError};
use crate::records::{Record, RecordReader, Source};
use crate::terminal::Terminal;

/// Pairs that are held and encoded together.
const WINDOW_PAIRS: usize = 2048;

pub(super) fn run(
    model: &ModelArgs,
    args: SimilarityArgs,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let vectors = VectorArgs {
        dimensions: args.dimensions,
        ..VectorArgs::default()
    };
    let Some(input) = &args.input else {
        let encoder = load(model, vectors, terminal.notes())?;
        let vectors = encode(&encoder, &args.texts, terminal.notes())?;
        let cosine = cosines(vectors.values(), vectors.width())?;
        return print(
            &args.texts,
            cosine.first().copied().unwrap_or_default(),
            args.json,
            terminal,
        );
    };
    let mut reader = open_pairs(input, &args)?;
    let encoder = load(model, vectors, terminal.notes())?;
    let (mut truncated, mut texts) = (0, 0);
    loop {
        let pairs = reader
            .by_ref()
            .take(WINDOW_PAIRS)
            .collect::<Result<Vec<Record>, _>>()?;
        if pairs.is_empty() {
            break;
        }
        let sides: Vec<String> = pairs.into_iter().flat_map(|pair| pair.fields).collect();
        let vectors = encoder.encode(&sides)?;
        truncated += vectors.truncated();
        texts += sides.len();
        for (pair, cosine) in sides
            .chunks_exact(2)
            .zip(cosines(vectors.values(), vectors.width())?)
        {
            print(pair, cosine, args.json, terminal)?;
        }
    }
    note_truncated(truncated, texts, &encoder, terminal.notes());
    note_skipped(&reader, terminal.notes());
    Ok(())
}

/// Opens a file whose records have exactly two texts.
fn open_pairs(input: &Path, args: &SimilarityArgs) -> Result<RecordReader, Failure> {
    let reader =
        RecordReader::open_every_column(&Source::from(input), &reader_options(&args.read))?;
    match reader.columns().len() {
        2 => Ok(reader),
        columns => Err(UsageError::TwoColumns(columns).into()),
    }
}

/// The cosine of each row with an even number and the one behind it.
fn cosines(values: &[f32], width: usize) -> Result<Vec<f32>, Failure> {
    let side = |offset: usize| -> Vec<f32> {
        values
            .chunks_exact(width.max(1))
            .skip(offset)
            .step_by(2)
            .flatten()
            .copied()
            .collect()
    };
    let (a, b) = (side(0), side(1));
    Ok(pairwise_similarity(
        Rows::new(&a, width)?,
        Rows::new(&b, width)?,
        Similarity::Cosine,
    )?)
}

fn print(
    pair: &[String],
    cosine: f32,
    as_json: bool,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let (a, b) = (pair.first(), pair.get(1));
    if as_json {
        serde_json::to_writer(terminal.out(), &json!({ "a": a, "b": b, "cosine": cosine }))?;
        writeln!(terminal.out())?;
    } else {
        writeln!(
            terminal.out(),
            "{cosine:.4}\t{}\t{}",
            a.map_or("", String::as_str),
            b.map_or("", String::as_str)
        )?;
    }
    Ok(())
}
