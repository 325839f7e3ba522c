//! The folder of a tagger: an encoder with a head that gives every token a tag.

use std::path::{Path, PathBuf};

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;
use serde_json::Value;

use super::modules::ModuleList;
use super::pair::normal;
use super::sentence::Task;
use super::tensors::Tensors;
use super::{Checkpoint, limits};
use crate::architecture::{CONFIG_FILE, EncoderConfig, PairHead};
use crate::encoder::dropout::Dropout;
use crate::error::{ModelError, Result};
use crate::heads::token_tags::labels::TagLabels;
use crate::heads::token_tags::settings::TaggerSettings;
use crate::hub::ModelFolder;
use crate::modules::dense::{Dense, DenseActivation};
use crate::modules::{PooledModule, Scale};
use crate::prompt::Prompts;

/// The head of a tagger.
#[derive(Clone, Debug)]
pub(crate) struct TagHead {
    pub(crate) labels: TagLabels,
    pub(crate) settings: TaggerSettings,
    /// What the names of the encoder's tensors begin with.
    pub(super) prefix: &'static str,
    /// The class of `transformers`.
    pub(super) class: String,
    /// Dropout of the hidden states before the head in training.
    pub(super) dropout: f64,
    /// Seed of a new head; `None` where the file must have it.
    pub(super) seed: Option<u64>,
}

/// How `architectures` of `config.json` ends for a tagger, and for a model that classifies whole texts.
const TAGGER: &str = "ForTokenClassification";
const CLASSIFIER: &str = "ForSequenceClassification";

/// The linear layer of the head: all architectures have the same name for it.
pub(super) const CLASSIFIER_LAYER: &str = "classifier";

/// How much faster than the encoder the head learns. AdamW moves every number by about the learning rate, whatever the
/// gradient is: a head that is divided by this, and whose output is multiplied by it, moves so much further. A power of two
/// changes no bit of its weights. The head's gradient grows as much, and most clipping is due to it; AdamW's
/// steps do not depend on the scale of gradients.
const HEAD_RATE: f64 = 64.0;

/// The field of `config.json` with the dropout of the head, in architectures that have it.
const DROPOUT_FIELD: &str = "classifier_dropout";

impl Checkpoint {
    /// Reads the settings files of a tagger, a `*ForTokenClassification`: [`load`](Self::load) gives a model with a row of
    /// logits for every token.
    ///
    /// # Errors
    ///
    /// When a file is missing or damaged, when the names of the outputs are not `O` and `B-` and `I-` of labels, or when
    /// taggers of the architecture are not supported.
    pub fn open_tagger(folder: &Path) -> Result<Self> {
        let inside = encoder_folder(folder)?;
        let config = EncoderConfig::from_folder(&inside)?;
        if !is_tagger(&config) {
            return Err(ModelError::Field {
                path: inside.join(CONFIG_FILE),
                field: "architectures",
                reason: format!(
                    "no class ends in {TAGGER}: the model is no tagger; `train tag` makes one"
                ),
            });
        }
        let labels =
            TagLabels::of_names(&output_names(&config)).map_err(|reason| ModelError::Field {
                path: inside.join(CONFIG_FILE),
                field: "id2label",
                reason,
            })?;
        let settings = TaggerSettings::read(&inside, &labels)?;
        Self::of_tags(folder, &inside, config, labels, settings, None)
    }

    /// Reads the settings files of a model to train as a tagger of these labels. An encoder gets a head of random values
    /// from `seed`; a tagger of the same labels keeps its own.
    ///
    /// # Errors
    ///
    /// When a file is missing or damaged, or when taggers of the architecture are not supported.
    pub fn new_tagger(found: &ModelFolder, labels: &[String], seed: u64) -> Result<Self> {
        let folder = &found.path;
        let inside = encoder_folder(folder)?;
        let config = EncoderConfig::from_folder(&inside)?;
        let known = is_tagger(&config).then(|| TagLabels::of_names(&output_names(&config)));
        let same = known.and_then(|known| known.ok()).filter(|known| {
            let named = |label: &String| known.number(label).is_some();
            known.labels().len() == labels.len() && labels.iter().all(named)
        });
        let (labels, seed) = match same {
            Some(known) => (known, None),
            None => (TagLabels::new(labels.iter().cloned()), Some(seed)),
        };
        let settings = TaggerSettings::default();
        let mut checkpoint = Self::of_tags(folder, &inside, config, labels, settings, seed)?;
        checkpoint.notes_of_hub.clone_from(&found.notes);
        Ok(checkpoint)
    }

    fn of_tags(
        folder: &Path,
        inside: &Path,
        config: EncoderConfig,
        labels: TagLabels,
        settings: TaggerSettings,
        seed: Option<u64>,
    ) -> Result<Self> {
        let head = config.architecture.pair_head.as_ref();
        let head = head.ok_or_else(|| ModelError::Field {
            path: inside.join(CONFIG_FILE),
            field: "model_type",
            reason: format!("a tagger of \"{}\" is not supported", config.model_type()),
        })?;
        let plain = ModuleList::read(folder)?.is_none();
        // The encoder of a cross-encoder serves as well.
        let of = |task| limits::read(inside, plain, task, &config);
        let limits = of(Task::Vectors).or_else(|error| of(Task::Scores).map_err(|_| error))?;
        let tags = TagHead {
            labels,
            settings,
            prefix: head.prefix,
            class: head.class.replace(CLASSIFIER, TAGGER),
            dropout: dropout(inside, head, &config)?,
            seed,
        };
        Ok(Self {
            folder: folder.to_owned(),
            transformer_folder: inside.to_owned(),
            config,
            pooling: Vec::new(),
            include_prompt: true,
            normalize: false,
            modules: Vec::new(),
            pair: None,
            tags: Some(tags),
            truncate_dim: None,
            similarity: Default::default(),
            prompts: Prompts::default(),
            changed_prompts: Vec::new(),
            max_seq_length: limits.max_seq_length,
            lowercase: limits.lowercase,
            plain,
            tokenizer_overrides: limits.tokenizer,
            stated_limit: limits.stated,
            kept_layers: None,
            notes_of_hub: Vec::new(),
        })
    }

    /// The labels of a tagger.
    #[must_use]
    pub fn tag_labels(&self) -> Option<&TagLabels> {
        self.tags.as_ref().map(|tags| &tags.labels)
    }

    /// What a tagger knows beside its weights.
    #[must_use]
    pub fn tagger_settings(&self) -> Option<&TaggerSettings> {
        self.tags.as_ref().map(|tags| &tags.settings)
    }

    /// Gives a tagger other settings, here and in every folder that is written; no effect on other models.
    pub fn set_tagger_settings(&mut self, settings: TaggerSettings) {
        if let Some(tags) = &mut self.tags {
            tags.settings = settings;
        }
    }

    /// The dropout of the hidden states and the linear layer.
    pub(super) fn tag_modules<B: Backend>(
        &self,
        tags: &TagHead,
        device: &B::Device,
    ) -> Result<Vec<PooledModule<B>>> {
        let outputs = tags.labels.outputs().len();
        let shape = [outputs, self.config.hidden_size];
        let (weight, bias) = match tags.seed {
            Some(seed) => {
                let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
                let weight = normal(shape, self.config.initializer_range, &mut random, device);
                (weight, Tensor::zeros([outputs], device))
            }
            None => {
                let mut tensors = Tensors::open(&self.weights_file()?)?;
                let name = |part| format!("{CLASSIFIER_LAYER}.{part}");
                (
                    tensors.take::<B, 2>(&name("weight"), shape, device)?,
                    tensors.take(&name("bias"), [outputs], device)?,
                )
            }
        };
        let dense = Dense::new(weight.transpose(), Some(bias), DenseActivation::Identity);
        Ok(vec![
            PooledModule::Dropout(Dropout::new(tags.dropout)),
            PooledModule::Dense(dense),
        ])
    }
}

/// The modules of a head in a form that learns faster; they compute the same.
pub(super) fn for_training<B: Backend>(modules: Vec<PooledModule<B>>) -> Vec<PooledModule<B>> {
    let scaled = modules.into_iter().map(|module| match module {
        PooledModule::Dense(dense) => PooledModule::Dense(dense.divided_by(HEAD_RATE)),
        other => other,
    });
    let scale = PooledModule::Scale(Scale { factor: HEAD_RATE });
    scaled.chain([scale]).collect()
}

fn is_tagger(config: &EncoderConfig) -> bool {
    let classes = config.json.get("architectures").and_then(Value::as_array);
    let mut classes = classes.into_iter().flatten().filter_map(Value::as_str);
    classes.any(|class| class.ends_with(TAGGER))
}

/// The names of the outputs in their order, as far as they are numbered from 0 on.
fn output_names(config: &EncoderConfig) -> Vec<String> {
    let names = config.json.get("id2label").and_then(Value::as_object);
    let name = |number: usize| names?.get(&number.to_string())?.as_str().map(str::to_owned);
    (0..).map_while(name).collect()
}

/// The dropout of the head: that of hidden states unless the file states its own.
fn dropout(folder: &Path, head: &PairHead, config: &EncoderConfig) -> Result<f64> {
    let stated = config
        .json
        .get(DROPOUT_FIELD)
        .filter(|value| !value.is_null());
    let Some(stated) = stated.filter(|_| head.dropout_field == Some(DROPOUT_FIELD)) else {
        return Ok(config.hidden_dropout);
    };
    match stated.as_f64() {
        Some(probability) if (0.0..1.0).contains(&probability) => Ok(probability),
        _ => Err(ModelError::Field {
            path: folder.join(CONFIG_FILE),
            field: DROPOUT_FIELD,
            reason: format!("{stated} is not in [0, 1)"),
        }),
    }
}

/// The folder of the encoder of a model, with a head or without.
fn encoder_folder(folder: &Path) -> Result<PathBuf> {
    match ModuleList::read(folder)? {
        // An encoder alone is that of a tagger or of a cross-encoder.
        Some(modules) => modules
            .encoder_alone()
            .or_else(|_| Ok(modules.stack()?.transformer_folder)),
        None => Ok(folder.to_owned()),
    }
}
