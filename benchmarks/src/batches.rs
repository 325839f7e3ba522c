//! What the batches of a GPU cost by the model of `model::parts::BatchCost`: no GPU is needed.

use std::io::Write;

use clap::Args;
use model::hub::{self, DEFAULT_MODEL, HubOptions};
use model::parts::{BatchCost, BatchLimit, padded_length, plan_batches};
use model::{Checkpoint, ModelError};
use serde::Serialize;

use crate::error::BenchmarkError;
use crate::print_json;
use crate::scaling::texts;

/// The workloads of many texts.
const WORKLOADS: [&str; 3] = ["queries", "titles", "descriptions"];

/// Arguments of `batches`.
#[derive(Debug, Args)]
pub(crate) struct BatchesArgs {
    /// A model's name or folder: its tokenizer is used
    #[arg(long, default_value = DEFAULT_MODEL)]
    model: String,
    /// The most tokens of a batch, padding included
    #[arg(long, default_value_t = 32_768)]
    batch_tokens: usize,
    /// Milliseconds of a batch, however small it is
    #[arg(long, value_name = "MS", default_value_t = BatchCost::GPU.batch * 1e3)]
    per_batch: f64,
    /// Microseconds of each token
    #[arg(long, value_name = "US", default_value_t = BatchCost::GPU.token * 1e6)]
    per_token: f64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A workload in batches that are as full as possible, or that cost least.
#[derive(Serialize)]
struct Row {
    workload: &'static str,
    plan: &'static str,
    texts: usize,
    batches: usize,
    tokens: usize,
    padded_tokens: usize,
    /// Padded over real tokens.
    padding: f64,
    modelled_seconds: f64,
    modelled_texts_per_second: f64,
}

pub(crate) fn run(arguments: &BatchesArgs, out: &mut impl Write) -> Result<(), BenchmarkError> {
    let found = hub::resolve(&arguments.model, &HubOptions::default()).map_err(ModelError::from)?;
    let tokenizer = Checkpoint::open(&found.path)?.tokenizer()?;
    let cost = BatchCost {
        batch: arguments.per_batch * 1e-3,
        token: arguments.per_token * 1e-6,
    };
    let limit = BatchLimit {
        tokens: arguments.batch_tokens,
        texts: usize::MAX,
    };
    let mut rows = Vec::new();
    for workload in WORKLOADS {
        let lengths = texts::lengths(&tokenizer, &texts::workload(workload)?)?;
        let padded: Vec<usize> = lengths
            .iter()
            .map(|&length| padded_length(length, tokenizer.max_length()))
            .collect();
        for (plan, planned_for) in [("full", None), ("cheapest", Some(cost))] {
            let tokens = lengths.iter().sum();
            rows.push(row(
                workload,
                plan,
                &padded,
                tokens,
                limit,
                cost,
                planned_for,
            ));
        }
    }
    if arguments.json {
        return print_json(&rows, out);
    }
    writeln!(
        out,
        "{:<14}{:<10}{:>8}{:>10}{:>9}{:>11}{:>10}",
        "workload", "plan", "batches", "tokens", "padding", "seconds", "texts/s"
    )?;
    for row in &rows {
        writeln!(
            out,
            "{:<14}{:<10}{:>8}{:>10}{:>9.3}{:>11.4}{:>10.0}",
            row.workload,
            row.plan,
            row.batches,
            row.padded_tokens,
            row.padding,
            row.modelled_seconds,
            row.modelled_texts_per_second,
        )?;
    }
    Ok(())
}

fn row(
    workload: &'static str,
    plan: &'static str,
    padded: &[usize],
    tokens: usize,
    limit: BatchLimit,
    cost: BatchCost,
    planned_for: Option<BatchCost>,
) -> Row {
    let batches = plan_batches(padded, limit, planned_for);
    // The first text of a batch is its longest.
    let shapes = batches.iter().map(|batch| {
        let length = batch.first().map_or(0, |&text| padded[text]);
        (batch.len(), length)
    });
    let shapes: Vec<(usize, usize)> = shapes.collect();
    let padded_tokens = shapes.iter().map(|(texts, length)| texts * length).sum();
    let seconds: f64 = shapes
        .iter()
        .map(|&(texts, length)| cost.seconds(texts, length))
        .sum();
    Row {
        workload,
        plan,
        texts: padded.len(),
        batches: batches.len(),
        tokens,
        padded_tokens,
        padding: padded_tokens as f64 / tokens.max(1) as f64,
        modelled_seconds: seconds,
        modelled_texts_per_second: padded.len() as f64 / seconds,
    }
}
