//! What was measured, as JSON or as a table.

use std::io::{self, Write};

use serde::Serialize;

use crate::peers::Standing;

/// All of a run.
#[derive(Serialize)]
pub(super) struct Report {
    pub(super) device: String,
    pub(super) precision: String,
    pub(super) threads: usize,
    /// Threads of the peers, where there are some to compare with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) peer_threads: Option<usize>,
    pub(super) rows: Vec<Row>,
    pub(super) load_seconds: f64,
    pub(super) peak_memory_bytes: Option<u64>,
}

/// One workload.
#[derive(Serialize)]
pub(super) struct Row {
    pub(super) workload: String,
    pub(super) texts: usize,
    /// The best of the runs.
    pub(super) seconds: f64,
    pub(super) seconds_median: f64,
    /// Of the first run, in which a GPU's kernels are compiled and tuned.
    pub(super) seconds_cold: f64,
    /// In the best of the runs.
    pub(super) texts_per_second: f64,
    pub(super) precision: String,
    /// Smallest cosine between a text's vector and its float32 one.
    pub(super) cosine_min: f64,
    pub(super) cosine_mean: f64,
    /// Beside the peers.
    #[serde(flatten)]
    pub(super) standing: Option<Standing>,
}

/// The head of the table.
pub(super) fn print_head(out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "{:14} {:>6} {:>9} {:>9} {:>17}",
        "workload", "texts", "seconds", "median", "texts_per_second"
    )
}

impl Row {
    /// Its line of the table.
    pub(super) fn print(&self, out: &mut impl Write) -> io::Result<()> {
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

    fn print_cosines(&self, out: &mut impl Write) -> io::Result<()> {
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

    fn print_standing(&self, out: &mut impl Write) -> io::Result<()> {
        let workload = &self.workload;
        let Some(standing) = &self.standing else {
            return writeln!(out, "{workload:14} no peer of this precision was timed");
        };
        let (ratio, fastest) = (standing.ratio_to_fastest, &standing.fastest_peer);
        writeln!(
            out,
            "{workload:14} {ratio:6.2} x {fastest}, the fastest peer"
        )?;
        for peer in &standing.peers {
            writeln!(
                out,
                "{:14} {:6.2} x {:14} {:9.1} texts a second, mean cosine {:.4}",
                "", peer.ratio, peer.peer, peer.texts_per_second, peer.cosine_mean
            )?;
        }
        Ok(())
    }
}

impl Report {
    /// What follows the table.
    pub(super) fn print_foot(&self, is_exact: bool, out: &mut impl Write) -> io::Result<()> {
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
        if self.peer_threads.is_some() {
            rows.iter().try_for_each(|row| row.print_standing(out))?;
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
