//! The figures, as JSON or as tables.

use std::io::Write;

use serde::{Deserialize, Serialize};

use crate::error::BenchmarkError;
use crate::print_json;
use crate::roofline::{Bound, Peak};

/// All figures.
#[derive(Serialize)]
pub(crate) struct Report {
    pub(crate) model: String,
    pub(crate) device: String,
    pub(crate) sheets: Vec<Sheet>,
}

/// One precision on one number of threads.
#[derive(Serialize, Deserialize)]
pub(crate) struct Sheet {
    pub(crate) precision: String,
    pub(crate) threads: usize,
    /// Of the linear layers.
    pub(crate) weight_bytes: usize,
    pub(crate) peak: Peak,
    pub(crate) rates: Vec<Rate>,
    /// By length, then by number of texts; measured only on all threads.
    pub(crate) batches: Vec<BatchTime>,
}

/// Texts/s of a workload.
#[derive(Serialize, Deserialize)]
pub(crate) struct Rate {
    pub(crate) workload: String,
    pub(crate) texts: usize,
    pub(crate) texts_per_second: f64,
    /// At the roofline.
    pub(crate) roofline_texts_per_second: f64,
}

/// The time of a batch.
#[derive(Serialize, Deserialize)]
pub(crate) struct BatchTime {
    pub(crate) texts: usize,
    /// Tokens of each text.
    pub(crate) length: usize,
    pub(crate) milliseconds: f64,
    pub(crate) roofline_milliseconds: f64,
    pub(crate) bound: Bound,
    /// Achieved.
    pub(crate) operations_per_second: f64,
}

impl Report {
    pub(crate) fn print(&self, json: bool, out: &mut impl Write) -> Result<(), BenchmarkError> {
        if json {
            print_json(self, out)?;
        } else {
            self.print_tables(out)?;
        }
        Ok(out.flush()?)
    }

    fn print_tables(&self, out: &mut impl Write) -> std::io::Result<()> {
        writeln!(
            out,
            "{} on {}; the peak is that of the vector units in the precision of the linear layers (attention \
             has float32's), and `ratio` is the time over that of the roofline",
            self.model, self.device
        )?;
        for sheet in &self.sheets {
            sheet.print(out)?;
        }
        Ok(())
    }
}

impl Sheet {
    fn print(&self, out: &mut impl Write) -> std::io::Result<()> {
        writeln!(
            out,
            "\n{}, {} threads: peak {:.1} GOP/s ({:.1} in float32), memory streams at {:.1} GB/s, {:.0} MB of weights",
            self.precision,
            self.threads,
            self.peak.linear_operations_per_second / 1e9,
            self.peak.operations_per_second / 1e9,
            self.peak.streamed_bytes_per_second / 1e9,
            self.weight_bytes as f64 / 1e6,
        )?;
        writeln!(
            out,
            "{:<10} {:>6} {:>9} {:>9} {:>9}",
            "workload", "texts", "texts/s", "roofline", "ratio"
        )?;
        for rate in &self.rates {
            writeln!(
                out,
                "{:<10} {:>6} {:>9.1} {:>9.1} {:>9.2}",
                rate.workload,
                rate.texts,
                rate.texts_per_second,
                rate.roofline_texts_per_second,
                rate.roofline_texts_per_second / rate.texts_per_second,
            )?;
        }
        if self.batches.is_empty() {
            return Ok(());
        }
        writeln!(
            out,
            "{:>5} {:>6} {:>10} {:>11} {:>9} {:>8}  bound by",
            "texts", "tokens", "ms", "roofline ms", "ratio", "GOP/s"
        )?;
        for batch in &self.batches {
            writeln!(
                out,
                "{:>5} {:>6} {:>10.2} {:>11.2} {:>9.2} {:>8.1}  {}",
                batch.texts,
                batch.length,
                batch.milliseconds,
                batch.roofline_milliseconds,
                batch.milliseconds / batch.roofline_milliseconds,
                batch.operations_per_second / 1e9,
                match batch.bound {
                    Bound::Computing => "computing",
                    Bound::Reading => "reading weights",
                },
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sheet_is_a_table_and_comes_back_from_json() {
        let sheet = Sheet {
            precision: "f32".to_owned(),
            threads: 2,
            weight_bytes: 340_000_000,
            peak: Peak {
                operations_per_second: 3e11,
                linear_operations_per_second: 6e11,
                streamed_bytes_per_second: 2e10,
            },
            rates: vec![Rate {
                workload: "singles".to_owned(),
                texts: 64,
                texts_per_second: 20.0,
                roofline_texts_per_second: 50.0,
            }],
            batches: vec![BatchTime {
                texts: 8,
                length: 32,
                milliseconds: 300.0,
                roofline_milliseconds: 150.0,
                bound: Bound::Computing,
                operations_per_second: 1.5e11,
            }],
        };
        let sheet: Sheet = serde_json::from_str(&serde_json::to_string(&sheet).unwrap()).unwrap();
        let mut table = Vec::new();
        sheet.print(&mut table).unwrap();
        let table = String::from_utf8(table).unwrap();
        let words: Vec<Vec<&str>> = table
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(words[3], ["singles", "64", "20.0", "50.0", "2.50"]);
        assert_eq!(
            words[5],
            ["8", "32", "300.00", "150.00", "2.00", "150.0", "computing"]
        );
    }
}
