//! Scores the model on the open data in `datasets/` and compares every figure with the one that
//! PyTorch (sentence-transformers) gives: `cargo run --release -p infer --example quality`.
//!
//! | part | what | figures |
//! | --- | --- | --- |
//! | `texts` | the vectors of 65 awkward texts against PyTorch's | smallest and mean cosine |
//! | `sts` | cosines of 1,879 sentence pairs against people's scores | Spearman, Pearson |
//! | `dbpedia` | 40 queries over 5,000 abstracts | nDCG@10 |
//! | `chorus` | 135 queries over 19,406 product titles, the longest | nDCG@10, MRR@10, recall@100 |
//!
//! Exit code 0 when all figures are equal to four decimals, 1 when one is not or something failed. In another
//! precision than float32 they need not be equal.

mod data;
mod error;
mod report;
mod score;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, ValueEnum};
use infer::{Failure, Terminal};
use model::{Device, Precision, SentenceEncoder, hub};

use error::QualityError;
use report::{Reference, Report};
use score::Scorer;

/// Score the model on open data and compare every figure with PyTorch's.
#[derive(Debug, Parser)]
#[command(name = "quality", max_term_width = 100)]
struct Arguments {
    /// auto, cpu, ndarray, wgpu[:N] or cuda[:N], among those this program was built with.
    #[arg(long, default_value = "auto")]
    device: Device,
    /// A model's name or folder; PyTorch's figures are those of the default one.
    #[arg(long, value_name = "NAME|DIR", default_value = hub::DEFAULT_MODEL)]
    model: String,
    /// f32 or another precision that the device computes in [default: as the model's file has it].
    #[arg(long)]
    precision: Option<Precision>,
    /// Run only this part; may be given again [default: all].
    #[arg(long = "part", value_name = "PART")]
    parts: Vec<Part>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// The parts, the quickest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    Texts,
    Sts,
    Dbpedia,
    Chorus,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut terminal = Terminal::new(false);
    match run(&arguments, &mut terminal) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            terminal.notes().error(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

/// Prints all figures and tells whether they are PyTorch's, or need not be.
fn run(arguments: &Arguments, terminal: &mut Terminal) -> Result<bool, QualityError> {
    model::threads::start(None).map_err(Failure::from)?;
    let start = Instant::now();
    let datasets = datasets();
    let reference = Reference::read(&datasets.join("quality.json"))?;
    let mut builder = SentenceEncoder::builder().device(arguments.device);
    if let Some(precision) = arguments.precision {
        builder = builder.precision(precision);
    }
    let encoder = builder.load(&arguments.model).map_err(Failure::from)?;
    let asked = |part: &Part| arguments.parts.is_empty() || arguments.parts.contains(part);

    let scorer = Scorer::new(&encoder, &datasets, terminal);
    let mut rows = Vec::new();
    for part in Part::value_variants().iter().filter(|part| asked(part)) {
        let figures = match part {
            Part::Texts => scorer.texts(&fixtures())?,
            Part::Sts => scorer.sts()?,
            Part::Dbpedia => scorer.dbpedia()?,
            Part::Chorus => scorer.chorus()?,
        };
        for figure in figures {
            rows.push(reference.compare(figure)?);
        }
    }

    let report = Report {
        model: arguments.model.clone(),
        device: encoder.device().to_string(),
        precision: encoder.precision().to_string(),
        seconds: start.elapsed().as_secs_f64(),
        all_equal: rows.iter().all(|row| row.equal),
        rows,
    };
    report.print(arguments.json, terminal)?;
    Ok(report.all_equal || encoder.precision() != Precision::Float32)
}

/// The data of this project, wherever the program is run from.
fn datasets() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../datasets")
}

/// What the tests of `model` hold vectors against.
fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/tests/fixtures")
}
