//! The quality of the real model, compared with PyTorch (sentence-transformers).
//!
//! | part | data | figures |
//! | --- | --- | --- |
//! | `texts` | the vectors of 65 edge-case texts and PyTorch's | smallest and mean cosine |
//! | `sts` | cosines of 1,879 sentence pairs and people's scores | Spearman, Pearson |
//! | `dbpedia` | 40 queries over 5,000 abstracts | nDCG@10 |
//! | `chorus` | 135 queries over 19,406 product titles, the longest part | nDCG@10, MRR@10, recall@100 |
//!
//! `train`'s evaluators compute all figures of the last three parts, as `train evaluate` prints them.
//! PyTorch's are in `results/pytorch/quality.json`. A figure counts as equal to four decimals; in
//! another precision than float32 the figures need not be equal.

mod data;
mod edge_cases;
mod report;

use std::io::Write;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use model::{Device, Precision, SentenceEncoder, hub, threads};

use crate::error::BenchmarkError;
use crate::{in_repository, note};
use report::{Figure, Reference, Report};

/// How often a log shows progress.
const NOTE_INTERVAL: Duration = Duration::from_secs(30);

/// Arguments of `quality`.
#[derive(Debug, Args)]
pub(crate) struct QualityArgs {
    /// auto, cpu, ndarray, wgpu[:N] or cuda[:N], among those this program was built with
    #[arg(long, default_value = "auto")]
    device: Device,
    /// A model's name or folder; PyTorch's figures are those of the default one
    #[arg(long, value_name = "NAME|DIR", default_value = hub::DEFAULT_MODEL)]
    model: String,
    /// f32 or another precision that the device computes in [default: that of the model's file]
    #[arg(long)]
    precision: Option<Precision>,
    /// Run only this part; repeatable [default: all]
    #[arg(long = "part", value_name = "PART")]
    parts: Vec<Part>,
    /// Print JSON
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

/// Prints all figures and tells whether they are PyTorch's, or need not be.
pub(crate) fn run(arguments: &QualityArgs, out: &mut impl Write) -> Result<bool, BenchmarkError> {
    threads::start(None)?;
    let start = Instant::now();
    let reference = Reference::read(&in_repository("benchmarks/results/pytorch/quality.json"))?;
    let mut builder = SentenceEncoder::builder().device(arguments.device);
    if let Some(precision) = arguments.precision {
        builder = builder.precision(precision);
    }
    let encoder = builder.load(&arguments.model)?;

    let is_chosen = |part: &Part| arguments.parts.is_empty() || arguments.parts.contains(part);
    let mut rows = Vec::new();
    for part in Part::value_variants().iter().filter(|part| is_chosen(part)) {
        let figures = match part {
            Part::Texts => edge_cases::figures(&encoder)?,
            Part::Sts => open_data(&encoder, data::sts)?,
            Part::Dbpedia => open_data(&encoder, data::dbpedia)?,
            Part::Chorus => open_data(&encoder, data::chorus)?,
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
    report.print(arguments.json, out)?;
    Ok(report.all_equal || encoder.precision() != Precision::Float32)
}

/// Runs the evaluations of a data set and takes the figures that PyTorch's file has.
fn open_data(
    encoder: &SentenceEncoder,
    evaluations: fn() -> Result<Vec<data::Evaluation>, BenchmarkError>,
) -> Result<Vec<Figure>, BenchmarkError> {
    let mut figures = Vec::new();
    for evaluation in evaluations()? {
        let mut last_note = Instant::now();
        let scores = evaluation
            .evaluator
            .evaluate_with_progress(encoder, &mut |progress| {
                if last_note.elapsed() >= NOTE_INTERVAL {
                    last_note = Instant::now();
                    let (done, total) = (progress.done, progress.total);
                    note(format_args!(
                        "{}: {done} of {total} texts",
                        evaluation.dataset
                    ));
                }
                ControlFlow::Continue(())
            })?;
        figures.extend(evaluation.counts());
        for &(metric, of_scores) in evaluation.metrics {
            figures.push(Figure {
                dataset: evaluation.dataset,
                metric,
                value: scores.get(of_scores).unwrap_or(f64::NAN),
                known: None,
            });
        }
    }
    Ok(figures)
}
