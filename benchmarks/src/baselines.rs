//! The speeds of other programs on the same texts, and our ratio to each.
//!
//! `python/baselines.py` and `python/pytorch_gpu.py` write them as JSON: `threads`, and `rows` with
//! the keys `program`, `workload`, `texts`, `seconds` (of one pass over all texts), `texts_per_second`,
//! `cosine_min` and `cosine_mean` (of the program's vectors to the exact ones). A program's name ends
//! in its precision: `torch-f32`, `openvino-int8`. Ratios are formed within a precision only.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// How the name of a program can end.
const PRECISIONS: [&str; 4] = ["f32", "f16", "bf16", "int8"];

/// Texts/s are written with one decimal, and may be off by half of that; seconds are rounded too.
const ROUNDING: f64 = 0.051;
const SHARE: f64 = 0.01;

/// The speeds of other programs on some workloads.
#[derive(Clone, Debug)]
pub struct Baselines {
    path: PathBuf,
    threads: usize,
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct File {
    threads: usize,
    rows: Vec<Row>,
}

#[derive(Clone, Debug, Deserialize)]
struct Row {
    program: String,
    workload: String,
    texts: usize,
    seconds: f64,
    texts_per_second: f64,
    cosine_min: f64,
    cosine_mean: f64,
}

/// Why baselines cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BaselinesError {
    /// The file cannot be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The file is not the JSON it should be. The message begins with the field, where one is at
    /// fault.
    #[error("{}: no speeds of baselines: {source}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: serde_path_to_error::Error<serde_json::Error>,
    },
    /// The value of a field is impossible, or belongs to other texts.
    #[error("{}: field `{field}`: {reason}", path.display())]
    Field {
        /// The file.
        path: PathBuf,
        /// The field.
        field: String,
        /// The reason.
        reason: String,
    },
}

/// Our speed over those of the baselines of our precision, on one workload.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Comparison {
    /// All of them, the fastest first.
    pub baselines: Vec<BaselineRatio>,
    /// The fastest.
    pub fastest: String,
    /// Our speed over that of the fastest.
    pub ratio_to_fastest: f64,
}

/// Our speed over that of one baseline.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct BaselineRatio {
    /// Its name.
    pub program: String,
    /// Its speed.
    pub texts_per_second: f64,
    /// Our speed over its speed.
    pub ratio: f64,
    /// Mean cosine of its vectors to the exact ones.
    pub cosine_mean: f64,
}

impl Row {
    /// Texts/s, more exact than the number with one decimal.
    fn speed(&self) -> f64 {
        self.texts as f64 / self.seconds
    }

    /// The precision that the name ends in.
    fn precision(&self) -> Option<&'static str> {
        let (_, end) = self.program.rsplit_once('-')?;
        PRECISIONS.into_iter().find(|precision| *precision == end)
    }

    /// The first field with an impossible value, and the reason.
    fn fault(&self) -> Option<(&'static str, String)> {
        let of = |field, value: f64, is_good: bool, should: &str| {
            (!is_good).then(|| (field, format!("{value} is not {should}")))
        };
        let cosine = |field, value: f64| {
            // Rounded, the cosine of a vector with itself can come out above 1.
            of(field, value, value.abs() <= 1.001, "a cosine")
        };
        if self.precision().is_none() {
            let (name, ends) = (
                &self.program,
                PRECISIONS.map(|end| format!("-{end}")).join(", "),
            );
            return Some((
                "program",
                format!("`{name}` does not end in a precision ({ends})"),
            ));
        }
        if self.texts == 0 {
            return Some(("texts", "no texts were encoded".to_owned()));
        }
        let is_time = self.seconds.is_finite() && self.seconds > 0.0;
        let near = (self.speed() - self.texts_per_second).abs() <= ROUNDING + SHARE * self.speed();
        of("seconds", self.seconds, is_time, "a time above 0")
            .or_else(|| {
                let should = format!("{} texts in {} s", self.texts, self.seconds);
                of("texts_per_second", self.texts_per_second, near, &should)
            })
            .or_else(|| cosine("cosine_min", self.cosine_min))
            .or_else(|| cosine("cosine_mean", self.cosine_mean))
    }
}

impl Baselines {
    /// Reads and checks a file of speeds.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or a field is missing, of another kind or impossible; the error names
    /// the file and the field.
    pub fn read(path: &Path) -> Result<Self, BaselinesError> {
        let bytes = std::fs::read(path).map_err(|source| BaselinesError::Io {
            path: path.to_owned(),
            source,
        })?;
        let mut json = serde_json::Deserializer::from_slice(&bytes);
        let failed = |source| BaselinesError::Json {
            path: path.to_owned(),
            source,
        };
        let File { threads, rows } = serde_path_to_error::deserialize(&mut json).map_err(failed)?;
        let whole = json.end();
        whole.map_err(|source| {
            failed(serde_path_to_error::Error::new(
                serde_path_to_error::Track::new().path(),
                source,
            ))
        })?;
        let baselines = Self {
            path: path.to_owned(),
            threads,
            rows,
        };
        baselines.check()?;
        Ok(baselines)
    }

    fn check(&self) -> Result<(), BaselinesError> {
        if self.threads == 0 {
            return Err(self.fault("threads".to_owned(), "no thread computes".to_owned()));
        }
        for (index, row) in self.rows.iter().enumerate() {
            if let Some((field, reason)) = row.fault() {
                return Err(self.fault_in_row(index, field, reason));
            }
            let before = self.rows[..index].iter().position(|other| {
                (&other.program, &other.workload) == (&row.program, &row.workload)
            });
            if let Some(before) = before {
                let reason = format!(
                    "`{}` has a time for {} in rows[{before}] already",
                    row.program, row.workload
                );
                return Err(self.fault_in_row(index, "workload", reason));
            }
        }
        Ok(())
    }

    fn fault(&self, field: String, reason: String) -> BaselinesError {
        BaselinesError::Field {
            path: self.path.clone(),
            field,
            reason,
        }
    }

    fn fault_in_row(&self, index: usize, field: &str, reason: String) -> BaselinesError {
        self.fault(format!("rows[{index}].{field}"), reason)
    }

    /// Number of threads of the baselines.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Checks that the baselines' workload of that name has as many texts as ours.
    ///
    /// # Errors
    ///
    /// When it has another number of texts.
    pub fn check_workload(&self, workload: &str, texts: usize) -> Result<(), BaselinesError> {
        for (index, row) in self.rows.iter().enumerate() {
            if row.workload == workload && row.texts != texts {
                let reason = format!(
                    "{workload} had {} texts when `{}` was timed, and has {texts} in the report",
                    row.texts, row.program
                );
                return Err(self.fault_in_row(index, "texts", reason));
            }
        }
        Ok(())
    }

    /// The ratios of `texts_per_second`; `None` without a baseline of the precision.
    #[must_use]
    pub fn compare(
        &self,
        workload: &str,
        precision: &str,
        texts_per_second: f64,
    ) -> Option<Comparison> {
        let mut baselines: Vec<BaselineRatio> = self
            .rows
            .iter()
            .filter(|row| row.workload == workload && row.precision() == Some(precision))
            .map(|row| BaselineRatio {
                program: row.program.clone(),
                texts_per_second: row.speed(),
                ratio: texts_per_second / row.speed(),
                cosine_mean: row.cosine_mean,
            })
            .collect();
        baselines.sort_by(|one, other| one.ratio.total_cmp(&other.ratio));
        let fastest = baselines.first()?;
        Some(Comparison {
            fastest: fastest.program.clone(),
            ratio_to_fastest: fastest.ratio,
            baselines,
        })
    }
}

#[cfg(test)]
mod tests;
