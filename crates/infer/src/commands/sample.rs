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
use crate::vectors::{VectorFormat, VectorWriter, check_target, view};

/// The sample queries.
const SAMPLE_QUERIES: [&str; 3] = [
    "high end water bottle",
    "smart home speaker",
    "compact wireless keyboard",
];

/// The file that their vectors are saved to.
const SAMPLE_FILE: &str = "sample_embeddings.pt";

/// How many values of a vector are shown.
const SHOWN_VALUES: usize = 6;

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

    writeln!(out, "{} on {}", model.model, encoder.device())?;
    writeln!(out, "\nembeddings [{}, {}]", vectors.len(), vectors.width())?;
    for (text, row) in texts.iter().zip(vectors.rows()) {
        let first: Vec<String> = row
            .iter()
            .take(SHOWN_VALUES)
            .map(|value| format!("{value:7.4}"))
            .collect();
        let norm = row
            .iter()
            .map(|value| f64::from(*value).powi(2))
            .sum::<f64>()
            .sqrt();
        writeln!(
            out,
            "  {text:<26} [{}, …]  norm {norm:.4}",
            first.join(", ")
        )?;
    }
    writeln!(out, "\ncosine similarity")?;
    for (text, row) in texts.iter().zip(cosines.chunks_exact(texts.len())) {
        let cells: Vec<String> = row.iter().map(|cosine| format!("{cosine:7.4}")).collect();
        writeln!(out, "  {text:<26} {}", cells.join("  "))?;
    }

    let mut writer = VectorWriter::create(
        Path::new(SAMPLE_FILE),
        VectorFormat::Pt,
        vectors.width(),
        false,
    )?;
    writer.write(&Row::from_texts(&texts), vectors.values())?;
    writer.finish()?;
    writeln!(
        out,
        "\nmodel loaded in {:.2} s, queries embedded in {:.0} ms, saved to {SAMPLE_FILE}",
        load_time.as_secs_f64(),
        encode_time.as_secs_f64() * 1e3
    )?;
    Ok(())
}
