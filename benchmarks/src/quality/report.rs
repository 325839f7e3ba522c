//! Figures, compared with PyTorch's.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::BenchmarkError;
use crate::print_json;

/// Half a unit of the fourth decimal.
const TOLERANCE: f64 = 5e-5;

/// A metric of a data set.
pub(crate) struct Figure {
    pub(crate) dataset: &'static str,
    pub(crate) metric: &'static str,
    pub(crate) value: f64,
    /// The reference, where it is not in PyTorch's file.
    pub(crate) known: Option<f64>,
}

/// PyTorch's figures, by data set and metric.
pub(crate) struct Reference {
    path: PathBuf,
    figures: BTreeMap<String, BTreeMap<String, f64>>,
}

impl Reference {
    pub(crate) fn read(path: &Path) -> Result<Self, BenchmarkError> {
        let bytes = std::fs::read(path).map_err(|source| BenchmarkError::Io {
            path: path.to_owned(),
            source,
        })?;
        let figures = serde_json::from_slice(&bytes).map_err(|source| BenchmarkError::Json {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self {
            path: path.to_owned(),
            figures,
        })
    }

    pub(crate) fn compare(&self, figure: Figure) -> Result<Row, BenchmarkError> {
        let Figure {
            dataset,
            metric,
            value,
            known,
        } = figure;
        let of_file = || self.figures.get(dataset)?.get(metric).copied();
        match known.or_else(of_file) {
            Some(reference) => {
                // A NaN, the value of an undefined metric, is equal to nothing.
                let equal = (value - reference).abs() < TOLERANCE;
                Ok(Row {
                    dataset,
                    metric,
                    measured: value,
                    reference,
                    equal,
                })
            }
            None => Err(BenchmarkError::NoReference {
                path: self.path.clone(),
                dataset,
                metric,
            }),
        }
    }
}

/// A figure and PyTorch's.
#[derive(Serialize)]
pub(crate) struct Row {
    dataset: &'static str,
    metric: &'static str,
    measured: f64,
    reference: f64,
    pub(crate) equal: bool,
}

/// All figures of a run.
#[derive(Serialize)]
pub(crate) struct Report {
    pub(crate) model: String,
    pub(crate) device: String,
    pub(crate) precision: String,
    pub(crate) seconds: f64,
    pub(crate) all_equal: bool,
    pub(crate) rows: Vec<Row>,
}

impl Report {
    pub(crate) fn print(&self, json: bool, out: &mut impl Write) -> Result<(), BenchmarkError> {
        if json {
            print_json(self, out)?;
        } else {
            self.print_table(out)?;
        }
        Ok(out.flush()?)
    }

    fn print_table(&self, out: &mut impl Write) -> std::io::Result<()> {
        writeln!(
            out,
            "{:<15} {:<16} {:>12} {:>12}  equal",
            "data", "metric", "measured", "PyTorch"
        )?;
        for row in &self.rows {
            let Row {
                dataset,
                metric,
                measured,
                reference,
                equal,
            } = row;
            // Counts of texts and queries are whole.
            let whole = reference.fract() == 0.0 && measured.fract() == 0.0;
            let decimals = if whole { 0 } else { 6 };
            let equal = if *equal { "yes" } else { "no" };
            write!(out, "{dataset:<15} {metric:<16} ")?;
            writeln!(
                out,
                "{measured:>12.decimals$} {reference:>12.decimals$}  {equal}"
            )?;
        }
        let Self {
            model,
            device,
            precision,
            seconds,
            ..
        } = self;
        writeln!(
            out,
            "{model} on {device}, {precision}, {seconds:.0} s; equal means equal to four decimals"
        )
    }
}
