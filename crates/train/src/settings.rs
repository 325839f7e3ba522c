//! Settings of a run, complete and checked.

mod checks;
mod parts;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use model::Device;
use model::hub::DEFAULT_MODEL;
use model::parts::LowRankConfig;

use self::checks::{check_choices, check_sizes};
use self::parts::{activations, devices, objective, trained, usage};
use crate::data::{ColumnMap, RowKind, SamplerKind, TextTable};
use crate::error::TrainError;
use crate::losses::{Loss, Objective, TargetKind};
use crate::options::FitOptions;
use crate::step::Activations;
use crate::training::schedule::Decay;

/// Default number of rows per batch.
const DEFAULT_BATCH_SIZE: usize = 32;

/// Settings of a run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Files of training rows; empty for the demo pairs.
    pub train: Vec<PathBuf>,
    /// Source of the validation rows.
    pub validation: Validation,
    /// Roles of the columns, if given.
    pub columns: Option<ColumnMap>,
    /// Column of the groups.
    pub group_column: Option<String>,
    /// Whether to skip unusable rows.
    pub skip_bad_rows: bool,
    /// How rows form batches.
    pub sampler: SamplerKind,
    /// Whether to drop the last incomplete batch.
    pub drop_last: bool,
    /// Number of tokenizer threads, 1 to 16.
    pub workers: usize,

    /// Name or folder of the model.
    pub model: String,
    /// Revision of the model on the hub.
    pub revision: Option<String>,
    /// Whether to download nothing.
    pub offline: bool,
    /// Devices that share a batch; the first holds the optimiser.
    pub devices: Vec<Device>,
    /// Maximum number of tokens per text; `None` for the model's.
    pub max_length: Option<usize>,
    /// Dropout probability, in `[0, 1)`; `None` for that of config.json.
    pub dropout: Option<f64>,
    /// Weights to train.
    pub trained: Trained,

    /// Loss to minimise.
    pub objective: Objective,
    /// Passes over the training rows, at least 1.
    pub epochs: usize,
    /// Maximum number of optimiser steps.
    pub max_steps: Option<usize>,
    /// Rows per batch.
    pub batch_size: NonZeroUsize,
    /// Texts per micro-batch of GradCache; `None` without GradCache.
    pub mini_batch_size: Option<usize>,
    /// Batches per optimiser step, at least 1.
    pub accumulation: usize,
    /// Peak learning rate, above 0.
    pub learning_rate: f64,
    /// Share of the steps in which the learning rate rises, in `[0, 1)`. The number of steps is rounded up, as in
    /// transformers.
    pub warmup: f64,
    /// Learning rate after the warm-up.
    pub decay: Decay,
    /// Weight decay of AdamW, 0 or above.
    pub weight_decay: f64,
    /// Norm to which gradients are clipped; `None` disables clipping.
    pub max_grad_norm: Option<f64>,
    /// Activations kept between the forward and the backward pass.
    pub activations: Activations,
    /// Model replicas per device; `None` for the default of the device.
    pub replicas: Option<usize>,
    /// Random seed.
    pub seed: u64,

    /// Optimiser steps between validations.
    pub eval_steps: Option<usize>,
    /// Validations without a better score after which the run stops.
    pub patience: Option<usize>,
    /// Optimiser steps between checkpoints; `None` for one every five minutes.
    pub save_steps: Option<usize>,
    /// Whether to keep the last weights instead of the best.
    pub keep_last: bool,
    /// Loss curve to draw next to the run's.
    pub reference: Option<PathBuf>,
    /// Folder for the tuned model.
    pub output: Option<PathBuf>,
    /// All of these settings as a user would write them.
    pub options: FitOptions,
}

/// Source of the validation rows.
#[derive(Clone, Debug, PartialEq)]
pub enum Validation {
    /// No validation.
    None,
    /// Files.
    Files(Vec<PathBuf>),
    /// A share of the training rows, in `(0, 1)`.
    Split(f64),
}

/// Weights to train.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Trained {
    /// All weights.
    All,
    /// All weights above the embeddings and this number of lowest layers.
    Above(usize),
    /// LoRA adapters, and whether to also save them in a separate folder.
    Adapters(LowRankConfig, bool),
}

impl Settings {
    /// Fills in defaults and checks everything that needs no file.
    ///
    /// # Errors
    ///
    /// [`TrainError::Usage`] names the invalid setting.
    pub fn resolve(mut options: FitOptions) -> Result<Self, TrainError> {
        check_choices(&options)?;
        let demo_pairs = options.train.is_empty();
        fill_in(&mut options, demo_pairs);
        let objective = objective(&mut options)?;
        let needs = objective.loss.needs();

        let sampler = match &options.sampler {
            Some(name) => usage("--sampler", name.parse())?,
            None if needs.in_batch_negatives => SamplerKind::NoDuplicates,
            None => SamplerKind::Shuffle,
        };
        options.sampler = Some(sampler.to_string());
        let columns = options
            .columns
            .as_ref()
            .map(|columns| usage("--columns", columns.parse()))
            .transpose()?;
        let devices = devices(&options)?;
        let trained = trained(&mut options)?;

        let share = |name: &str, value: f64| {
            if (0.0..1.0).contains(&value) {
                Ok(value)
            } else {
                Err(TrainError::Usage(format!(
                    "{name} must be from 0 to below 1, not {value}"
                )))
            }
        };
        let positive = |name: &str, value: f64| {
            if value.is_finite() && value > 0.0 {
                Ok(value)
            } else {
                Err(TrainError::Usage(format!(
                    "{name} must be above 0, not {value}"
                )))
            }
        };
        let at_least_one = |name: &str, value: Option<usize>| match value {
            Some(0) => Err(TrainError::Usage(format!("{name} must be at least 1"))),
            value => Ok(value),
        };
        for (name, value) in [
            ("--epochs", options.epochs),
            ("--max-steps", options.max_steps),
            ("--accumulation", options.accumulation),
            ("--mini-batch-size", options.mini_batch_size),
            ("--eval-steps", options.eval_steps),
            ("--save-steps", options.save_steps),
            ("--patience", options.patience),
            ("--workers", options.workers),
            ("--replicas", options.replicas),
            ("--max-length", options.max_length),
        ] {
            at_least_one(name, value)?;
        }
        check_sizes(&options)?;
        let validation = match (options.valid.as_slice(), options.split) {
            ([], None) => Validation::None,
            ([], Some(part)) => Validation::Split(positive("--split", share("--split", part)?)?),
            (files, _) => Validation::Files(files.to_vec()),
        };
        if validation == Validation::None {
            for (name, set) in [
                ("--patience", options.patience.is_some()),
                ("--eval-steps", options.eval_steps.is_some()),
            ] {
                if set {
                    return Err(TrainError::Usage(format!(
                        "{name} needs validation rows: give --valid FILE or --split 0.1"
                    )));
                }
            }
        }
        if options.group_column.is_some() && options.split.is_none() {
            return Err(TrainError::Usage(
                "--group-column needs --split, for example --split 0.1: give it instead of --valid, or leave --group-column out"
                    .to_owned(),
            ));
        }
        // Each worker is a thread.
        if options
            .workers
            .is_some_and(|workers| workers > MOST_WORKERS)
        {
            return Err(TrainError::Usage(format!(
                "--workers must be at most {MOST_WORKERS}"
            )));
        }
        if !demo_pairs && options.output.is_none() {
            return Err(TrainError::Usage(
                "give a folder for the tuned model: --output DIR".to_owned(),
            ));
        }
        let weight_decay = options.weight_decay.unwrap_or_default();
        if !(weight_decay.is_finite() && weight_decay >= 0.0) {
            return Err(TrainError::Usage(format!(
                "--weight-decay must be at least 0, not {weight_decay}"
            )));
        }
        let max_grad_norm = match options.max_grad_norm {
            None | Some(0.0) => None,
            Some(norm) => Some(positive("--max-grad-norm", norm)?),
        };
        Ok(Self {
            validation,
            columns,
            sampler,
            devices,
            trained,
            objective,
            batch_size: options
                .batch_size
                .and_then(NonZeroUsize::new)
                .ok_or_else(|| TrainError::Usage("--batch-size must be at least 1".to_owned()))?,
            learning_rate: positive("--lr", options.lr.unwrap_or_default())?,
            warmup: share("--warmup", options.warmup.unwrap_or_default())?,
            dropout: options
                .dropout
                .map(|dropout| share("--dropout", dropout))
                .transpose()?,
            weight_decay,
            max_grad_norm,
            activations: activations(&options),
            train: options.train.clone(),
            group_column: options.group_column.clone(),
            skip_bad_rows: options.skip_bad_rows.unwrap_or_default(),
            drop_last: options.drop_last.unwrap_or_default(),
            workers: options.workers.unwrap_or(1),
            model: options.model.clone().unwrap_or_default(),
            revision: options.revision.clone(),
            offline: options.offline.unwrap_or_default(),
            max_length: options.max_length,
            epochs: options.epochs.unwrap_or(1),
            max_steps: options.max_steps,
            mini_batch_size: options.mini_batch_size,
            accumulation: options.accumulation.unwrap_or(1),
            decay: options.decay.unwrap_or_default(),
            replicas: options.replicas,
            seed: options.seed.unwrap_or_default(),
            eval_steps: options.eval_steps,
            patience: options.patience,
            save_steps: options.save_steps,
            keep_last: options.keep_last.unwrap_or_default(),
            reference: options.reference.clone(),
            output: options.output.clone(),
            options,
        })
    }

    /// Checks that the loss accepts rows of this kind.
    ///
    /// # Errors
    ///
    /// [`TrainError::Usage`] names the columns that the loss needs and those of the rows.
    pub fn check_kind(&self, kind: RowKind) -> Result<(), TrainError> {
        let loss = &self.objective.loss;
        let needs = loss.needs();
        let target = match kind {
            RowKind::Scored => TargetKind::Score,
            RowKind::Labelled => TargetKind::Label,
            RowKind::ScoredTuples { negatives, scores } if scores == negatives => {
                TargetKind::Margins
            }
            RowKind::ScoredTuples { .. } => TargetKind::Scores,
            RowKind::Pairs | RowKind::Tuples { .. } => TargetKind::None,
        };
        let columns = kind.text_columns();
        // Labels are scores too: 0 and 1.
        let fits = match needs.target {
            TargetKind::Score => matches!(target, TargetKind::Score | TargetKind::Label),
            TargetKind::Margins => matches!(target, TargetKind::Scores | TargetKind::Margins),
            // A guide embeds the texts.
            TargetKind::Vectors => target == TargetKind::None,
            wanted => wanted == target,
        };
        if fits && needs.takes_columns(columns) {
            return Ok(());
        }
        Err(TrainError::Usage(format!(
            "--loss {} needs {needs}, but the rows have {columns} text columns{}; assign columns with \
             --columns, or choose another loss (`train losses` lists them)",
            loss.name(),
            match target {
                TargetKind::None => String::new(),
                target => format!(" and {target}"),
            },
        )))
    }

    /// Checks that the scores are in the range of the loss.
    ///
    /// # Errors
    ///
    /// [`TrainError::NoCosine`] names the first row whose score is not a cosine though the loss needs
    /// one.
    pub fn check_scores(&self, table: &TextTable) -> Result<(), TrainError> {
        if self.objective.loss != Loss::CosineSimilarity {
            return Ok(());
        }
        for row in table.rows() {
            if let Some(score) = row.target().filter(|score| score.abs() > 1.0) {
                return Err(TrainError::NoCosine {
                    file: row.file().cloned(),
                    line: row.line(),
                    score,
                });
            }
        }
        Ok(())
    }
}

/// Maximum number of tokenizer threads. Each tokenizes its batch on all threads of the CPU, so more only wait.
const MOST_WORKERS: usize = 16;

/// Fills in defaults. Those of the demo pairs keep the results of earlier releases.
fn fill_in(options: &mut FitOptions, demo_pairs: bool) {
    let pick = |demo: f64, other: f64| Some(if demo_pairs { demo } else { other });
    let defaults = FitOptions {
        model: Some(DEFAULT_MODEL.to_owned()),
        loss: Some(
            if demo_pairs {
                "mse"
            } else {
                "multiple-negatives-ranking"
            }
            .to_owned(),
        ),
        epochs: Some(if demo_pairs { 10 } else { 1 }),
        lr: pick(1e-5, 2e-5),
        warmup: pick(0.0, 0.1),
        decay: Some(if demo_pairs {
            Decay::Constant
        } else {
            Decay::Linear
        }),
        batch_size: Some(DEFAULT_BATCH_SIZE),
        accumulation: Some(1),
        weight_decay: Some(0.01),
        max_grad_norm: Some(1.0),
        workers: Some(1),
        seed: Some(42),
        checkpointing: Some(false),
        drop_last: Some(false),
        skip_bad_rows: Some(false),
        keep_last: Some(false),
        ..FitOptions::default()
    };
    *options = std::mem::take(options).or(defaults);
    if options.device.is_none() && options.devices.is_none() {
        options.device = Some("auto".to_owned());
    }
}

#[cfg(test)]
mod tests;
