//! Without a command: the three sample queries, embedded, shown and saved.

use std::io::Write;
use std::path::Path;
use std::time::Instant;

use records::Row;
use search::{Similarity, VectorsView, similarity_matrix};

use super::{encode, load};
use crate::cli::{ModelArgs, VectorArgs};
use crate::failure::Failure;
use crate::terminal::Terminal;
use crate::vectors::{VectorFormat, VectorWriter, check_target};

/// The queries of the project's seed.
const SAMPLE_QUERIES: [&str; 3] = [
    "high end water bottle",
    "smart home speaker",
    "compact wireless keyboard",
];

/// Where they are saved, as the seed did.
const SAMPLE_FILE: &str = "sample_embeddings.pt";

/// How many values of each vector are shown.
const SHOWN_VALUES: usize = 6;

pub(super) fn run(model: &ModelArgs, terminal: &mut Terminal) -> Result<(), Failure> {
    check_target(Path::new(SAMPLE_FILE))?;
    let start = Instant::now();
    let encoder = load(model, VectorArgs::default(), terminal.notes())?;
    let load_time = start.elapsed();
    let texts = SAMPLE_QUERIES.map(str::to_owned);
    let start = Instant::now();
    let vectors = encode(&encoder, &texts, terminal.notes())?;
    let encode_time = start.elapsed();
    let rows = VectorsView::new(vectors.values(), vectors.width())?;
    let cosines = similarity_matrix(rows, rows, Similarity::Cosine)?;

    let out = terminal.out();
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
        terminal.out(),
        "\nmodel loaded in {:.2} s, queries embedded in {:.0} ms, saved to {SAMPLE_FILE}",
        load_time.as_secs_f64(),
        encode_time.as_secs_f64() * 1e3
    )?;
    Ok(())
}
