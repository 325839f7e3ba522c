//! The settings of a run as a user writes them: on the command line, in a config file, or not at all.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::{Deserialize, Deserializer, Serialize};

use crate::error::TrainError;
use crate::training::schedule::Decay;

/// Settings of `train fit`; what is `None` or empty is not set. In a config file each has the name
/// of its flag, without the dashes in front.
#[derive(Clone, Debug, Default, PartialEq, Args, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct FitOptions {
    /// A file of training rows: CSV, TSV, JSON Lines or Parquet, the text ones also gzipped; several
    /// are read one after the other [default: the five pairs of datasets/seed].
    #[arg(long, value_name = "FILE", help_heading = "Data")]
    #[serde(
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "one_or_several"
    )]
    pub train: Vec<PathBuf>,
    /// A file of rows to validate with; scores are of all rows of any kind, a validation loss of the first
    /// 16 batches of those that fit the loss.
    #[arg(long, value_name = "FILE", help_heading = "Data")]
    #[serde(
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "one_or_several"
    )]
    pub valid: Vec<PathBuf>,
    /// Keep this share of the training rows to validate with.
    #[arg(
        long,
        value_name = "SHARE",
        conflicts_with = "valid",
        help_heading = "Data"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split: Option<f64>,
    /// Rows with the same value here stay on the same side of a split.
    #[arg(long, value_name = "NAME", help_heading = "Data")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_column: Option<String>,
    /// What the columns are, as anchor=query,positive=description (roles: anchor, positive,
    /// negative, score, label); a validation file that lacks one goes by its own names [default: by
    /// their names, else by their order].
    #[arg(long, value_name = "ROLE=NAME,...", help_heading = "Data")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub columns: Option<String>,
    /// Skip and count rows that cannot be used, instead of stopping at the first.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", help_heading = "Data")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skip_bad_rows: Option<bool>,
    /// How batches are made: shuffle, sequential, length (rows of like length together),
    /// no-duplicates (no text twice in a batch) or length-no-duplicates [default: no-duplicates for
    /// losses with in-batch negatives, else shuffle].
    #[arg(long, value_name = "NAME", help_heading = "Data")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampler: Option<String>,
    /// Leave a last batch out that is not full.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", help_heading = "Data")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drop_last: Option<bool>,
    /// Threads that tokenize ahead [default: 1].
    #[arg(long, value_name = "N", help_heading = "Data")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workers: Option<usize>,

    /// The model to begin with: a name on the Hugging Face hub, or a folder [default:
    /// sentence-transformers/all-mpnet-base-v2].
    #[arg(long, value_name = "NAME|DIR", help_heading = "Model")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Branch, tag or commit of the model on the hub.
    #[arg(long, value_name = "REV", help_heading = "Model")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Use only what is on this machine already (as HF_HUB_OFFLINE=1 does).
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", help_heading = "Model")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offline: Option<bool>,
    /// auto, cpu, ndarray, wgpu, wgpu:N, cuda or cuda:N, among those this program was built with
    /// [default: auto].
    #[arg(long, value_name = "DEVICE", help_heading = "Model")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Share each batch out to several devices of one kind, as cuda:0,cuda:1.
    #[arg(
        long,
        value_name = "DEVICE,...",
        conflicts_with = "device",
        help_heading = "Model"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub devices: Option<String>,
    /// The most tokens of a text, in training and in the tuned model [default: as the model says].
    #[arg(long, value_name = "N", help_heading = "Model")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_length: Option<usize>,
    /// Dropout, instead of what the model's config.json says.
    #[arg(long, value_name = "P", help_heading = "Model")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dropout: Option<f64>,
    /// Leave the embeddings and the lowest N layers as they are; 0 for the embeddings alone.
    #[arg(long, value_name = "N", help_heading = "Model")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub freeze: Option<usize>,
    /// Train LoRA adapters of that rank beside the attention's layers, and nothing else; they want a
    /// higher --lr than whole weights do, 1e-4 and above (as PEFT's examples).
    #[arg(long, value_name = "RANK", help_heading = "Model")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lora: Option<usize>,
    /// Weight of the adapters: they are scaled by ALPHA / RANK [default: twice the rank].
    #[arg(long, value_name = "ALPHA", help_heading = "Model")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lora_alpha: Option<f64>,
    /// Save the adapters alone, as PEFT does, beside the merged model.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", help_heading = "Model")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub save_adapter: Option<bool>,

    /// What is minimised; `train losses` lists them [default: multiple-negatives-ranking; mse for
    /// the seed's pairs].
    #[arg(long, value_name = "NAME", help_heading = "Loss")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss: Option<String>,
    /// Scale of the cosines in ranking losses and CoSENT [default: 20].
    #[arg(long, value_name = "X", help_heading = "Loss")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale: Option<f64>,
    /// Margin of contrastive and triplet losses [default: 0.5; 5 for euclidean triplets].
    #[arg(long, value_name = "X", help_heading = "Loss")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub margin: Option<f64>,
    /// Train the first N dimensions of a vector too, for each N of the list (Matryoshka).
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
    /// Weights of those dimensions [default: 1 each].
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

    /// Passes over the training rows [default: 1; 10 for the seed's pairs].
    #[arg(long, value_name = "N", help_heading = "Training")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epochs: Option<usize>,
    /// End after this many optimiser steps.
    #[arg(long, value_name = "N", help_heading = "Training")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_steps: Option<usize>,
    /// Rows of a batch [default: 32].
    #[arg(long, value_name = "N", help_heading = "Training")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_size: Option<usize>,
    /// Hold the activations of N texts at a time, and compute them twice (GradCache): large batches
    /// in little memory.
    #[arg(long, value_name = "N", help_heading = "Training")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mini_batch_size: Option<usize>,
    /// Batches whose gradients are averaged for one optimiser step [default: 1].
    #[arg(long, value_name = "N", help_heading = "Training")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accumulation: Option<usize>,
    /// The highest learning rate [default: 2e-5; 1e-5 for the seed's pairs].
    #[arg(long, value_name = "X", help_heading = "Training")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lr: Option<f64>,
    /// Share of the steps in which the learning rate rises from 0 [default: 0.1; 0 for the seed's
    /// pairs].
    #[arg(long, value_name = "SHARE", help_heading = "Training")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warmup: Option<f64>,
    /// How the learning rate goes on then [default: linear; constant for the seed's pairs].
    #[arg(long, value_name = "NAME", value_enum, help_heading = "Training")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decay: Option<Decay>,
    /// Weight decay of AdamW, not on biases and layer norms [default: 0.01].
    #[arg(long, value_name = "X", help_heading = "Training")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight_decay: Option<f64>,
    /// The largest norm of the gradients of a step; 0 for no limit [default: 1].
    #[arg(long, value_name = "X", help_heading = "Training")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_grad_norm: Option<f64>,
    /// Keep only the input of each layer, and compute it twice: less memory, more time.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", help_heading = "Training")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpointing: Option<bool>,
    /// Parts of a batch that are computed side by side on a device: each takes memory for gradients
    /// of its own, and another number leads to other weights [default: 2 on a processor, 1 on a GPU].
    #[arg(long, value_name = "N", help_heading = "Training")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lanes: Option<usize>,
    /// Of the order of rows, of dropout and of adapters [default: 42].
    #[arg(long, value_name = "N", help_heading = "Training")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,

    /// Validate every N optimiser steps, not only after each epoch.
    #[arg(long, value_name = "N", help_heading = "Validation and output")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eval_steps: Option<usize>,
    /// Stop when the score has not risen in N validations.
    #[arg(long, value_name = "N", help_heading = "Validation and output")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patience: Option<usize>,
    /// Write a checkpoint every N optimiser steps [default: every five minutes]; the last step always has one.
    #[arg(long, value_name = "N", help_heading = "Validation and output")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub save_steps: Option<usize>,
    /// Keep the weights of the last step, not those with the best validation score.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", help_heading = "Validation and output")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_last: Option<bool>,
    /// A loss curve to draw beside this run's: JSON with the key `loss_mean_of_10`.
    #[arg(long, value_name = "FILE", help_heading = "Validation and output")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<PathBuf>,
    /// The folder for the tuned model, its card, metrics.jsonl and report.html.
    #[arg(long, value_name = "DIR", help_heading = "Validation and output")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<PathBuf>,
}

impl FitOptions {
    /// Reads a config file: JSON where its name ends in `.json`, else TOML. Relative paths in it
    /// start from the working directory, as those on the command line do.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or holds what is no setting; the error names the line.
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

    /// These settings, and those of `other` where these are not set.
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
        // A choice of one of two excludes the other one's.
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
                accumulation lr warmup decay weight_decay max_grad_norm checkpointing lanes seed
                eval_steps patience save_steps keep_last reference output
        }
    }

    /// The same with paths that hold in any working directory: files, and a model that is a folder.
    #[must_use]
    pub(crate) fn with_whole_paths(mut self) -> Self {
        let files = self.train.iter_mut().chain(&mut self.valid);
        for path in files.chain(&mut self.reference) {
            if let Some(whole) = whole(path) {
                *path = whole.into();
            }
        }
        let model = self.model.as_deref().map(Path::new);
        if let Some(whole) = model.filter(|model| model.is_dir()).and_then(whole) {
            self.model = Some(whole);
        }
        self
    }

    /// As TOML that [`read`](Self::read) takes.
    ///
    /// # Errors
    ///
    /// When a path is not UTF-8.
    pub fn to_toml(&self) -> Result<String, TrainError> {
        toml::to_string_pretty(self).map_err(|source| TrainError::Config {
            path: "training.toml".into(),
            source: Box::new(source),
        })
    }
}

/// A path from the root on, where a config file can hold it.
fn whole(path: &Path) -> Option<String> {
    let whole = std::path::absolute(path).ok()?;
    whole.to_str().map(str::to_owned)
}

/// A list, or one value where a list of it alone is meant.
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
    use super::*;

    #[test]
    fn what_is_set_first_counts() {
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
        assert!(both.valid.is_empty(), "--split takes the place of valid");
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
    fn whole_paths_are_those_of_files_and_folders() {
        let options = FitOptions {
            train: vec!["pairs.tsv".into(), "/data/more.tsv".into()],
            model: Some("sentence-transformers/all-mpnet-base-v2".to_owned()),
            output: Some("tuned".into()),
            ..FitOptions::default()
        };
        let whole = options.clone().with_whole_paths();
        let here = std::env::current_dir().unwrap();
        assert_eq!(
            whole.train,
            [here.join("pairs.tsv"), "/data/more.tsv".into()]
        );
        assert_eq!(
            (&whole.model, &whole.output),
            (&options.model, &options.output)
        );
        let folder = FitOptions {
            model: Some("src".to_owned()),
            ..FitOptions::default()
        };
        let model = folder.with_whole_paths().model.unwrap();
        assert_eq!(PathBuf::from(model), here.join("src"));
    }

    #[test]
    fn a_word_that_is_no_setting_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("training.toml");
        std::fs::write(&path, "epochs = 2\nlearning-rate = 1e-5\n").unwrap();
        let message = FitOptions::read(&path).unwrap_err().to_string();
        for part in ["training.toml", "learning-rate", "line 2"] {
            assert!(message.contains(part), "{message}");
        }
    }
}
