//! The arguments of `attributes`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::ReadArgs;

/// Arguments of `attributes`.
#[derive(Debug, Args)]
pub struct AttributesArgs {
    /// Find the attributes of these texts [default: those of --input, or of standard input if it is piped].
    #[arg(value_name = "TEXT")]
    pub texts: Vec<String>,
    /// Find the attributes of the texts of this file; - is standard input. Repeat it, or quote a pattern such as
    /// 'products-*.csv', for several.
    #[arg(long, value_name = "FILE|-")]
    pub input: Vec<PathBuf>,
    /// Write to this file; - is standard output [default: standard output].
    #[arg(long, short, value_name = "FILE|-")]
    pub output: Option<PathBuf>,
    /// Write spans (a JSON object per text), or the rows of one input with a column for every label: csv, tsv or
    /// rows-jsonl [default: csv and tsv by the ending of the output's name, else spans].
    #[arg(
        long,
        value_name = "FORMAT",
        ignore_case = true,
        hide_possible_values = true
    )]
    pub output_format: Option<AttributesForm>,
    /// Leave out spans with a score below P, from 0 to 1.
    #[arg(long, value_name = "P", default_value_t = 0.0, value_parser = probability)]
    pub threshold: f32,
    /// Read the category of a text from this column: only labels that it had in training are found.
    #[arg(long, value_name = "NAME", requires = "columns")]
    pub category_column: Option<String>,
    /// Continue an interrupted run from its journal OUTPUT.partial.
    #[arg(long, requires = "output", conflicts_with = "restart")]
    pub resume: bool,
    /// Drop the journal of an interrupted run, and begin at the first row.
    #[arg(long, requires = "output")]
    pub restart: bool,
    /// Start at once, without reading the whole input for bad rows first.
    #[arg(long)]
    pub no_check: bool,
    /// The format and the columns of the input.
    #[command(flatten)]
    pub read: ReadArgs,
}

/// What `attributes` writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AttributesForm {
    /// A JSON object per text, with its spans
    Spans,
    /// The rows with columns added, as CSV
    Csv,
    /// The rows with columns added, as TSV
    Tsv,
    /// The rows with keys added, as JSON Lines
    RowsJsonl,
}

impl AttributesForm {
    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Spans => "spans",
            Self::Csv => "csv",
            Self::Tsv => "tsv",
            Self::RowsJsonl => "rows-jsonl",
        }
    }
}

fn probability(word: &str) -> Result<f32, String> {
    match word.parse::<f32>() {
        Ok(value) if (0.0..=1.0).contains(&value) => Ok(value),
        _ => Err("it must be a number from 0 to 1".to_owned()),
    }
}
