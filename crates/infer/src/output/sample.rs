//! The vectors and cosines of the sample queries.

use std::io::{self, Write};
use std::time::Duration;

use model::{Device, Embeddings};

/// How many values of a vector are shown.
const SHOWN_VALUES: usize = 6;

/// The sample queries, embedded and saved.
pub(crate) struct Sample<'a> {
    /// The name of the model.
    pub(crate) model: &'a str,
    /// The device that computed.
    pub(crate) device: Device,
    /// The queries.
    pub(crate) texts: &'a [String],
    /// Their vectors.
    pub(crate) vectors: &'a Embeddings,
    /// Their cosines, a row for each query.
    pub(crate) cosines: &'a [f32],
    /// The time to load the model.
    pub(crate) load_time: Duration,
    /// The time to embed the queries.
    pub(crate) encode_time: Duration,
    /// The file of the vectors.
    pub(crate) file: &'a str,
}

impl Sample<'_> {
    /// Prints all of it.
    pub(crate) fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { texts, vectors, .. } = self;
        writeln!(out, "{} on {}", self.model, self.device)?;
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
            let first = first.join(", ");
            writeln!(out, "  {text:<26} [{first}, …]  norm {norm:.4}")?;
        }
        writeln!(out, "\ncosine similarity")?;
        for (text, row) in texts.iter().zip(self.cosines.chunks_exact(texts.len())) {
            let cells: Vec<String> = row.iter().map(|cosine| format!("{cosine:7.4}")).collect();
            writeln!(out, "  {text:<26} {}", cells.join("  "))?;
        }
        writeln!(
            out,
            "\nmodel loaded in {:.2} s, queries embedded in {:.0} ms, saved to {}",
            self.load_time.as_secs_f64(),
            self.encode_time.as_secs_f64() * 1e3,
            self.file
        )
    }
}
