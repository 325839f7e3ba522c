//! The settings of a run, complete and checked.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use model::hub::DEFAULT_MODEL;
use model::{Device, LowRankConfig};

use crate::data::{ColumnMap, RowKind, SamplerKind};
use crate::error::TrainError;
use crate::losses::{Loss, Matryoshka, Objective, TargetKind};
use crate::options::FitOptions;
use crate::step::Activations;
use crate::training::schedule::Decay;

/// Rows of a batch unless set.
const DEFAULT_BATCH_SIZE: usize = 32;

/// Name of the cached form of ranking losses in sentence-transformers.
const CACHED: &str = "cached-";

/// Texts held at a time in the cached form unless set (sentence-transformers' default).
const DEFAULT_MINI_BATCH: usize = 32;

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
    /// Of everything random.
    pub seed: u64,

    /// Steps between validations.
    pub eval_steps: Option<usize>,
    /// Validations without a better score before the run stops.
    pub patience: Option<usize>,
    /// Steps between checkpoints.
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
    /// All above the embeddings and that many layers.
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
        ] {
            at_least_one(name, value)?;
        }
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
}

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

fn usage<T, E: std::fmt::Display>(flag: &str, result: Result<T, E>) -> Result<T, TrainError> {
    result.map_err(|error| TrainError::Usage(format!("{flag}: {error}")))
}

fn objective(options: &mut FitOptions) -> Result<Objective, TrainError> {
    let name = options.loss.clone().unwrap_or_default();
    let plain = match name.strip_prefix(CACHED) {
        Some(plain) => {
            options.mini_batch_size.get_or_insert(DEFAULT_MINI_BATCH);
            plain
        }
        None => &name,
    };
    let mut loss: Loss = usage("--loss", plain.parse())?;
    if let Some(scale) = options.scale {
        loss = usage("--scale", loss.with_scale(scale))?;
    }
    if let Some(margin) = options.margin {
        loss = usage("--margin", loss.with_margin(margin))?;
    }
    options.scale = loss.scale();
    options.margin = loss.margin();
    let mut objective = Objective::new(loss);
    if !options.matryoshka.is_empty() {
        let mut matryoshka = Matryoshka::new(options.matryoshka.clone());
        if !options.matryoshka_weights.is_empty() {
            matryoshka.weights = options.matryoshka_weights.clone();
        }
        objective = objective.with_matryoshka(matryoshka);
    } else if !options.matryoshka_weights.is_empty() {
        return Err(TrainError::Usage(
            "--matryoshka-weights needs --matryoshka with the dimensions".to_owned(),
        ));
    }
    Ok(objective)
}

fn devices(options: &FitOptions) -> Result<Vec<Device>, TrainError> {
    let parse = |flag: &str, name: &str| usage(flag, name.trim().parse::<Device>());
    match (&options.devices, &options.device) {
        (Some(list), _) => {
            let devices = list
                .split(',')
                .map(|name| parse("--devices", name))
                .collect::<Result<Vec<_>, _>>()?;
            let kind = |device: &Device| std::mem::discriminant(device);
            let auto = devices.contains(&Device::Auto);
            if auto || devices.windows(2).any(|two| kind(&two[0]) != kind(&two[1])) {
                return Err(TrainError::Usage(
                    "--devices are all of one kind, as cuda:0,cuda:1".to_owned(),
                ));
            }
            Ok(devices)
        }
        (None, Some(name)) => Ok(vec![parse("--device", name)?]),
        (None, None) => Ok(vec![Device::Auto]),
    }
}

fn trained(options: &mut FitOptions) -> Result<Trained, TrainError> {
    let seed = options.seed.unwrap_or_default();
    match (options.lora, options.freeze) {
        (Some(_), Some(_)) => Err(TrainError::Usage(
            "--lora leaves all weights as they are: --freeze has no meaning beside it".to_owned(),
        )),
        (Some(0), None) => Err(TrainError::Usage("--lora is at least 1".to_owned())),
        (Some(rank), None) => {
            let alpha = *options.lora_alpha.get_or_insert(2.0 * rank as f64);
            if !(alpha.is_finite() && alpha > 0.0) {
                return Err(TrainError::Usage(format!(
                    "--lora-alpha is above 0, not {alpha}"
                )));
            }
            let config = LowRankConfig { rank, alpha, seed };
            let alone = *options.save_adapter.get_or_insert(false);
            Ok(Trained::Adapters(config, alone))
        }
        (None, _) if options.lora_alpha.is_some() || options.save_adapter == Some(true) => Err(
            TrainError::Usage("--lora-alpha and --save-adapter need --lora RANK".to_owned()),
        ),
        (None, Some(layers)) if layers > 0 => Ok(Trained::Above(layers)),
        (None, _) => Ok(Trained::All),
    }
}

fn activations(options: &FitOptions) -> Activations {
    let layers = options.checkpointing == Some(true);
    match (options.mini_batch_size.is_some(), layers) {
        (false, false) => Activations::Kept,
        (false, true) => Activations::LayerInputs,
        (true, false) => Activations::Forgotten,
        (true, true) => Activations::ForgottenAndLayerInputs,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(change: impl FnOnce(&mut FitOptions)) -> Result<Settings, TrainError> {
        let mut options = FitOptions {
            train: vec!["pairs.tsv".into()],
            output: Some("tuned".into()),
            ..FitOptions::default()
        };
        change(&mut options);
        Settings::resolve(options)
    }

    #[track_caller]
    fn refused(change: impl FnOnce(&mut FitOptions), word: &str) {
        match resolve(change) {
            Err(TrainError::Usage(message)) => assert!(message.contains(word), "{message}"),
            other => panic!("{word}: {other:?}"),
        }
    }

    #[test]
    fn without_arguments_the_seed_is_trained_as_it_was() {
        let settings = Settings::resolve(FitOptions::default()).unwrap();
        assert_eq!(settings.objective.loss, Loss::MeanSquaredError);
        assert_eq!(settings.learning_rate, 1e-5);
        assert_eq!((settings.warmup, settings.decay), (0.0, Decay::Constant));
        assert_eq!(settings.model, DEFAULT_MODEL);
    }

    #[test]
    fn files_are_trained_with_negatives_of_the_batch_and_no_text_twice() {
        let settings = resolve(|_| ()).unwrap();
        assert_eq!(settings.sampler, SamplerKind::NoDuplicates);
        assert_eq!(settings.activations, Activations::Kept);
        let needs = settings.objective.loss.needs();
        assert!(needs.in_batch_negatives);
    }

    #[test]
    fn the_cached_form_holds_a_part_of_the_batch() {
        let settings = resolve(|options| {
            options.loss = Some("cached-multiple-negatives-ranking".to_owned());
        })
        .unwrap();
        assert_eq!(settings.mini_batch_size, Some(DEFAULT_MINI_BATCH));
        assert_eq!(settings.activations, Activations::Forgotten);
        assert!(settings.objective.loss.needs().in_batch_negatives);
    }

    #[test]
    fn resolved_settings_resolve_to_themselves() {
        let settings = resolve(|options| {
            options.lora = Some(8);
            options.matryoshka = vec![64];
        })
        .unwrap();
        let again = Settings::resolve(settings.options.clone()).unwrap();
        assert_eq!(again.options, settings.options);
    }

    #[test]
    fn what_cannot_be_is_named() {
        refused(|options| options.output = None, "--output");
        refused(|options| options.loss = Some("mnlr".to_owned()), "--loss");
        refused(|options| options.batch_size = Some(0), "--batch-size");
        refused(|options| options.lr = Some(-1.0), "--lr");
        refused(|options| options.lr = Some(f64::NAN), "--lr");
        refused(|options| options.warmup = Some(1.0), "--warmup");
        refused(|options| options.patience = Some(2), "--valid");
        refused(|options| options.epochs = Some(0), "--epochs");
        refused(|options| options.margin = Some(1.0), "--margin");
        refused(
            |options| {
                options.lora = Some(4);
                options.freeze = Some(2);
            },
            "--freeze",
        );
        refused(
            |options| options.devices = Some("cuda:0,wgpu:1".to_owned()),
            "one kind",
        );
        refused(|options| options.save_adapter = Some(true), "--lora");
    }

    #[test]
    fn a_loss_that_does_not_fit_the_rows_says_what_it_needs() {
        let settings = resolve(|options| options.loss = Some("cosent".to_owned())).unwrap();
        assert!(settings.check_kind(RowKind::Scored).is_ok());
        assert!(settings.check_kind(RowKind::Labelled).is_ok());
        let message = settings.check_kind(RowKind::Pairs).unwrap_err().to_string();
        assert!(message.contains("score"), "{message}");
    }
}
