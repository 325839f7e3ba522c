//! The reports of several processes, one for each precision, as one document.

use std::io::Write;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::error::TaskError;

/// The report of `infer bench --json`. Numbers keep their digits.
#[derive(Deserialize)]
pub(super) struct Report {
    device: String,
    precision: String,
    threads: usize,
    rows: Vec<Box<RawValue>>,
    load_seconds: Box<RawValue>,
    peak_memory_bytes: Box<RawValue>,
}

#[derive(Serialize)]
struct Document {
    device: String,
    threads: usize,
    /// Of all precisions; each row names its own.
    rows: Vec<Box<RawValue>>,
    /// Figures of a process, and so of a precision.
    processes: Vec<Process>,
}

#[derive(Serialize)]
struct Process {
    precision: String,
    load_seconds: Box<RawValue>,
    peak_memory_bytes: Box<RawValue>,
}

/// Reads the report that a process printed.
pub(super) fn parse(title: &'static str, text: &str) -> Result<Report, TaskError> {
    serde_json::from_str(text).map_err(|source| TaskError::NoReport { title, source })
}

/// Prints them all as one.
pub(super) fn print(reports: Vec<Report>, out: &mut dyn Write) -> Result<(), TaskError> {
    let Some(first) = reports.first() else {
        return Ok(());
    };
    let mut document = Document {
        device: first.device.clone(),
        threads: first.threads,
        rows: Vec::new(),
        processes: Vec::new(),
    };
    for report in reports {
        document.rows.extend(report.rows);
        document.processes.push(Process {
            precision: report.precision,
            load_seconds: report.load_seconds,
            peak_memory_bytes: report.peak_memory_bytes,
        });
    }
    serde_json::to_writer_pretty(&mut *out, &document)
        .map_err(std::io::Error::from)
        .and_then(|()| writeln!(out))
        .map_err(|source| TaskError::Stdout { source })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn reports_become_one_with_all_rows() {
        let report = |precision: &str, seconds: f64, memory: Value| {
            let report = json!({
                "device": "cpu", "precision": precision, "threads": 2,
                "rows": [{"workload": "queries", "precision": precision, "seconds": seconds}],
                "load_seconds": seconds, "peak_memory_bytes": memory
            });
            parse("speed", &report.to_string()).unwrap()
        };
        let reports = vec![
            report("f32", 0.1, 640.into()),
            report("int8", 0.05, Value::Null),
        ];
        let mut out = Vec::new();
        print(reports, &mut out).unwrap();
        let document: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(
            document,
            json!({
                "device": "cpu", "threads": 2,
                "rows": [
                    {"workload": "queries", "precision": "f32", "seconds": 0.1},
                    {"workload": "queries", "precision": "int8", "seconds": 0.05}
                ],
                "processes": [
                    {"precision": "f32", "load_seconds": 0.1, "peak_memory_bytes": 640},
                    {"precision": "int8", "load_seconds": 0.05, "peak_memory_bytes": null}
                ]
            })
        );
    }

    #[test]
    fn a_text_that_is_no_report_is_an_error() {
        for text in ["", "workload texts", "{\"device\": \"cpu\"}"] {
            let error = parse("speed", text).err().unwrap();
            assert!(
                error.to_string().contains("`speed` printed no report"),
                "{error}"
            );
        }
    }
}
