//! Settings of `train fit`, `train rerank` and `train tag`: one type for the command line, config files and `training.toml`.
//!
//! clap has the names, ranges, defaults and conflicts of all settings. A config file becomes arguments that are put before
//! those of the command line ([`Given`]), so that the same rules hold for both. `Settings`
//! adds what follows from several of them.

mod given;
mod numbers;
mod of_tagger;

use std::path::{Path, PathBuf};

use clap::{ArgAction, Args, ValueEnum};
use model::hub::DEFAULT_MODEL;
use model::{Device, Precision};
use serde::{Serialize, Serializer};

pub(crate) use self::given::{Given, GivenForReranker};
pub(crate) use self::given::{as_arguments, options_of_encoder};
use self::numbers::{
    MOST, above_0, from_0, from_zero, share, share_above_0, weight_of_rows, workers,
};
pub(crate) use self::numbers::{at_least_one, share_to_1};
pub(crate) use self::of_tagger::{GivenForTagger, TAGGER_DEFAULTS};
use crate::data::{ColumnMap, LabelColumn, SamplerKind, TaggedOptions};
use crate::error::TrainError;
use crate::train::schedule::Decay;

/// Settings of `train fit`, `train rerank` and `train tag`. In a config file each setting has the name of its flag without the leading dashes.
#[derive(Clone, Debug, PartialEq, Args, Serialize)]
#[command(args_override_self = true)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct FitConfig {
    /// Read training rows from FILE: CSV, TSV, JSON or Parquet, compressed or not except
    /// Parquet; or from a folder of Parquet files, as Hugging Face stores a dataset. Repeat for
    /// several files [default: the five demo pairs].
    #[arg(long, value_name = "FILE", help_heading = DATA)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub train: Vec<PathBuf>,
    /// Use the rows of each --train file W times per epoch, in the order of the files: 2 is every row
    /// twice, 0.5 another half in each epoch [default: 1 each].
    #[arg(long, value_name = "W,...", value_delimiter = ',', value_parser = weight_of_rows, help_heading = DATA)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub train_weights: Vec<f64>,
    /// Read validation rows from FILE. Scores use every row; the validation loss uses at most 16
    /// batches, and only rows the loss accepts.
    #[arg(long, value_name = "FILE", help_heading = DATA)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub valid: Vec<PathBuf>,
    /// Use this share of the training rows for validation, above 0 and below 1.
    #[arg(long, value_name = "SHARE", value_parser = share_above_0, conflicts_with = "valid", help_heading = DATA)]
    pub split: Option<f64>,
    /// Keep rows with the same value in this column on the same side of a split.
    #[arg(long, value_name = "NAME", help_heading = DATA)]
    pub group_column: Option<String>,
    /// Assign columns to roles, for example anchor=query,positive=description. Roles: anchor,
    /// positive, negative, score, label. A validation file without these columns uses its own
    /// names [default: by name, else by order].
    #[arg(long, value_name = "ROLE=NAME,...", help_heading = DATA)]
    #[serde(serialize_with = "as_text")]
    pub columns: Option<ColumnMap>,
    /// Make spans of the values of a column of a product file, where its text has them: brand, or
    /// colour=COLUMN for a column with another name. Repeat for several labels. What a row does not state
    /// is left open [default: the spans of JSON Lines or CoNLL].
    #[arg(long, value_name = "LABEL[=COLUMN]", help_heading = DATA)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub label: Vec<LabelColumn>,
    /// Read the text of a product file from this column [default: title].
    #[arg(long, value_name = "NAME", help_heading = DATA)]
    pub column: Option<String>,
    /// Read the category of a product from this column: its texts then have only labels that it has in
    /// training.
    #[arg(long, value_name = "NAME", help_heading = DATA)]
    pub category_column: Option<String>,
    /// Take attributes that a row of JSON Lines does not state as absent, not as unknown.
    #[arg(long, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value_t = false, hide_default_value = true, value_name = "BOOL", help_heading = DATA)]
    pub complete: bool,
    /// Make a row of every distinct text of every text column, for embed-distill. Files may be plain
    /// text, one per line.
    #[arg(long, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value_t = false, hide_default_value = true, value_name = "BOOL", help_heading = DATA)]
    pub texts: bool,
    /// Skip and count unusable rows instead of stopping at the first.
    #[arg(long, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value_t = false, hide_default_value = true, value_name = "BOOL", help_heading = DATA)]
    pub skip_bad_rows: bool,
    /// Form batches by shuffle, sequential, length (rows of similar length), no-duplicates (no
    /// text twice in a batch) or length-no-duplicates [default: no-duplicates for losses with
    /// in-batch negatives, else shuffle].
    #[arg(long, value_name = "NAME", value_enum, hide_possible_values = true, help_heading = DATA)]
    pub sampler: Option<SamplerKind>,
    /// Drop every batch that is not full.
    #[arg(long, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value_t = false, hide_default_value = true, value_name = "BOOL", help_heading = DATA)]
    pub drop_last: bool,
    /// Use N threads to tokenize ahead, 1 to 16.
    #[arg(long, value_name = "N", value_parser = workers(), default_value_t = 1, help_heading = DATA)]
    pub workers: usize,

    /// Start from this model: a name on the Hugging Face hub or a folder.
    #[arg(long, value_name = "NAME|DIR", env = "MPNET_BURN_MODEL", hide_env_values = true, default_value = DEFAULT_MODEL, help_heading = MODEL)]
    pub model: String,
    /// Use this branch, tag or commit of the model on the hub.
    #[arg(long, value_name = "REV", help_heading = MODEL)]
    pub revision: Option<String>,
    /// Use only files that are already on this machine, as HF_HUB_OFFLINE=1 does.
    #[arg(long, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value_t = false, hide_default_value = true, value_name = "BOOL", help_heading = MODEL)]
    pub offline: bool,
    /// Compute on auto, cpu, ndarray, wgpu, wgpu:N, cuda or cuda:N, among those compiled in.
    /// Several devices of one kind split each batch: cuda:0,cuda:1.
    #[arg(long, visible_alias = "devices", value_name = "DEVICE,...", env = "MPNET_BURN_DEVICE", hide_env_values = true, value_delimiter = ',', default_value = "auto", help_heading = MODEL)]
    #[serde(serialize_with = "as_list")]
    pub device: Vec<Device>,
    /// Truncate texts to N tokens, in training and in the tuned model [default: the model's].
    #[arg(long, value_name = "N", value_parser = at_least_one(), help_heading = MODEL)]
    pub max_length: Option<usize>,
    /// Put this text before every anchor, in training and in the tuned model [default: the model's
    /// prompt for queries].
    #[arg(long, value_name = "TEXT", help_heading = MODEL)]
    pub query_prompt: Option<String>,
    /// Put this text before every other text [default: the model's prompt for documents].
    #[arg(long, value_name = "TEXT", help_heading = MODEL)]
    pub document_prompt: Option<String>,
    /// Set the dropout probability, from 0 to below 1 [default: the model's config.json].
    #[arg(long, value_name = "P", value_parser = share, help_heading = MODEL)]
    pub dropout: Option<f64>,
    /// Keep only these layers of the model, counted from 0, for example 0,4,8,11.
    #[arg(long, value_name = "N,...", value_delimiter = ',', value_parser = from_zero(), help_heading = MODEL)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<usize>,
    /// Freeze the embeddings and the lowest N layers; 0 freezes only the embeddings.
    #[arg(long, value_name = "N", value_parser = from_zero(), help_heading = MODEL)]
    pub freeze: Option<usize>,
    /// Train only LoRA adapters of this rank on the attention projections. Use a higher --lr, 1e-4
    /// or more.
    #[arg(long, value_name = "RANK", value_parser = at_least_one(), conflicts_with = "freeze", help_heading = MODEL)]
    pub lora: Option<usize>,
    /// Scale the adapters by ALPHA / RANK [default: twice the rank].
    #[arg(long, value_name = "ALPHA", value_parser = above_0, help_heading = MODEL)]
    pub lora_alpha: Option<f64>,
    /// Also save the adapters in their own folder, in the format of PEFT.
    #[arg(long, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value_t = false, hide_default_value = true, value_name = "BOOL", help_heading = MODEL)]
    pub save_adapter: bool,

    /// Minimise this loss; `train losses` lists them. The demo pairs use mse.
    #[arg(long, value_name = "NAME", default_value = "multiple-negatives-ranking", help_heading = LOSS)]
    pub loss: String,
    /// Hide false negatives (gist) or copy the vectors (embed-distill) of this model: a name on the hub
    /// or a folder. It embeds all rows before the first step. Repeat for several: their cosines are averaged.
    #[arg(long, value_name = "NAME|DIR", help_heading = LOSS)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub guide: Vec<String>,
    /// Weight the cosines of each of several guides or teachers by W, in their order [default: 1 each].
    #[arg(long, value_name = "W,...", value_delimiter = ',', value_parser = above_0, help_heading = LOSS)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub guide_weights: Vec<f64>,
    /// Compute the guide's vectors in f32, bf16, f16 (GPU) or int8 [default: the precision of its
    /// file].
    #[arg(long, value_name = "NAME", value_parser = |name: &str| name.parse::<Precision>(), help_heading = LOSS)]
    #[serde(serialize_with = "as_text")]
    pub guide_precision: Option<Precision>,
    /// Multiply cosines by X in ranking losses and CoSENT [default: 20; 100 for gist, 1 for margin-mse
    /// and kl-divergence].
    #[arg(long, value_name = "X", help_heading = LOSS)]
    pub scale: Option<f64>,
    /// Set the margin of contrastive and triplet losses and of gist [default: 0.5; 5 for
    /// triplet-euclidean, 0 for gist].
    #[arg(long, value_name = "X", help_heading = LOSS)]
    pub margin: Option<f64>,
    /// Take N texts of other rows of the batch as further negatives of each row, drawn at random
    /// [default: 4 for multiple-negatives-ranking, 0 for binary-cross-entropy].
    #[arg(long, value_name = "N", value_parser = from_zero(), help_heading = LOSS)]
    pub negatives: Option<usize>,
    /// Also train the first N dimensions of the vectors, for each N of the list (Matryoshka).
    #[arg(long, value_name = "N,...", value_delimiter = ',', value_parser = at_least_one(), help_heading = LOSS)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub matryoshka: Vec<usize>,
    /// Weight the loss of each of these dimensions by X [default: 1 each].
    #[arg(long, value_name = "X,...", value_delimiter = ',', help_heading = LOSS)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub matryoshka_weights: Vec<f64>,

    /// What is trained.
    #[arg(long, value_enum, default_value = "encoder", hide = true)]
    #[serde(skip_serializing_if = "Task::is_encoder")]
    pub task: Task,

    /// Pass N times over the training rows, 10 times over the demo pairs.
    #[arg(long, value_name = "N", value_parser = at_least_one(), default_value_t = 1, help_heading = TRAINING)]
    pub epochs: usize,
    /// Stop after N optimiser steps.
    #[arg(long, value_name = "N", value_parser = at_least_one(), help_heading = TRAINING)]
    pub max_steps: Option<usize>,
    /// Put N rows into a batch.
    #[arg(long, value_name = "N", value_parser = at_least_one(), default_value_t = 32, help_heading = TRAINING)]
    pub batch_size: usize,
    /// Hold the activations of only N texts at a time and compute them twice (GradCache): large
    /// batches in little memory.
    #[arg(long, value_name = "N", value_parser = at_least_one(), help_heading = TRAINING)]
    pub mini_batch_size: Option<usize>,
    /// Average the gradients of N batches per optimiser step.
    #[arg(long, value_name = "N", value_parser = at_least_one(), default_value_t = 1, help_heading = TRAINING)]
    pub accumulation: usize,
    /// Set the peak learning rate; 1e-5 for the demo pairs.
    #[arg(long, value_name = "X", value_parser = above_0, default_value = "2e-5", help_heading = TRAINING)]
    pub lr: f64,
    /// Raise the learning rate from 0 during this share of the steps, from 0 to below 1; 0 for the demo pairs.
    #[arg(long, value_name = "SHARE", value_parser = share, default_value = "0.1", help_heading = TRAINING)]
    pub warmup: f64,
    /// Change the learning rate after the warm-up: linear falls to 0, constant stays. The demo pairs use constant.
    #[arg(long, value_name = "NAME", value_enum, default_value = "linear", help_heading = TRAINING)]
    pub decay: Decay,
    /// Set the weight decay of AdamW; biases and LayerNorms have none.
    #[arg(long, value_name = "X", value_parser = from_0, default_value = "0.01", help_heading = TRAINING)]
    pub weight_decay: f64,
    /// Clip the gradients of a step to this norm; 0 disables clipping.
    #[arg(long, value_name = "X", value_parser = from_0, default_value = "1", help_heading = TRAINING)]
    pub max_grad_norm: f64,
    /// Keep only the input of each layer and compute each layer twice: less memory, more time.
    #[arg(long, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value_t = false, hide_default_value = true, value_name = "BOOL", help_heading = TRAINING)]
    pub checkpointing: bool,
    /// Use N model replicas per device. Each needs its own gradient buffer; changing N changes the
    /// result [default: 2 on a CPU, 1 on a GPU].
    #[arg(long, alias = "lanes", value_name = "N", value_parser = at_least_one(), help_heading = TRAINING)]
    pub replicas: Option<usize>,
    /// Seed the order of rows, dropout and adapters.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(0..=MOST), default_value_t = 42, help_heading = TRAINING)]
    pub seed: u64,

    /// Validate every N optimiser steps, in addition to the end of each epoch.
    #[arg(long, value_name = "N", value_parser = at_least_one(), help_heading = OUTPUT)]
    pub eval_steps: Option<usize>,
    /// Stop after N validations without a better score.
    #[arg(long, value_name = "N", value_parser = at_least_one(), help_heading = OUTPUT)]
    pub patience: Option<usize>,
    /// Write a checkpoint every N optimiser steps and after the last step [default: every five
    /// minutes].
    #[arg(long, value_name = "N", value_parser = at_least_one(), help_heading = OUTPUT)]
    pub save_steps: Option<usize>,
    /// Keep the weights of the last step instead of those of the best checkpoint.
    #[arg(long, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value_t = false, hide_default_value = true, value_name = "BOOL", help_heading = OUTPUT)]
    pub keep_last: bool,
    /// Draw this loss curve next to the run's: JSON with the key `loss_mean_of_10`.
    #[arg(long, value_name = "FILE", help_heading = OUTPUT)]
    pub reference: Option<PathBuf>,
    /// Write the tuned model, its card, metrics.jsonl and report.html into this folder.
    #[arg(long, value_name = "DIR", help_heading = OUTPUT)]
    pub output: Option<PathBuf>,
}

/// What a run trains.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Task {
    /// A model that gives texts vectors.
    #[default]
    Encoder,
    /// A model that gives pairs of texts scores.
    Reranker,
    /// A model that gives texts spans with labels.
    Tagger,
}

impl Task {
    fn is_encoder(&self) -> bool {
        *self == Self::Encoder
    }
}

const DATA: &str = "Data";
const MODEL: &str = "Model";
const LOSS: &str = "Loss";
const TRAINING: &str = "Training";
const OUTPUT: &str = "Validation and output";

impl FitConfig {
    /// How the rows of a tagger are read.
    #[must_use]
    pub(crate) fn tagged_options(&self) -> TaggedOptions {
        TaggedOptions {
            labels: self.label.clone(),
            column: self.column.clone(),
            category_column: self.category_column.clone(),
            complete: self.complete,
            skip_bad_rows: self.skip_bad_rows,
        }
    }

    /// The same settings with absolute paths of files and of a model folder.
    #[must_use]
    pub(crate) fn with_absolute_paths(mut self) -> Self {
        let files = self.train.iter_mut().chain(&mut self.valid);
        for path in files.chain(&mut self.reference) {
            if let Some(absolute) = absolute(path) {
                *path = absolute.into();
            }
        }
        for model in std::iter::once(&mut self.model).chain(&mut self.guide) {
            let folder = Path::new(model.as_str());
            if let Some(absolute) = Some(folder)
                .filter(|folder| folder.is_dir())
                .and_then(absolute)
            {
                *model = absolute;
            }
        }
        self
    }

    /// The same settings without the folders of this machine, for files that others read.
    #[must_use]
    pub(crate) fn published(mut self) -> Self {
        let files = self.train.iter_mut().chain(&mut self.valid);
        let further = self.reference.iter_mut().chain(&mut self.output);
        for path in files.chain(further) {
            *path = published_path(path);
        }
        for model in std::iter::once(&mut self.model).chain(&mut self.guide) {
            *model = published_model(model);
        }
        self
    }

    /// The settings as TOML, which [`Given::read`] reads.
    ///
    /// # Errors
    ///
    /// A path is not UTF-8.
    pub(crate) fn to_toml(&self) -> Result<toml::Table, TrainError> {
        toml::Table::try_from(self).map_err(TrainError::config(Path::new("training.toml")))
    }
}

/// The name of a file or folder, for files that others read: its folders are those of this machine.
pub(crate) fn published_path(path: &Path) -> PathBuf {
    path.file_name().map_or_else(|| path.into(), PathBuf::from)
}

/// A name on the hub unchanged, a folder reduced to its name.
pub(crate) fn published_model(name: &str) -> String {
    let folder = Path::new(name);
    match folder.file_name() {
        Some(own) if folder.is_absolute() || folder.is_dir() => own.to_string_lossy().into_owned(),
        _ => name.to_owned(),
    }
}

/// The absolute path, if it is UTF-8 and so fits into a config file.
fn absolute(path: &Path) -> Option<String> {
    let absolute = std::path::absolute(path).ok()?;
    absolute.to_str().map(str::to_owned)
}

/// A value as it is typed.
fn as_text<T: ToString, S: Serializer>(
    value: &Option<T>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => serializer.serialize_some(&value.to_string()),
        None => serializer.serialize_none(),
    }
}

/// A list as it is typed.
fn as_list<T: ToString, S: Serializer>(values: &[T], serializer: S) -> Result<S::Ok, S::Error> {
    let values: Vec<String> = values.iter().map(ToString::to_string).collect();
    serializer.serialize_str(&values.join(","))
}

#[cfg(test)]
mod tests;
