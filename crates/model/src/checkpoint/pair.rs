//! The folder of a cross-encoder: an encoder with a head that gives a pair of texts one score.

use std::path::Path;

use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use serde_json::{Map, Value};

use super::modules::ModuleList;
use super::sentence::Task;
use super::settings::SENTENCE_TRANSFORMERS_FILE;
use super::tensors::Tensors;
use super::{Checkpoint, limits};
use crate::architecture::{CONFIG_FILE, EncoderConfig, PairHead};
use crate::encoder::dropout::Dropout;
use crate::error::{ModelError, Result};
use crate::file::read_optional_json;
use crate::hub::ModelFolder;
use crate::modules::PooledModule;
use crate::modules::dense::{Dense, DenseActivation};
use crate::modules::pooling::PoolingMode;
use crate::prompt::Prompts;

/// The head of a cross-encoder.
#[derive(Clone, Debug)]
pub(crate) struct PairSettings {
    pub(super) head: &'static PairHead,
    /// From the head's output to the score.
    pub(crate) activation: DenseActivation,
    /// Dropout within the head in training; `None` for that of hidden states.
    pub(super) dropout: Option<f64>,
    /// Seed of the layers that the file lacks; `None` where it must have them.
    pub(super) seed: Option<u64>,
}

/// Fields of `config.json` in which sentence-transformers before 5 keeps the activation.
const OLD_ACTIVATION: &str = "sbert_ce_default_activation_function";

/// How `architectures` of `config.json` ends for a model with labels.
const CLASSIFIER: &str = "ForSequenceClassification";

impl Checkpoint {
    /// Reads the settings files of a cross-encoder: [`load`](Self::load) gives a model whose vectors have one dimension, the
    /// score without its last activation. An encoder gets a head, as `CrossEncoder(folder, num_labels=1)` of
    /// sentence-transformers gives it one: layers that the folder has no weights for are random, from `seed`.
    ///
    /// # Errors
    ///
    /// When a file is missing or damaged, when the model has a head with another number of labels than one, and when heads
    /// of its architecture are not supported.
    pub fn open_reranker(found: &ModelFolder, seed: u64) -> Result<Self> {
        let folder = &found.path;
        let modules = ModuleList::read(folder)?;
        let encoder = match &modules {
            // An encoder alone is that of a cross-encoder.
            Some(modules) => modules.encoder_alone().is_err(),
            None => {
                let config = EncoderConfig::from_folder(folder)?;
                labels(&config) != 1 && !is_classifier(&config)
            }
        };
        let mut checkpoint = match (encoder, modules) {
            (false, _) => Self::open_pairs(folder)?,
            (true, modules) => {
                let inside = match modules {
                    Some(modules) => modules.stack()?.transformer_folder,
                    None => folder.clone(),
                };
                Self::of_pairs(folder, &inside, true, &Map::new(), Some(seed))?
            }
        };
        checkpoint.notes_of_hub.clone_from(&found.notes);
        Ok(checkpoint)
    }

    /// Reads the settings files of a cross-encoder.
    pub(crate) fn open_pairs(folder: &Path) -> Result<Self> {
        match ModuleList::read(folder)? {
            Some(modules) => {
                let settings = settings(folder)?;
                Self::of_pairs(folder, &modules.encoder_alone()?, false, &settings, None)
            }
            None => Self::of_pairs(folder, folder, true, &Map::new(), None),
        }
    }

    /// `inside` has the files of the encoder, its head and its tokenizer.
    fn of_pairs(
        folder: &Path,
        inside: &Path,
        plain: bool,
        settings: &Map<String, Value>,
        seed: Option<u64>,
    ) -> Result<Self> {
        let config = EncoderConfig::from_folder(inside)?;
        if seed.is_none() {
            check_one_label(inside, &config)?;
        }
        let head = config.architecture.pair_head.as_ref();
        let head = head.ok_or_else(|| ModelError::Field {
            path: inside.join(CONFIG_FILE),
            field: "model_type",
            reason: format!("a reranker of \"{}\" is not supported", config.model_type()),
        })?;
        let limits = limits::read(inside, plain, Task::Scores, &config)?;
        let pair = PairSettings {
            head,
            activation: activation(folder, settings, inside, &config)?,
            dropout: dropout(inside, head, &config)?,
            seed,
        };
        Ok(Self {
            folder: folder.to_owned(),
            transformer_folder: inside.to_owned(),
            config,
            pooling: vec![PoolingMode::Cls],
            include_prompt: true,
            normalize: false,
            modules: Vec::new(),
            pair: Some(pair),
            tags: None,
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

    /// Whether these are the files of a cross-encoder that was opened as an encoder: a head with one label, and no list of
    /// modules.
    #[must_use]
    pub fn is_plain_reranker(&self) -> bool {
        let encoder = self.plain && self.pair.is_none() && self.tags.is_none();
        encoder && labels(&self.config) == 1 && is_classifier(&self.config)
    }

    /// Sets the probability of dropout of hidden states, of attention weights and of the head of a cross-encoder or a tagger.
    pub fn set_dropout(&mut self, probability: f64) {
        self.config.hidden_dropout = probability;
        self.config.attention_dropout = probability;
        if let Some(pair) = &mut self.pair {
            pair.dropout = Some(probability);
        }
        if let Some(tags) = &mut self.tags {
            tags.dropout = probability;
        }
    }

    /// The head without the activation after its last layer.
    pub(super) fn head<B: Backend>(
        &self,
        pair: &PairSettings,
        device: &B::Device,
    ) -> Result<Vec<PooledModule<B>>> {
        let names = pair.head;
        let width = self.config.hidden_size;
        let mut tensors = Tensors::open(&self.weights_file()?)?;
        let mut random = pair.seed.map(Xoshiro256PlusPlus::seed_from_u64);
        let mut dense = |name: &str, outputs: usize, activation| {
            let shape = [outputs, width];
            let given = |name: &&str| tensors.has(&format!("{name}.weight"));
            // The encoder alone has its tensors without a prefix.
            let names_of_layer = [Some(name), name.strip_prefix(pair.head.prefix)];
            let given = names_of_layer.into_iter().flatten().find(given);
            let (weight, bias) = match (given, &mut random) {
                (None, Some(random)) => (
                    normal(shape, self.config.initializer_range, random, device),
                    Tensor::zeros([outputs], device),
                ),
                (given, _) => {
                    let name = given.unwrap_or(name);
                    let weight = tensors.take::<B, 2>(&format!("{name}.weight"), shape, device)?;
                    (
                        weight,
                        tensors.take(&format!("{name}.bias"), [outputs], device)?,
                    )
                }
            };
            let dense = Dense::new(weight.transpose(), Some(bias), activation);
            Ok::<_, ModelError>(PooledModule::Dense(dense))
        };
        let first = dense(names.dense, width, names.activation)?;
        let last = dense(names.output, 1, DenseActivation::Identity)?;
        let dropout = pair.dropout.unwrap_or(self.config.hidden_dropout);
        let dropout = || PooledModule::Dropout(Dropout::new(dropout));
        let mut head = vec![first, dropout(), last];
        if names.drops_input {
            head.insert(0, dropout());
        }
        Ok(head)
    }
}

/// Values of a normal distribution with mean 0 (Box and Muller, "A Note on the Generation of Random Normal Deviates", 1958).
pub(super) fn normal<B: Backend>(
    shape: [usize; 2],
    deviation: f64,
    random: &mut Xoshiro256PlusPlus,
    device: &B::Device,
) -> Tensor<B, 2> {
    // Above 0, so that the logarithm is finite.
    let mut uniform = || (f64::from(random.next_u32()) + 1.0) / (f64::from(u32::MAX) + 1.0);
    let values: Vec<f32> = (0..shape[0] * shape[1])
        .map(|_| {
            let (length, angle) = (uniform(), uniform());
            let value = (-2.0 * length.ln()).sqrt() * (std::f64::consts::TAU * angle).cos();
            (deviation * value) as f32
        })
        .collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// The dropout that `config.json` states for the head.
fn dropout(folder: &Path, head: &PairHead, config: &EncoderConfig) -> Result<Option<f64>> {
    let Some(field) = head.dropout_field else {
        return Ok(head.dropout);
    };
    let stated = config.json.get(field).filter(|value| !value.is_null());
    let Some(stated) = stated else {
        return Ok(head.dropout);
    };
    match stated.as_f64() {
        Some(probability) if (0.0..1.0).contains(&probability) => Ok(Some(probability)),
        _ => Err(ModelError::Field {
            path: folder.join(CONFIG_FILE),
            field,
            reason: format!("{stated} is not in [0, 1)"),
        }),
    }
}

/// Whether the file is that of a model with labels.
fn is_classifier(config: &EncoderConfig) -> bool {
    let classes = config.json.get("architectures").and_then(Value::as_array);
    let mut classes = classes.into_iter().flatten().filter_map(Value::as_str);
    classes.any(|class| class.ends_with(CLASSIFIER))
}

/// The number of labels is that of `id2label`, or else `num_labels`, or 2.
fn labels(config: &EncoderConfig) -> u64 {
    let names = config.json.get("id2label").and_then(Value::as_object);
    let number = config.json.get("num_labels").and_then(Value::as_u64);
    names
        .map(|names| names.len() as u64)
        .or(number)
        .unwrap_or(2)
}

fn check_one_label(folder: &Path, config: &EncoderConfig) -> Result<()> {
    let labels = labels(config);
    if labels == 1 {
        return Ok(());
    }
    Err(ModelError::Field {
        path: folder.join(CONFIG_FILE),
        field: "id2label",
        reason: format!(
            "the model has {labels} labels; a reranker has one, the score of a pair of texts"
        ),
    })
}

/// The settings file beside a list of modules; without such a list, sentence-transformers reads none.
fn settings(folder: &Path) -> Result<Map<String, Value>> {
    let path = folder.join(SENTENCE_TRANSFORMERS_FILE);
    let settings: Map<String, Value> = read_optional_json(&path)?.unwrap_or_default();
    let wrong = |field, reason: String| {
        Err(ModelError::Field {
            path: path.clone(),
            field,
            reason,
        })
    };
    if let Some(kind) = settings.get("model_type").and_then(Value::as_str)
        && kind != "CrossEncoder"
    {
        return wrong(
            "model_type",
            format!("\"{kind}\" is no reranker (only \"CrossEncoder\")"),
        );
    }
    let default = settings.get("default_prompt_name").and_then(Value::as_str);
    let prompts = settings.get("prompts").and_then(Value::as_object);
    let prompt = default.and_then(|name| prompts?.get(name)?.as_str());
    if prompt.is_some_and(|prompt| !prompt.is_empty()) {
        let reason = "a prompt of a reranker is not supported".to_owned();
        return wrong("default_prompt_name", reason);
    }
    Ok(settings)
}

/// The activation of sentence-transformers' `CrossEncoder`: of the `settings` of version 5, or of the first of both older
/// fields of `config.json` that is there. Where there is none, and where it is null, the sigmoid.
fn activation(
    top: &Path,
    settings: &Map<String, Value>,
    folder: &Path,
    config: &EncoderConfig,
) -> Result<DenseActivation> {
    let newer = config.json.get("sentence_transformers");
    let newer = newer.and_then(|settings| settings.get("activation_fn"));
    let newest = settings
        .get("activation_fn")
        .filter(|class| !class.is_null());
    let (settings_path, config_path) = (
        top.join(SENTENCE_TRANSFORMERS_FILE),
        folder.join(CONFIG_FILE),
    );
    let stated = [
        (settings_path, "activation_fn", newest),
        (config_path.clone(), "sentence_transformers", newer),
        (config_path, OLD_ACTIVATION, config.json.get(OLD_ACTIVATION)),
    ];
    let stated = stated
        .into_iter()
        .find_map(|(path, field, value)| Some((path, field, value?)));
    let Some((path, field, class)) = stated.filter(|(_, _, class)| !class.is_null()) else {
        return Ok(DenseActivation::Sigmoid);
    };
    let known = class.as_str().and_then(DenseActivation::of_class);
    known.ok_or_else(|| ModelError::Field {
        path,
        field,
        reason: format!(
            "{class} is not supported (only {} of torch.nn)",
            DenseActivation::ALL.map(|(name, _)| name).join(", ")
        ),
    })
}
