//! `bench`: texts/s for each file, with the model loaded and tokenization included.

mod report;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use model::{Precision, SentenceEncoder};
use program::Console;
use records::Format;

use super::load;
use crate::cli::{BenchArgs, ModelArgs, ReadArgs, VectorArgs};
use crate::error::Error;
use crate::input::open_texts;
use crate::precision::PrecisionChoice;
use report::{Report, Row, print_head};

/// A file of this name is encoded with one text per call.
const SINGLES: &str = "singles";

/// The name of a file and its texts, which are timed together.
type Workload = (String, Vec<String>);

pub(super) fn run(
    model: &ModelArgs,
    args: &BenchArgs,
    console: Console,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let workloads = read(&args.files)?;
    let start = Instant::now();
    let encoder = load(model, VectorArgs::default(), console)?;
    let load_seconds = start.elapsed().as_secs_f64();

    if !args.json {
        print_head(out)?;
    }
    let mut rows = Vec::new();
    for (workload, texts) in &workloads {
        let (seconds_cold, times) = times(&encoder, texts, workload == SINGLES, args.runs)?;
        let seconds = times.first().copied().unwrap_or_default();
        let (precision, texts_per_second) = (
            encoder.precision().to_string(),
            texts.len() as f64 / seconds,
        );
        let row = Row {
            workload: workload.clone(),
            texts: texts.len(),
            seconds,
            seconds_median: median(&times),
            seconds_cold,
            texts_per_second,
            precision,
            cosine_min: 1.0,
            cosine_mean: 1.0,
        };
        if !args.json {
            row.print(out)?;
            out.flush()?;
        }
        rows.push(row);
    }
    // Before the exact model is loaded, which is no part of the workload.
    let peak_memory_bytes = peak_memory();
    let is_exact = encoder.precision() == Precision::Float32;
    if !is_exact {
        compare(model, &encoder, &workloads, &mut rows, console)?;
    }
    let report = Report {
        device: encoder.device().to_string(),
        precision: encoder.precision().to_string(),
        threads: rayon::current_num_threads(),
        rows,
        load_seconds,
        peak_memory_bytes,
    };
    if args.json {
        serde_json::to_writer_pretty(&mut *out, &report)?;
        writeln!(out)?;
    } else {
        report.print_foot(is_exact, out)?;
    }
    Ok(())
}

fn read(files: &[PathBuf]) -> Result<Vec<Workload>, Error> {
    let lines = ReadArgs {
        format: Some(Format::Text),
        ..ReadArgs::default()
    };
    let mut workloads = Vec::new();
    for path in files {
        let texts = open_texts(std::slice::from_ref(path), &lines)?
            .map(|row| row.map(|row: records::Row| row.text()))
            .collect::<Result<Vec<String>, _>>()?;
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        workloads.push((name, texts));
    }
    Ok(workloads)
}

/// Adds the cosines between the vectors and those of float32.
fn compare(
    model: &ModelArgs,
    encoder: &SentenceEncoder,
    workloads: &[Workload],
    rows: &mut [Row],
    console: Console,
) -> Result<(), Error> {
    let mut exact = model.clone();
    exact.device.precision = PrecisionChoice::Exactly(Precision::Float32);
    let exact = load(&exact, VectorArgs::default(), console)?;
    for (row, (_, texts)) in rows.iter_mut().zip(workloads) {
        let (ours, theirs) = (encoder.encode(texts)?, exact.encode(texts)?);
        let cosines: Vec<f64> = std::iter::zip(ours.rows(), theirs.rows())
            .map(|(ours, theirs)| cosine(ours, theirs))
            .collect();
        row.cosine_min = smallest(&cosines);
        row.cosine_mean = cosines.iter().sum::<f64>() / cosines.len().max(1) as f64;
    }
    Ok(())
}

/// The smallest cosine; 1 without cosines, NaN if one is NaN (`f64::min` would drop it).
fn smallest(cosines: &[f64]) -> f64 {
    let smaller = |smallest: f64, cosine: f64| {
        if cosine < smallest || cosine.is_nan() {
            cosine
        } else {
            smallest
        }
    };
    cosines.iter().copied().fold(1.0, smaller)
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        std::iter::zip(a, b)
            .map(|(a, b)| f64::from(*a) * f64::from(*b))
            .sum()
    };
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// Seconds of the first run, and of the runs after it in ascending order.
fn times(
    encoder: &SentenceEncoder,
    texts: &[String],
    one_per_call: bool,
    runs: u32,
) -> Result<(f64, Vec<f64>), Error> {
    let mut cold = 0.0;
    let mut times = Vec::new();
    for run in 0..=runs {
        let start = Instant::now();
        if one_per_call {
            for text in texts {
                encoder.encode(std::slice::from_ref(text))?;
            }
        } else {
            encoder.encode(texts)?;
        }
        let seconds = start.elapsed().as_secs_f64();
        if run == 0 {
            cold = seconds;
        } else {
            times.push(seconds);
        }
    }
    times.sort_by(f64::total_cmp);
    Ok((cold, times))
}

/// The median of sorted times; 0 without times.
fn median(sorted: &[f64]) -> f64 {
    let middle = |index: usize| sorted.get(index).copied().unwrap_or_default();
    let upper = sorted.len() / 2;
    let lower = sorted.len().saturating_sub(1) / 2;
    f64::midpoint(middle(lower), middle(upper))
}

/// The peak memory of this process in bytes, where the system tells (Linux: `VmHWM`).
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string(Path::new("/proc/self/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::{median, smallest};

    #[test]
    fn a_nan_is_the_smallest_cosine() {
        assert_eq!(smallest(&[]), 1.0);
        assert_eq!(smallest(&[0.9, 0.5, 0.7]), 0.5);
        for cosines in [[f64::NAN, 0.5], [0.5, f64::NAN]] {
            assert!(smallest(&cosines).is_nan());
        }
    }

    #[test]
    fn the_median_is_the_middle_or_the_mean_of_two() {
        assert_eq!(median(&[]), 0.0);
        assert_eq!(median(&[3.0]), 3.0);
        assert_eq!(median(&[1.0, 2.0]), 1.5);
        assert_eq!(median(&[1.0, 2.0, 7.0]), 2.0);
        assert_eq!(median(&[1.0, 2.0, 7.0, 9.0]), 4.5);
    }
}
