//! `bench`: texts a second for each file, model loaded, tokenisation included.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use model::{Precision, SentenceEncoder};
use records::{Format, Record};
use serde::Serialize;

use super::load;
use crate::catalogue::open;
use crate::cli::{BenchArgs, ModelArgs, ReadArgs, VectorArgs};
use crate::failure::Failure;
use crate::precision::PrecisionChoice;
use crate::terminal::Terminal;

/// A file of this name is encoded one text a call.
const SINGLES: &str = "singles";

#[derive(Serialize)]
struct Report {
    device: String,
    precision: String,
    threads: usize,
    rows: Vec<Row>,
    load_seconds: f64,
    peak_memory_bytes: Option<u64>,
}

#[derive(Serialize)]
struct Row {
    workload: String,
    texts: usize,
    seconds: f64,
    /// Of the first run, in which a GPU's kernels are compiled and tuned.
    seconds_cold: f64,
    texts_per_second: f64,
    precision: String,
    /// Smallest cosine between a text's vector and its float32 one.
    cosine_min: f64,
    cosine_mean: f64,
}

pub(super) fn run(
    model: &ModelArgs,
    args: &BenchArgs,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let lines = ReadArgs {
        format: Some(Format::Text),
        ..ReadArgs::default()
    };
    let mut workloads = Vec::new();
    for path in &args.files {
        let texts = open(path, &lines)?
            .map(|record| record.map(|record: Record| record.text()))
            .collect::<Result<Vec<String>, _>>()?;
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        workloads.push((name, texts));
    }
    let start = Instant::now();
    let encoder = load(model, VectorArgs::default(), terminal.notes())?;
    let load_seconds = start.elapsed().as_secs_f64();

    if !args.json {
        writeln!(
            terminal.out(),
            "{:14} {:>6} {:>9} {:>17}",
            "workload",
            "texts",
            "seconds",
            "texts_per_second"
        )?;
    }
    let mut rows = Vec::new();
    for (workload, texts) in &workloads {
        let one_a_call = workload == SINGLES;
        let (cold, best) = times(&encoder, texts, one_a_call, args.runs)?;
        let seconds = best.as_secs_f64();
        let row = Row {
            workload: workload.clone(),
            texts: texts.len(),
            seconds,
            seconds_cold: cold.as_secs_f64(),
            texts_per_second: texts.len() as f64 / seconds,
            precision: encoder.precision().to_string(),
            cosine_min: 1.0,
            cosine_mean: 1.0,
        };
        if !args.json {
            let Row {
                texts,
                texts_per_second,
                ..
            } = &row;
            writeln!(
                terminal.out(),
                "{workload:14} {texts:6} {seconds:9.3} {texts_per_second:17.1}"
            )?;
            terminal.flush()?;
        }
        rows.push(row);
    }
    // Before anything else is loaded.
    let peak_memory_bytes = peak_memory();
    if encoder.precision() != Precision::Float32 {
        compare(model, &encoder, &workloads, &mut rows, terminal)?;
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
        serde_json::to_writer_pretty(terminal.out(), &report)?;
        writeln!(terminal.out())?;
    } else {
        let memory = report.peak_memory_bytes.map_or_else(
            || "peak memory unknown on this system".to_owned(),
            |bytes| format!("peak memory {:.0} MB", bytes as f64 / 1e6),
        );
        let Report {
            device,
            precision,
            threads,
            ..
        } = &report;
        if encoder.precision() != Precision::Float32 {
            for row in &report.rows {
                let Row {
                    workload,
                    cosine_min,
                    cosine_mean,
                    ..
                } = row;
                writeln!(
                    terminal.out(),
                    "{workload:14} cosine to f32: smallest {cosine_min:.6}, mean {cosine_mean:.6}"
                )?;
            }
        }
        writeln!(
            terminal.out(),
            "{device}, {precision}, {threads} threads; model loaded in {load_seconds:.2} s; {memory}"
        )?;
    }
    Ok(())
}

/// How close the vectors are to those of float32.
fn compare(
    model: &ModelArgs,
    encoder: &SentenceEncoder,
    workloads: &[(String, Vec<String>)],
    rows: &mut [Row],
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let exact = ModelArgs {
        precision: PrecisionChoice::Exactly(Precision::Float32),
        ..model.clone()
    };
    let exact = load(&exact, VectorArgs::default(), terminal.notes())?;
    for (row, (_, texts)) in rows.iter_mut().zip(workloads) {
        let (ours, theirs) = (encoder.encode(texts)?, exact.encode(texts)?);
        let cosines: Vec<f64> = std::iter::zip(ours.rows(), theirs.rows())
            .map(|(ours, theirs)| cosine(ours, theirs))
            .collect();
        row.cosine_min = cosines.iter().copied().fold(1.0, f64::min);
        row.cosine_mean = cosines.iter().sum::<f64>() / cosines.len().max(1) as f64;
    }
    Ok(())
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        std::iter::zip(a, b)
            .map(|(a, b)| f64::from(*a) * f64::from(*b))
            .sum()
    };
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// The first run, and the best of several after it.
fn times(
    encoder: &SentenceEncoder,
    texts: &[String],
    one_a_call: bool,
    runs: u32,
) -> Result<(Duration, Duration), Failure> {
    let (mut cold, mut best) = (Duration::MAX, Duration::MAX);
    for run in 0..=runs {
        let start = Instant::now();
        if one_a_call {
            for text in texts {
                encoder.encode(std::slice::from_ref(text))?;
            }
        } else {
            encoder.encode(texts)?;
        }
        if run == 0 {
            cold = start.elapsed();
        } else {
            best = best.min(start.elapsed());
        }
    }
    Ok((cold, best))
}

/// The most memory that this process ever held, where the system says it (Linux: `VmHWM`).
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string(Path::new("/proc/self/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}
