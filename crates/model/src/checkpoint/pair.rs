//! The folder of a cross-encoder: an encoder with a head that gives a pair of texts one score.

use std::path::{Path, PathBuf};

use kernels::{EncoderOps, Precision};
use serde_json::{Map, Value};

use super::load::{self, Input};
use super::modules::ModuleList;
use super::sentence::Task;
use super::settings::SENTENCE_TRANSFORMERS_FILE;
use super::tensors::Tensors;
use super::{limits, weights_files};
use crate::architecture::{CONFIG_FILE, EncoderConfig, PairHead};
use crate::error::{ModelError, Result};
use crate::file::read_optional_json;
use crate::modules::PooledModule;
use crate::modules::dense::{Dense, DenseActivation};
use crate::modules::pooling::PoolingMode;
use crate::sentence_model::SentenceModel;
use crate::tokenizer::{SentenceTokenizer, TokenizerOverrides};

/// A cross-encoder's folder after reading its settings files.
#[derive(Clone, Debug)]
pub(crate) struct PairCheckpoint {
    /// Of the encoder, its head and its tokenizer.
    folder: PathBuf,
    pub(crate) config: EncoderConfig,
    /// From the head's output to the score.
    activation: DenseActivation,
    max_length: usize,
    lowercase: bool,
    tokenizer_overrides: TokenizerOverrides,
    head: &'static PairHead,
}

/// Fields of `config.json` in which sentence-transformers before 5 keeps the activation.
const OLD_ACTIVATION: &str = "sbert_ce_default_activation_function";

impl PairCheckpoint {
    /// Reads the settings files.
    pub(crate) fn open(folder: &Path) -> Result<Self> {
        let modules = ModuleList::read(folder)?;
        let plain = modules.is_none();
        let (settings, inside) = match &modules {
            Some(modules) => (settings(folder)?, modules.encoder_alone()?),
            None => (Map::new(), folder.to_owned()),
        };
        let (top, folder) = (folder, inside.as_path());
        let config = EncoderConfig::from_folder(folder)?;
        check_one_label(folder, &config)?;
        let head = config.architecture.pair_head.as_ref();
        let head = head.ok_or_else(|| ModelError::Field {
            path: folder.join(CONFIG_FILE),
            field: "model_type",
            reason: format!("a reranker of \"{}\" is not supported", config.model_type()),
        })?;
        let limits = limits::read(folder, plain, Task::Scores, &config)?;
        Ok(Self {
            folder: folder.to_owned(),
            activation: activation(top, &settings, folder, &config)?,
            max_length: limits.max_seq_length,
            lowercase: limits.lowercase,
            tokenizer_overrides: limits.tokenizer,
            head,
            config,
        })
    }

    /// The tokenizer, for pairs.
    pub(crate) fn tokenizer(&self, max_length: Option<usize>) -> Result<SentenceTokenizer> {
        let length = max_length.unwrap_or(self.max_length);
        let tokenizer = SentenceTokenizer::from_folder(
            &self.folder,
            length,
            &self.config,
            self.lowercase,
            self.tokenizer_overrides,
        )?;
        tokenizer.check_pairs(&self.folder, &self.config)?;
        Ok(tokenizer)
    }

    /// Reads the weights, packed on a backend that packs: a model whose vectors have one dimension, the score.
    pub(crate) fn load_packed<B: EncoderOps>(
        &self,
        device: &B::Device,
        precision: Option<Precision>,
    ) -> Result<(SentenceModel<B>, Precision)> {
        let path = weights_files::find(&self.folder)?;
        let (network, precision) =
            load::load_packed::<B>(&path, &self.config, device, precision, Input::Pairs)?;
        let model = SentenceModel::new(network, vec![PoolingMode::Cls], false);
        let head = self.head::<B>(&path, device)?;
        Ok((model.with_modules(head.into()).pack_modules(), precision))
    }

    fn head<B: EncoderOps>(&self, path: &Path, device: &B::Device) -> Result<[PooledModule<B>; 2]> {
        let names = &self.head;
        let width = self.config.hidden_size;
        let mut tensors = Tensors::open(path)?;
        let mut dense = |name: &str, outputs: usize, activation| {
            let weight =
                tensors.take::<B, 2>(&format!("{name}.weight"), [outputs, width], device)?;
            let bias = tensors.take(&format!("{name}.bias"), [outputs], device)?;
            let dense = Dense::new(weight.transpose(), Some(bias), activation);
            Ok::<_, ModelError>(PooledModule::Dense(dense))
        };
        Ok([
            dense(names.dense, width, names.activation)?,
            dense(names.output, 1, self.activation)?,
        ])
    }
}

/// The number of labels is that of `id2label`, or else `num_labels`, or 2.
fn check_one_label(folder: &Path, config: &EncoderConfig) -> Result<()> {
    let names = config.json.get("id2label").and_then(Value::as_object);
    let number = config.json.get("num_labels").and_then(Value::as_u64);
    let labels = names
        .map(|names| names.len() as u64)
        .or(number)
        .unwrap_or(2);
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
