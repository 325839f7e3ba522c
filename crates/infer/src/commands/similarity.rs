//! `similarity`: the score of two texts, or of two columns of a file.

use std::io::Write;

use model::Embeddings;
use program::Console;
use search::{Similarity, VectorsView, pairwise_similarity};

use super::{encode, load};
use crate::cli::{ModelArgs, ReadArgs, SimilarityArgs};
use crate::error::{Error, UsageError};
use crate::input::open_pairs;
use crate::output::{json, table};
use crate::stream::{TextsOf, embed_file, note_skipped};

pub(super) fn run(
    model: &ModelArgs,
    args: SimilarityArgs,
    console: Console,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let similarity = args.compare.similarity.into();
    if !args.input.is_empty() {
        let mut reader = open_pairs(&args.input, &args.read)?;
        let encoder = load(model, args.compare.vectors(), console)?;
        // A pair gives two texts, one after the other.
        embed_file(
            &mut reader,
            TextsOf::Fields,
            &encoder,
            console,
            |pairs, vectors| {
                let scores = scores(vectors, similarity)?;
                for (pair, score) in pairs.iter().zip(scores) {
                    print(&pair.fields, score, &args, out)?;
                }
                Ok(())
            },
        )?;
        note_skipped(&reader, console);
        return Ok(());
    }
    if args.read != ReadArgs::default() {
        return Err(UsageError::ReadWithoutInput.into());
    }
    let encoder = load(model, args.compare.vectors(), console)?;
    let vectors = encode(&encoder, &args.texts, console)?;
    let score = scores(&vectors, similarity)?;
    let score = score.first().copied().unwrap_or_default();
    print(&args.texts, score, &args, out)
}

/// The similarity of each vector at an even position and the vector after it.
fn scores(vectors: &Embeddings, similarity: Similarity) -> Result<Vec<f32>, Error> {
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

fn print(
    pair: &[String],
    score: f32,
    args: &SimilarityArgs,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let text = |side: usize| pair.get(side).map_or("", String::as_str);
    let pair = [text(0), text(1)];
    if args.json {
        json::print_pair(pair, score, args.compare.similarity, out)
    } else {
        Ok(table::print_pair(pair, score, out)?)
    }
}
