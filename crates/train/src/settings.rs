//! The settings of a run, complete and checked.

mod checks;
mod parts;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use model::hub::DEFAULT_MODEL;
use model::{Device, LowRankConfig};

use self::checks::{check_choices, check_sizes};
use self::parts::{activations, devices, objective, trained, usage};
use crate::data::{ColumnMap, RowKind, SamplerKind, TextTable};
use crate::error::TrainError;
use crate::losses::{Loss, Objective, TargetKind};
use crate::options::FitOptions;
use crate::step::Activations;
use crate::training::schedule::Decay;

/// Rows of a batch unless set.
const DEFAULT_BATCH_SIZE: usize = 32;

/// What a run does.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Files of training rows; empty for the seed's pairs.
    pub train: Vec<PathBuf>,
    /// Where validation rows come from.
    pub validation: Validation,
    /// What the columns are, where it was said.
    pub columns: Option<ColumnMap>,
    /// The column of groups.
    pub group_column: Option<String>,
    /// Whether rows that cannot be used are skipped.
    pub skip_bad_rows: bool,
    /// How batches are made.
    pub sampler: SamplerKind,
    /// Whether a last batch that is not full is left out.
    pub drop_last: bool,
    /// Threads that tokenize.
    pub workers: usize,

    /// Name or folder of the model.
    pub model: String,
    /// Of the model on the hub.
    pub revision: Option<String>,
    /// Whether nothing is fetched.
    pub offline: bool,
    /// Devices that share a batch; the first holds the optimiser.
    pub devices: Vec<Device>,
    /// The most tokens of a text.
    pub max_length: Option<usize>,
    /// Instead of what config.json says.
    pub dropout: Option<f64>,
    /// Which weights are trained.
    pub trained: Trained,

    /// What is minimised.
    pub objective: Objective,
    /// Passes over the rows.
    pub epochs: usize,
    /// The most optimiser steps.
    pub max_steps: Option<usize>,
    /// Rows of a batch.
    pub batch_size: NonZeroUsize,
    /// Texts of a chunk, where the batch is cached.
    pub mini_batch_size: Option<usize>,
    /// Batches of an optimiser step.
    pub accumulation: usize,
    /// Highest learning rate.
    pub learning_rate: f64,
    /// Share of the steps in which it rises.
    pub warmup: f64,
    /// How it goes on.
    pub decay: Decay,
    /// Of AdamW.
    pub weight_decay: f64,
    /// Largest norm of gradients.
    pub max_grad_norm: Option<f64>,
    /// What is kept between forward and backward pass.
    pub activations: Activations,
    /// Parts of a batch side by side on a device, where it was said.
    pub lanes: Option<usize>,
    /// Of everything random.
    pub seed: u64,

    /// Steps between validations.
    pub eval_steps: Option<usize>,
    /// Validations without a better score before the run stops.
    pub patience: Option<usize>,
    /// Steps between checkpoints; without it they come by the clock.
    pub save_steps: Option<usize>,
    /// Whether the last weights are kept rather than the best.
    pub keep_last: bool,
    /// A loss curve to draw beside.
    pub reference: Option<PathBuf>,
    /// Where the tuned model goes.
    pub output: Option<PathBuf>,
    /// The same settings as a user would write them, all of them.
    pub options: FitOptions,
}

/// Where validation rows come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Validation {
    /// Nowhere.
    None,
    /// Files.
    Files(Vec<PathBuf>),
    /// A share of the training rows.
    Split(f64),
}

/// Which weights are trained.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Trained {
    /// All.
    All,
    /// All above the embeddings and that many layers, which may be none.
    Above(usize),
    /// LoRA adapters; whether they are saved alone too.
    Adapters(LowRankConfig, bool),
}

impl Settings {
    /// Fills in what is not set, and checks what can be checked without files.
    ///
    /// # Errors
    ///
    /// [`TrainError::Usage`] names the setting that cannot be.
    pub fn resolve(mut options: FitOptions) -> Result<Self, TrainError> {
        check_choices(&options)?;
        let seed_pairs = options.train.is_empty();
        fill_in(&mut options, seed_pairs);
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
                    "{name} is a share, from 0 to below 1, not {value}"
                )))
            }
        };
        let positive = |name: &str, value: f64| {
            if value.is_finite() && value > 0.0 {
                Ok(value)
            } else {
                Err(TrainError::Usage(format!("{name} is above 0, not {value}")))
            }
        };
        let at_least_one = |name: &str, value: Option<usize>| match value {
            Some(0) => Err(TrainError::Usage(format!("{name} is at least 1"))),
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
            ("--lanes", options.lanes),
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
                        "{name} needs rows to validate with: give --valid FILE or --split 0.1"
                    )));
                }
            }
        }
        if options.group_column.is_some() && options.split.is_none() {
            return Err(TrainError::Usage(
                "--group-column says what a split keeps together: give --split 0.1 (not --valid), or leave it out"
                    .to_owned(),
            ));
        }
        // Each is a thread.
        if options
            .workers
            .is_some_and(|workers| workers > MOST_WORKERS)
        {
            return Err(TrainError::Usage(format!(
                "--workers is at most {MOST_WORKERS}"
            )));
        }
        if !seed_pairs && options.output.is_none() {
            return Err(TrainError::Usage(
                "give the folder for the tuned model: --output DIR".to_owned(),
            ));
        }
        let weight_decay = options.weight_decay.unwrap_or_default();
        if !(weight_decay.is_finite() && weight_decay >= 0.0) {
            return Err(TrainError::Usage(format!(
                "--weight-decay is at least 0, not {weight_decay}"
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
                .ok_or_else(|| TrainError::Usage("--batch-size is at least 1".to_owned()))?,
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
            lanes: options.lanes,
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

    /// Whether the loss can be taken of rows of that kind.
    ///
    /// # Errors
    ///
    /// [`TrainError::Usage`] says what the loss needs and what the rows are.
    pub fn check_kind(&self, kind: RowKind) -> Result<(), TrainError> {
        let loss = &self.objective.loss;
        let needs = loss.needs();
        let target = match kind {
            RowKind::Scored => TargetKind::Score,
            RowKind::Labelled => TargetKind::Label,
            _ => TargetKind::None,
        };
        let columns = kind.text_columns();
        // Labels are scores too: 0 and 1.
        let fits = match needs.target {
            TargetKind::Score => target != TargetKind::None,
            wanted => wanted == target,
        };
        if fits && needs.takes_columns(columns) {
            return Ok(());
        }
        Err(TrainError::Usage(format!(
            "--loss {} needs {needs}, and the rows have {columns} columns of text{}; name the \
             columns by --columns, or choose another loss (`train losses` lists them)",
            loss.name(),
            match target {
                TargetKind::None => String::new(),
                target => format!(" and a {target}"),
            },
        )))
    }

    /// Whether the scores are what the loss takes them for.
    ///
    /// # Errors
    ///
    /// [`TrainError::NoCosine`] names the first row whose score is to be a cosine and is none.
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

/// Threads that tokenise ahead.
const MOST_WORKERS: usize = 256;

/// The defaults, which for the seed's pairs are those of the project that these come from.
fn fill_in(options: &mut FitOptions, seed_pairs: bool) {
    let pick = |seed: f64, other: f64| Some(if seed_pairs { seed } else { other });
    let defaults = FitOptions {
        model: Some(DEFAULT_MODEL.to_owned()),
        loss: Some(
            if seed_pairs {
                "mse"
            } else {
                "multiple-negatives-ranking"
            }
            .to_owned(),
        ),
        epochs: Some(if seed_pairs { 10 } else { 1 }),
        lr: pick(1e-5, 2e-5),
        warmup: pick(0.0, 0.1),
        decay: Some(if seed_pairs {
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
