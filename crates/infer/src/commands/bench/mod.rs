//! `bench`: texts a second for each file, model loaded, tokenisation included.

mod report;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use model::{Precision, SentenceEncoder};
use records::{Format, Row};

use super::load;
use crate::catalogue::open;
use crate::cli::{BenchArgs, ModelArgs, ReadArgs, VectorArgs};
use crate::failure::Failure;
use crate::peers::Peers;
use crate::precision::PrecisionChoice;
use crate::terminal::Terminal;
use report::{Report, Row, print_head};

/// A file of this name is encoded one text a call.
const SINGLES: &str = "singles";

/// Texts that are timed together, under their file's name.
type Workload = (String, Vec<String>);

pub(super) fn run(
    model: &ModelArgs,
    args: &BenchArgs,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let workloads = read(&args.files)?;
    let peers = peers(args, &workloads, terminal)?;
    let start = Instant::now();
    let encoder = load(model, VectorArgs::default(), terminal.notes())?;
    let load_seconds = start.elapsed().as_secs_f64();

    if !args.json {
        print_head(terminal.out())?;
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
            standing: peers
                .as_ref()
                .and_then(|peers| peers.standing(workload, &precision, texts_per_second)),
            precision,
            cosine_min: 1.0,
            cosine_mean: 1.0,
        };
        if !args.json {
            row.print(terminal.out())?;
            terminal.flush()?;
        }
        rows.push(row);
    }
    // Before anything else is loaded.
    let peak_memory_bytes = peak_memory();
    let is_exact = encoder.precision() == Precision::Float32;
    if !is_exact {
        compare(model, &encoder, &workloads, &mut rows, terminal)?;
    }
    let report = Report {
        device: encoder.device().to_string(),
        precision: encoder.precision().to_string(),
        threads: rayon::current_num_threads(),
        peer_threads: peers.as_ref().map(Peers::threads),
        rows,
        load_seconds,
        peak_memory_bytes,
    };
    if args.json {
        serde_json::to_writer_pretty(terminal.out(), &report)?;
        writeln!(terminal.out())?;
    } else {
        report.print_foot(is_exact, terminal.out())?;
    }
    Ok(())
}

fn read(files: &[PathBuf]) -> Result<Vec<Workload>, Failure> {
    let lines = ReadArgs {
        format: Some(Format::Text),
        ..ReadArgs::default()
    };
    let mut workloads = Vec::new();
    for path in files {
        let texts = open(path, &lines)?
            .map(|record| record.map(|record: Row| record.text()))
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

/// The peers to compare with, if there are any: they are looked at before anything takes time.
fn peers(
    args: &BenchArgs,
    workloads: &[Workload],
    terminal: &Terminal,
) -> Result<Option<Peers>, Failure> {
    let Some(path) = &args.peers else {
        return Ok(None);
    };
    let peers = Peers::read(path)?;
    for (workload, texts) in workloads {
        peers.check_workload(workload, texts.len())?;
    }
    let (theirs, ours) = (peers.threads(), rayon::current_num_threads());
    if theirs != ours {
        terminal.notes().note(format_args!(
            "the peers were timed on {theirs} threads, this program has {ours}: give --threads {theirs} to compare"
        ));
    }
    Ok(Some(peers))
}

/// How close the vectors are to those of float32.
fn compare(
    model: &ModelArgs,
    encoder: &SentenceEncoder,
    workloads: &[Workload],
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
        row.cosine_min = smallest(&cosines);
        row.cosine_mean = cosines.iter().sum::<f64>() / cosines.len().max(1) as f64;
    }
    Ok(())
}

/// The smallest, 1 of none; not a number where one is not (`f64::min` would pass over it).
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

/// Seconds of the first run, and those of several after it, the best first.
fn times(
    encoder: &SentenceEncoder,
    texts: &[String],
    one_a_call: bool,
    runs: u32,
) -> Result<(f64, Vec<f64>), Failure> {
    let mut cold = 0.0;
    let mut times = Vec::new();
    for run in 0..=runs {
        let start = Instant::now();
        if one_a_call {
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

/// The middle one of sorted times, or the mean of the two in the middle; 0 of none.
fn median(sorted: &[f64]) -> f64 {
    let middle = |index: usize| sorted.get(index).copied().unwrap_or_default();
    let upper = sorted.len() / 2;
    let lower = sorted.len().saturating_sub(1) / 2;
    f64::midpoint(middle(lower), middle(upper))
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

#[cfg(test)]
mod tests {
    use super::{median, smallest};

    #[test]
    fn a_cosine_that_is_no_number_is_not_passed_over() {
        assert_eq!(smallest(&[]), 1.0);
        assert_eq!(smallest(&[0.9, 0.5, 0.7]), 0.5);
        for cosines in [[f64::NAN, 0.5], [0.5, f64::NAN]] {
            assert!(smallest(&cosines).is_nan());
        }
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&[]), 0.0);
        assert_eq!(median(&[3.0]), 3.0);
        assert_eq!(median(&[1.0, 2.0]), 1.5);
        assert_eq!(median(&[1.0, 2.0, 7.0]), 2.0);
        assert_eq!(median(&[1.0, 2.0, 7.0, 9.0]), 4.5);
    }
}
