//! The measurements, as JSON or as a table.

use std::io::{self, Write};

use serde::Serialize;

/// The measurements of all workloads.
#[derive(Serialize)]
pub(super) struct Report {
    pub(super) device: String,
    pub(super) precision: String,
    pub(super) threads: usize,
    pub(super) rows: Vec<Row>,
    pub(super) load_seconds: f64,
    pub(super) peak_memory_bytes: Option<u64>,
}

/// One workload.
#[derive(Serialize)]
pub(super) struct Row {
    pub(super) workload: String,
    pub(super) texts: usize,
    /// The fastest run.
    pub(super) seconds: f64,
    pub(super) seconds_median: f64,
    /// The first run, which compiles a GPU's kernels.
    pub(super) seconds_cold: f64,
    /// Of the fastest run.
    pub(super) texts_per_second: f64,
    pub(super) precision: String,
    /// Smallest cosine between a vector and the float32 vector of the same text.
    pub(super) cosine_min: f64,
    pub(super) cosine_mean: f64,
}

/// Prints the header of the table.
pub(super) fn print_head(out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "{:14} {:>6} {:>9} {:>9} {:>17}",
        "workload", "texts", "seconds", "median", "texts_per_second"
    )
}

impl Row {
    /// Prints its line of the table.
    pub(super) fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self {
            workload,
            texts,
            seconds,
            seconds_median,
            texts_per_second,
            ..
        } = self;
        writeln!(
            out,
            "{workload:14} {texts:6} {seconds:9.3} {seconds_median:9.3} {texts_per_second:17.1}"
        )
    }

    fn print_cosines(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self {
            workload,
            cosine_min,
            cosine_mean,
            ..
        } = self;
        writeln!(
            out,
            "{workload:14} cosine to f32: smallest {cosine_min:.6}, mean {cosine_mean:.6}"
        )
    }
}

impl Report {
    /// Prints the lines after the table.
    pub(super) fn print_foot(&self, is_exact: bool, out: &mut dyn Write) -> io::Result<()> {
        let Self {
            device,
            precision,
            threads,
            rows,
            load_seconds,
            ..
        } = self;
        if !is_exact {
            rows.iter().try_for_each(|row| row.print_cosines(out))?;
        }
        let memory = self.peak_memory_bytes.map_or_else(
            || "peak memory unknown on this system".to_owned(),
            |bytes| format!("peak memory {:.0} MB", bytes as f64 / 1e6),
        );
        writeln!(
            out,
            "{device}, {precision}, {threads} threads; model loaded in {load_seconds:.2} s; {memory}"
        )
    }
}
