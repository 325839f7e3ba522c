//! The folder of a cross-encoder: an encoder with a head that gives a pair of texts one score.

use std::path::{Path, PathBuf};

use kernels::{EncoderOps, Precision};
use serde_json::{Map, Value};

use super::load::{self, Input};
use super::modules::MODULES_FILE;
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
    folder: PathBuf,
    pub(crate) config: EncoderConfig,
    /// From the head's output to the score.
    activation: DenseActivation,
    max_length: usize,
    head: &'static PairHead,
}

/// Fields of `config.json` in which sentence-transformers before 5 keeps the activation.
const OLD_ACTIVATION: &str = "sbert_ce_default_activation_function";

impl PairCheckpoint {
    /// Reads the settings files.
    pub(crate) fn open(folder: &Path) -> Result<Self> {
        let config = EncoderConfig::from_folder(folder)?;
        check_one_label(folder, &config)?;
        let head = config.architecture.pair_head.as_ref();
        let head = head.ok_or_else(|| ModelError::Field {
            path: folder.join(CONFIG_FILE),
            field: "model_type",
            reason: format!("a reranker of \"{}\" is not supported", config.model_type()),
        })?;
        let limits = limits::read(folder, true, &config)?;
        Ok(Self {
            folder: folder.to_owned(),
            activation: activation(folder, &config)?,
            max_length: limits.max_seq_length,
            head,
            config,
        })
    }

    /// The tokenizer, for pairs.
    pub(crate) fn tokenizer(&self, max_length: Option<usize>) -> Result<SentenceTokenizer> {
        let overrides = TokenizerOverrides::default();
        let length = max_length.unwrap_or(self.max_length);
        SentenceTokenizer::from_folder(&self.folder, length, &self.config, false, overrides)
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

/// The activation of sentence-transformers' `CrossEncoder`: of the file of version 5, of both older fields, or the
/// sigmoid.
fn activation(folder: &Path, config: &EncoderConfig) -> Result<DenseActivation> {
    let path = folder.join(SENTENCE_TRANSFORMERS_FILE);
    // As sentence-transformers, which reads the file only beside a list of modules.
    let settings: Option<Map<String, Value>> = match folder.join(MODULES_FILE).is_file() {
        true => read_optional_json(&path)?,
        false => None,
    };
    let newest = settings
        .as_ref()
        .and_then(|settings| settings.get("activation_fn"));
    let newer = config.json.get("sentence_transformers");
    let newer = newer.and_then(|settings| settings.get("activation_fn"));
    let config_path = folder.join(CONFIG_FILE);
    let stated = [
        (&path, "activation_fn", newest),
        (&config_path, "sentence_transformers", newer),
        (
            &config_path,
            OLD_ACTIVATION,
            config.json.get(OLD_ACTIVATION),
        ),
    ];
    let stated = stated
        .into_iter()
        .find_map(|(path, field, value)| Some((path, field, value?.as_str()?)));
    let Some((path, field, class)) = stated else {
        return Ok(DenseActivation::Sigmoid);
    };
    DenseActivation::of_class(class).ok_or_else(|| ModelError::Field {
        path: path.clone(),
        field,
        reason: format!(
            "\"{class}\" is not supported (only {} of torch.nn)",
            DenseActivation::ALL.map(|(name, _)| name).join(", ")
        ),
    })
}
