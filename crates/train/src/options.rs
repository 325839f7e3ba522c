//! Settings of a run as a user writes them, on the command line or in a config file.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::{Deserialize, Deserializer, Serialize};

use crate::error::TrainError;
use crate::training::schedule::Decay;

/// Settings of `train fit`; `None` or empty means not set. In a config file each setting has the name
/// of its flag without the leading dashes.
#[derive(Clone, Debug, Default, PartialEq, Args, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct FitOptions {
    /// Read training rows from FILE: CSV, TSV, JSON or Parquet, compressed or not except
    /// Parquet; repeat for several files [default: the five demo pairs].
    #[arg(long, value_name = "FILE", help_heading = "Data")]
    #[serde(
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "one_or_several"
    )]
    pub train: Vec<PathBuf>,
    /// Read validation rows from FILE. Scores use every row; the validation loss uses at most 16
    /// batches, and only rows the loss accepts.
    #[arg(long, value_name = "FILE", help_heading = "Data")]
    #[serde(
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "one_or_several"
    )]
    pub valid: Vec<PathBuf>,
    /// Use this share of the training rows for validation, above 0 and below 1.
    #[arg(
        long,
        value_name = "SHARE",
        conflicts_with = "valid",
        help_heading = "Data"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split: Option<f64>,
    /// Keep rows with the same value in this column on the same side of a split.
    #[arg(long, value_name = "NAME", help_heading = "Data")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_column: Option<String>,
    /// Assign columns to roles, for example anchor=query,positive=description. Roles: anchor,
    /// positive, negative, score, label. A text may be made of several columns: positive={title}.
    /// {brand}. A validation file without these columns uses its own names [default: by name, else
    /// by order].
    #[arg(long, value_name = "ROLE=NAME,...", help_heading = "Data")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub columns: Option<String>,
    /// Skip and count unusable rows instead of stopping at the first.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", help_heading = "Data")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skip_bad_rows: Option<bool>,
    /// Form batches by shuffle, sequential, length (rows of similar length), no-duplicates (no
    /// text twice in a batch) or length-no-duplicates [default: no-duplicates for losses with
    /// in-batch negatives, else shuffle].
    #[arg(long, value_name = "NAME", help_heading = "Data")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampler: Option<String>,
    /// Drop every batch that is not full.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", help_heading = "Data")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drop_last: Option<bool>,
    /// Use N threads to tokenize ahead, 1 to 16 [default: 1].
    #[arg(long, value_name = "N", help_heading = "Data")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workers: Option<usize>,

    /// Start from this model: a name on the Hugging Face hub or a folder [default:
    /// MPNET_BURN_MODEL, else sentence-transformers/all-mpnet-base-v2].
    #[arg(long, value_name = "NAME|DIR", help_heading = "Model")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Use this branch, tag or commit of the model on the hub.
    #[arg(long, value_name = "REV", help_heading = "Model")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Use only files that are already on this machine, as HF_HUB_OFFLINE=1 does.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", help_heading = "Model")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offline: Option<bool>,
    /// Compute on auto, cpu, ndarray, wgpu, wgpu:N, cuda or cuda:N, among those compiled in
    /// [default: MPNET_BURN_DEVICE, else auto].
    #[arg(long, value_name = "DEVICE", help_heading = "Model")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Split each batch over several devices of one kind, for example cuda:0,cuda:1.
    #[arg(
        long,
        value_name = "DEVICE,...",
        conflicts_with = "device",
        help_heading = "Model"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub devices: Option<String>,
    /// Truncate texts to N tokens, in training and in the tuned model [default: the model's].
    #[arg(long, value_name = "N", help_heading = "Model")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_length: Option<usize>,
    /// Set the dropout probability, from 0 to below 1 [default: the model's config.json].
    #[arg(long, value_name = "P", help_heading = "Model")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dropout: Option<f64>,
    /// Freeze the embeddings and the lowest N layers; 0 freezes only the embeddings.
    #[arg(long, value_name = "N", help_heading = "Model")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub freeze: Option<usize>,
    /// Train only LoRA adapters of this rank on the attention projections. Use a higher --lr, 1e-4
    /// or more.
    #[arg(long, value_name = "RANK", help_heading = "Model")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lora: Option<usize>,
    /// Scale the adapters by ALPHA / RANK [default: twice the rank].
    #[arg(long, value_name = "ALPHA", help_heading = "Model")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lora_alpha: Option<f64>,
    /// Also save the adapters in their own folder, in the format of PEFT.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", help_heading = "Model")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub save_adapter: Option<bool>,

    /// Minimise this loss; `train losses` lists them [default: multiple-negatives-ranking; mse for
    /// the demo pairs].
    #[arg(long, value_name = "NAME", help_heading = "Loss")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss: Option<String>,
    /// Multiply cosines by X in ranking losses and CoSENT, and dot products in margin-mse and
    /// kl-divergence [default: 20, and 1 for these two].
    #[arg(long, value_name = "X", help_heading = "Loss")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale: Option<f64>,
    /// Set the margin of contrastive and triplet losses [default: 0.5; 5 for triplet-euclidean].
    #[arg(long, value_name = "X", help_heading = "Loss")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub margin: Option<f64>,
    /// Also train the first N dimensions of the vectors, for each N of the list (Matryoshka).
    #[arg(
        long,
        value_name = "N,...",
        value_delimiter = ',',
        help_heading = "Loss"
    )]
    #[serde(
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "one_or_several"
    )]
    pub matryoshka: Vec<usize>,
    /// Weight the loss of each of these dimensions by X [default: 1 each].
    #[arg(
        long,
        value_name = "X,...",
        value_delimiter = ',',
        help_heading = "Loss"
    )]
    #[serde(
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "one_or_several"
    )]
    pub matryoshka_weights: Vec<f64>,

    /// Pass N times over the training rows [default: 1; 10 for the demo pairs].
    #[arg(long, value_name = "N", help_heading = "Training")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epochs: Option<usize>,
    /// Stop after N optimiser steps.
    #[arg(long, value_name = "N", help_heading = "Training")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_steps: Option<usize>,
    /// Put N rows into a batch [default: 32].
    #[arg(long, value_name = "N", help_heading = "Training")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_size: Option<usize>,
    /// Hold the activations of only N texts at a time and compute them twice (GradCache): large
    /// batches in little memory.
    #[arg(long, value_name = "N", help_heading = "Training")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mini_batch_size: Option<usize>,
    /// Average the gradients of N batches per optimiser step [default: 1].
    #[arg(long, value_name = "N", help_heading = "Training")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accumulation: Option<usize>,
    /// Set the peak learning rate [default: 2e-5; 1e-5 for the demo pairs].
    #[arg(long, value_name = "X", help_heading = "Training")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lr: Option<f64>,
    /// Raise the learning rate from 0 during this share of the steps, from 0 to below 1 [default:
    /// 0.1; 0 for the demo pairs].
    #[arg(long, value_name = "SHARE", help_heading = "Training")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warmup: Option<f64>,
    /// Change the learning rate after the warm-up: linear falls to 0, constant stays [default:
    /// linear; constant for the demo pairs].
    #[arg(long, value_name = "NAME", value_enum, help_heading = "Training")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decay: Option<Decay>,
    /// Set the weight decay of AdamW; biases and LayerNorms have none [default: 0.01].
    #[arg(long, value_name = "X", help_heading = "Training")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight_decay: Option<f64>,
    /// Clip the gradients of a step to this norm; 0 disables clipping [default: 1].
    #[arg(long, value_name = "X", help_heading = "Training")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_grad_norm: Option<f64>,
    /// Keep only the input of each layer and compute each layer twice: less memory, more time.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", help_heading = "Training")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpointing: Option<bool>,
    /// Use N model replicas per device. Each needs its own gradient buffer; changing N changes the
    /// result [default: 2 on a CPU, 1 on a GPU].
    #[arg(long, alias = "lanes", value_name = "N", help_heading = "Training")]
    #[serde(alias = "lanes", skip_serializing_if = "Option::is_none")]
    pub replicas: Option<usize>,
    /// Seed the order of rows, dropout and adapters [default: 42].
    #[arg(long, value_name = "N", help_heading = "Training")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,

    /// Validate every N optimiser steps, in addition to the end of each epoch.
    #[arg(long, value_name = "N", help_heading = "Validation and output")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eval_steps: Option<usize>,
    /// Stop after N validations without a better score.
    #[arg(long, value_name = "N", help_heading = "Validation and output")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patience: Option<usize>,
    /// Write a checkpoint every N optimiser steps and after the last step [default: every five
    /// minutes].
    #[arg(long, value_name = "N", help_heading = "Validation and output")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub save_steps: Option<usize>,
    /// Keep the weights of the last step instead of those with the best validation score.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", help_heading = "Validation and output")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_last: Option<bool>,
    /// Draw this loss curve next to the run's: JSON with the key `loss_mean_of_10`.
    #[arg(long, value_name = "FILE", help_heading = "Validation and output")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<PathBuf>,
    /// Write the tuned model, its card, metrics.jsonl and report.html into this folder.
    #[arg(long, value_name = "DIR", help_heading = "Validation and output")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<PathBuf>,
}

impl FitOptions {
    /// Reads a config file: JSON if its name ends in `.json`, else TOML. Relative paths start from the
    /// working directory, as on the command line.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or holds an unknown setting; the error names the line.
    pub fn read(path: &Path) -> Result<Self, TrainError> {
        let text = std::fs::read_to_string(path).map_err(TrainError::io(path))?;
        let wrong = |source| TrainError::Config {
            path: path.to_owned(),
            source,
        };
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            serde_json::from_str(&text).map_err(|error| wrong(Box::new(error)))
        } else {
            toml::from_str(&text).map_err(|error| wrong(Box::new(error)))
        }
    }

    /// The settings of environment variables, which count after the config file.
    #[must_use]
    pub fn from_environment() -> Self {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            model: variable("MPNET_BURN_MODEL"),
            device: variable("MPNET_BURN_DEVICE"),
            ..Self::default()
        }
    }

    /// These settings, completed by those of `other`.
    #[must_use]
    pub fn or(self, mut other: Self) -> Self {
        macro_rules! first {
            (lists: $($list:ident)*; values: $($value:ident)*) => {
                Self {
                    $($list: if self.$list.is_empty() { other.$list } else { self.$list },)*
                    $($value: self.$value.or(other.$value),)*
                }
            };
        }
        // Each of these settings excludes the other one of its pair.
        if self.split.is_some() {
            other.valid.clear();
        }
        if !self.valid.is_empty() {
            other.split = None;
        }
        if self.device.is_some() {
            other.devices = None;
        }
        if self.devices.is_some() {
            other.device = None;
        }
        first! {
            lists: train valid matryoshka matryoshka_weights;
            values: split group_column columns skip_bad_rows sampler drop_last workers
                model revision offline device devices max_length dropout freeze lora lora_alpha
                save_adapter loss scale margin epochs max_steps batch_size mini_batch_size
                accumulation lr warmup decay weight_decay max_grad_norm checkpointing replicas seed
                eval_steps patience save_steps keep_last reference output
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
        let model = self.model.as_deref().map(Path::new);
        if let Some(absolute) = model.filter(|model| model.is_dir()).and_then(absolute) {
            self.model = Some(absolute);
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
        self.model = self.model.as_deref().map(published_model);
        self
    }

    /// The settings as TOML, which [`read`](Self::read) accepts.
    ///
    /// # Errors
    ///
    /// A path is not UTF-8.
    pub fn to_toml(&self) -> Result<String, TrainError> {
        toml::to_string_pretty(self).map_err(|source| TrainError::Config {
            path: "training.toml".into(),
            source: Box::new(source),
        })
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

/// A list, or a single value as a list of one.
fn one_or_several<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected one value or a list of them")]
    enum Values<T> {
        One(T),
        Several(Vec<T>),
    }
    Ok(match Values::deserialize(deserializer)? {
        Values::One(value) => vec![value],
        Values::Several(values) => values,
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn command_line_settings_override_the_file() {
        let line = FitOptions {
            lr: Some(1e-4),
            split: Some(0.1),
            ..FitOptions::default()
        };
        let file: FitOptions = toml::from_str(
            "train = [\"pairs.tsv\"]\nvalid = [\"other.tsv\"]\nlr = 1e-5\nbatch-size = 8\ncheckpointing = true",
        )
        .unwrap();
        let both = line.or(file);
        assert_eq!(both.lr, Some(1e-4));
        assert_eq!(both.batch_size, Some(8));
        assert_eq!(both.checkpointing, Some(true));
        assert_eq!(both.train, [PathBuf::from("pairs.tsv")]);
        assert!(both.valid.is_empty(), "--split replaces valid");
    }

    #[test]
    fn a_config_is_written_as_it_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let options = FitOptions {
            train: vec!["a.tsv".into(), "b.tsv".into()],
            loss: Some("cosent".to_owned()),
            decay: Some(Decay::Constant),
            matryoshka: vec![64, 128],
            seed: Some(7),
            ..FitOptions::default()
        };
        let toml = folder.path().join("training.toml");
        std::fs::write(&toml, options.to_toml().unwrap()).unwrap();
        assert_eq!(FitOptions::read(&toml).unwrap(), options);
        let json = folder.path().join("training.json");
        std::fs::write(&json, serde_json::to_string(&options).unwrap()).unwrap();
        assert_eq!(FitOptions::read(&json).unwrap(), options);
    }

    #[test]
    fn one_value_is_a_list_of_it() {
        let file: FitOptions = toml::from_str(
            "train = \"pairs.tsv\"\nvalid = [\"a.tsv\", \"b.tsv\"]\nmatryoshka = 64\nmatryoshka-weights = 1",
        )
        .unwrap();
        assert_eq!(file.train, [PathBuf::from("pairs.tsv")]);
        assert_eq!(file.valid.len(), 2);
        assert_eq!(file.matryoshka, [64]);
        assert_eq!(file.matryoshka_weights, [1.0]);
        let message = toml::from_str::<FitOptions>("epochs = 1\nmatryoshka = \"wide\"")
            .unwrap_err()
            .to_string();
        for part in ["line 2", "one value or a list"] {
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn absolute_paths_are_those_of_files_and_folders() {
        let options = FitOptions {
            train: vec!["pairs.tsv".into(), "/data/more.tsv".into()],
            model: Some("sentence-transformers/all-mpnet-base-v2".to_owned()),
            output: Some("tuned".into()),
            ..FitOptions::default()
        };
        let absolute = options.clone().with_absolute_paths();
        let here = std::env::current_dir().unwrap();
        assert_eq!(
            absolute.train,
            [here.join("pairs.tsv"), "/data/more.tsv".into()]
        );
        assert_eq!(
            (&absolute.model, &absolute.output),
            (&options.model, &options.output)
        );
        let folder = FitOptions {
            model: Some("src".to_owned()),
            ..FitOptions::default()
        };
        let model = folder.with_absolute_paths().model.unwrap();
        assert_eq!(PathBuf::from(model), here.join("src"));
    }

    /// Runs of earlier versions have `lanes` in their `training.toml`.
    #[test]
    fn the_old_name_of_replicas_is_still_read() {
        let old: FitOptions = toml::from_str("lanes = 3").unwrap();
        assert_eq!(old.replicas, Some(3));
        let old: FitOptions = serde_json::from_str("{\"lanes\": 3}").unwrap();
        assert_eq!(old.replicas, Some(3));
        assert_eq!(old.to_toml().unwrap(), "replicas = 3\n");

        let flag = |name: &str| {
            let cli = crate::cli::Cli::try_parse_from(["train", "fit", name, "3"]).unwrap();
            match cli.command {
                crate::cli::Command::Fit(arguments) => arguments.options.replicas,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!((flag("--replicas"), flag("--lanes")), (Some(3), Some(3)));
    }

    #[test]
    fn an_unknown_setting_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("training.toml");
        std::fs::write(&path, "epochs = 2\nlearning-rate = 1e-5\n").unwrap();
        let message = FitOptions::read(&path).unwrap_err().to_string();
        for part in ["training.toml", "learning-rate", "line 2"] {
            assert!(message.contains(part), "{message}");
        }
    }
}
