//! Our texts/s over those of other programs, from files that were measured before.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::{Deserialize, Serialize};

use crate::baselines::{Baselines, Comparison};
use crate::error::BenchmarkError;
use crate::{note, print_json};

/// Arguments of `compare`.
#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    /// Speeds of other programs, as python/baselines.py and python/pytorch_gpu.py write them
    #[arg(long, value_name = "FILE")]
    baselines: PathBuf,
    /// A report of `infer bench --json` or `cargo xtask bench --json`
    #[arg(value_name = "REPORT")]
    report: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A speed report, as far as it is compared.
#[derive(Deserialize)]
struct Report {
    threads: usize,
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    workload: String,
    precision: String,
    texts: usize,
    texts_per_second: f64,
}

/// A row of the report and its ratios.
#[derive(Serialize)]
struct Compared {
    workload: String,
    precision: String,
    texts_per_second: f64,
    /// `None` where no baseline has this workload and precision.
    #[serde(flatten)]
    comparison: Option<Comparison>,
}

pub(crate) fn run(arguments: &CompareArgs, out: &mut impl Write) -> Result<(), BenchmarkError> {
    let baselines = Baselines::read(&arguments.baselines)?;
    let report = read(&arguments.report)?;
    let (theirs, ours) = (baselines.threads(), report.threads);
    if theirs != ours {
        note(format_args!(
            "the baselines had {theirs} threads, the report has {ours}"
        ));
    }
    let rows = compare(report, &baselines)?;
    if arguments.json {
        return print_json(&rows, out);
    }
    Ok(print(&rows, out)?)
}

fn read(path: &Path) -> Result<Report, BenchmarkError> {
    let bytes = std::fs::read(path).map_err(|source| BenchmarkError::Io {
        path: path.to_owned(),
        source,
    })?;
    serde_json::from_slice(&bytes).map_err(|source| BenchmarkError::Json {
        path: path.to_owned(),
        source,
    })
}

fn compare(report: Report, baselines: &Baselines) -> Result<Vec<Compared>, BenchmarkError> {
    report
        .rows
        .into_iter()
        .map(|row| {
            baselines.check_workload(&row.workload, row.texts)?;
            let comparison = baselines.compare(&row.workload, &row.precision, row.texts_per_second);
            Ok(Compared {
                workload: row.workload,
                precision: row.precision,
                texts_per_second: row.texts_per_second,
                comparison,
            })
        })
        .collect()
}

fn print(rows: &[Compared], out: &mut impl Write) -> std::io::Result<()> {
    writeln!(
        out,
        "{:14} {:9} {:>9}  {:16} {:>9} {:>6}  mean cosine",
        "workload", "precision", "texts/s", "baseline", "texts/s", "ratio"
    )?;
    for row in rows {
        let ours = format!(
            "{:14} {:9} {:9.1}",
            row.workload, row.precision, row.texts_per_second
        );
        let Some(comparison) = &row.comparison else {
            writeln!(out, "{ours}  no baseline of this precision")?;
            continue;
        };
        for baseline in &comparison.baselines {
            writeln!(
                out,
                "{ours}  {:16} {:9.1} {:6.2}  {:.4}",
                baseline.program, baseline.texts_per_second, baseline.ratio, baseline.cosine_mean
            )?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// Runs `compare` on a report of two workloads and on baselines of one of them.
    fn compared(threads: usize, texts: usize, json: bool) -> Result<String, BenchmarkError> {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, value: Value| {
            let path = folder.path().join(name);
            std::fs::write(&path, value.to_string()).unwrap();
            path
        };
        let row = |program: &str, seconds: f64| {
            json!({
                "program": program, "workload": "queries", "texts": texts, "seconds": seconds,
                "texts_per_second": texts as f64 / seconds, "cosine_min": 1.0, "cosine_mean": 1.0
            })
        };
        let rows = [
            row("torch-f32", 1.0),
            row("ort-f32", 0.5),
            row("ort-int8", 0.1),
        ];
        let ours = |workload: &str| {
            json!({
                "workload": workload, "precision": "f32", "texts": 3, "texts_per_second": 9.0
            })
        };
        let arguments = CompareArgs {
            baselines: write("baselines.json", json!({"threads": threads, "rows": rows})),
            report: write(
                "report.json",
                json!({"device": "cpu", "threads": 2, "rows": [ours("queries"), ours("titles")]}),
            ),
            json,
        };
        let mut out = Vec::new();
        run(&arguments, &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    /// Three texts in 1 s and in 0.5 s are 3 and 6 texts/s; ours are 9.
    #[test]
    fn a_workload_is_compared_with_each_baseline_of_its_precision() {
        let rows: Value = serde_json::from_str(&compared(2, 3, true).unwrap()).unwrap();
        assert_eq!(rows[0]["fastest"], "ort-f32");
        assert_eq!(rows[0]["ratio_to_fastest"], 1.5);
        assert_eq!(rows[0]["baselines"][1]["program"], "torch-f32");
        assert_eq!(rows[0]["baselines"][1]["ratio"], 3.0);
        assert_eq!(rows[1]["workload"], "titles");
        assert_eq!(rows[1].get("baselines"), None);

        // The number of threads is noted and does not stop the comparison.
        let table = compared(3, 3, false).unwrap();
        let words: Vec<Vec<&str>> = table
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(words[1][3..6], ["ort-f32", "6.0", "1.50"]);
        assert_eq!(words[2][3..6], ["torch-f32", "3.0", "3.00"]);
        assert_eq!(words[3][0], "titles");
        assert!(!table.contains("int8"), "{table}");
    }

    #[test]
    fn baselines_of_other_texts_are_refused() {
        let message = compared(2, 4, false).unwrap_err().to_string();
        assert!(message.contains("rows[0].texts"), "{message}");
    }
}
