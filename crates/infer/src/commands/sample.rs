//! No command: embeds, shows and saves three sample queries.

use std::io::Write;
use std::path::Path;
use std::time::Instant;

use model::Prompt;
use program::Console;
use records::Row;
use search::{Similarity, similarity_matrix};

use super::{encode, load};
use crate::cli::{ModelArgs, VectorArgs};
use crate::error::Error;
use crate::output::sample::Sample;
use crate::vectors::{FileForm, OneWindow, VectorFormat, check_target, view, write_vectors};

/// The sample queries.
const SAMPLE_QUERIES: [&str; 3] = [
    "high end water bottle",
    "smart home speaker",
    "compact wireless keyboard",
];

/// The file that their vectors are saved to.
const SAMPLE_FILE: &str = "sample_embeddings.pt";

pub(super) fn run(model: &ModelArgs, console: Console, out: &mut dyn Write) -> Result<(), Error> {
    check_target(Path::new(SAMPLE_FILE))?;
    let start = Instant::now();
    let encoder = load(model, VectorArgs::default(), console)?;
    let load_time = start.elapsed();
    let texts = SAMPLE_QUERIES.map(str::to_owned);
    let start = Instant::now();
    let vectors = encode(&encoder, &texts, &Prompt::Default, console)?;
    let encode_time = start.elapsed();
    let cosines = similarity_matrix(view(&vectors)?, view(&vectors)?, Similarity::Cosine)?;

    let rows = Row::from_texts(&texts);
    let mut window = OneWindow::new(&rows, vectors.values(), vectors.width())?;
    let form = FileForm::new(VectorFormat::Pt, vectors.width());
    write_vectors(Path::new(SAMPLE_FILE), &form, &mut window)?;
    let sample = Sample {
        model: model.hub.name(),
        device: encoder.device(),
        texts: &texts,
        vectors: &vectors,
        cosines: &cosines,
        load_time,
        encode_time,
        file: SAMPLE_FILE,
    };
    Ok(sample.print(out)?)
}
