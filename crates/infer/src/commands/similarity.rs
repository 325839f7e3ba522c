//! `similarity`: the score of two texts, or of two columns of a file.

use std::io::Write;

use model::{Embeddings, Prompt};
use program::Console;
use search::{Similarity, VectorsView, pairwise_similarity};

use super::{encode, load};
use crate::cli::{ModelArgs, ReadArgs, SimilarityArgs};
use crate::error::{Error, UsageError};
use crate::input::open_pairs;
use crate::output::{Pair, Printer};
use crate::stream::{TextsOf, embed_file, note_skipped};

pub(super) fn run(
    model: &ModelArgs,
    args: SimilarityArgs,
    console: Console,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let printer = |similarity: Similarity| Printer {
        json: args.json,
        metric: similarity.name(),
        width: console.stdout_width(),
    };
    if !args.input.is_empty() {
        let mut reader = open_pairs(&args.input, &args.read)?;
        let encoder = load(model, args.compare.vectors(), console)?;
        let similarity = args.compare.similarity(&encoder);
        let printer = printer(similarity);
        // A pair gives two texts, one after the other.
        embed_file(
            &mut reader,
            TextsOf::Fields,
            &Prompt::Default,
            &encoder,
            console,
            |pairs, vectors| {
                let scores = scores(vectors, similarity)?;
                for (pair, score) in pairs.iter().zip(scores) {
                    let pair = Pair {
                        texts: two(&pair.fields),
                        score,
                        row: Some(pair.number),
                        id: pair.id.as_deref(),
                    };
                    printer.pair(&pair, out)?;
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
    let similarity = args.compare.similarity(&encoder);
    let vectors = encode(&encoder, &args.texts, &Prompt::Default, console)?;
    let score = scores(&vectors, similarity)?;
    let pair = Pair {
        texts: two(&args.texts),
        score: score.first().copied().unwrap_or_default(),
        row: None,
        id: None,
    };
    printer(similarity).pair(&pair, out)
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

/// The texts of a pair, which has two.
fn two(texts: &[String]) -> [&str; 2] {
    let text = |side: usize| texts.get(side).map_or("", String::as_str);
    [text(0), text(1)]
}
