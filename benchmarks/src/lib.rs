//! The laboratory of mpnet-burn: programs that measure the others. `README.md` beside this crate
//! describes the method.
//!
//! | command | module | measures |
//! | --- | --- | --- |
//! | `compare` | [`baselines`] | our texts/s over those of other programs |
//! | `batches` | `batches` | seconds and padding of a GPU's batches, by a model of their cost |
//! | `scaling` | `scaling`, `roofline` | texts/s by threads, length and batch, compared with the roofline |
//! | `quality` | `quality` | edge-case texts and open data, compared with PyTorch |
//! | `load` | `load` | latencies, refusals and memory of `infer serve` at several rates |
//! | `train-step` | `train_step` | s/step, tokens/s and peak memory of training |
//!
//! `cargo bench -p benchmarks` times each kernel and compares it with [`peak`].

pub mod baselines;
mod batches;
mod cli;
mod compare;
mod error;
mod load;
pub mod peak;
mod quality;
mod roofline;
mod scaling;
pub mod statistics;
mod train_step;

use std::io::Write;
use std::path::{Path, PathBuf};

pub use cli::Cli;
pub use error::BenchmarkError;

use cli::Command;

/// Measures what the command line names and prints the figures to `out`. Returns whether they are
/// as they must be: `quality` in float32 returns false where a figure differs from PyTorch's.
///
/// # Errors
///
/// When a file, the model or the device cannot be used, or `out` cannot be written.
pub fn run(cli: &Cli, out: &mut impl Write) -> Result<bool, BenchmarkError> {
    match &cli.command {
        Command::Compare(arguments) => compare::run(arguments, out).map(|()| true),
        Command::Batches(arguments) => batches::run(arguments, out).map(|()| true),
        Command::Scaling(arguments) => scaling::run(arguments, out).map(|()| true),
        Command::Quality(arguments) => quality::run(arguments, out),
        Command::Load(arguments) => load::run(arguments, out).map(|()| true),
        Command::TrainStep(arguments) => train_step::run(arguments, out).map(|()| true),
    }
}

/// A file or folder of the repository, wherever the program runs.
fn in_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// A line about progress, for the person who waits. Nothing depends on it, so an error of standard
/// error is ignored.
fn note(message: std::fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "{message}");
}

/// Prints `value` as indented JSON with a line break.
fn print_json(value: &impl serde::Serialize, out: &mut impl Write) -> Result<(), BenchmarkError> {
    serde_json::to_writer_pretty(&mut *out, value).map_err(std::io::Error::from)?;
    Ok(writeln!(out)?)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    /// The page of results and the chart of speed, which `charts.py` writes, are those of `results/`.
    #[test]
    fn the_page_and_the_chart_are_current() {
        let charts = in_repository("benchmarks/charts.py");
        let output = std::process::Command::new("python3")
            .arg(charts)
            .arg("--check")
            .output()
            .expect("python3");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
