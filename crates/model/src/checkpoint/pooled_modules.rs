//! The modules after the pooling: their settings, and their weights.

use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::backend::Backend;
use serde::Deserialize;

use super::tensors::Tensors;
use super::weights_files;
use crate::encoder::dropout::Dropout;
use crate::error::{ModelError, Result};
use crate::file::{read_json, read_optional_json};
use crate::modules::dense::{Dense, DenseActivation};
use crate::modules::{Normalize, PooledLayerNorm, PooledModule};

/// A module after the pooling, before its weights are read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ModuleSettings {
    /// The module's folder.
    pub(super) folder: PathBuf,
    pub(super) kind: ModuleKind,
}

/// What a module does.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum ModuleKind {
    Dense {
        output: usize,
        bias: bool,
        activation: DenseActivation,
    },
    LayerNorm,
    Normalize,
    Dropout(f64),
}

/// File of a module's settings.
const CONFIG_FILE: &str = "config.json";

impl ModuleSettings {
    /// Reads the settings of a class of sentence-transformers; `None` for a class that is no module after the pooling.
    /// `width` is that of the vectors before the module.
    pub(super) fn read(class: &str, folder: PathBuf, width: usize) -> Result<Option<Self>> {
        let path = folder.join(CONFIG_FILE);
        let kind = match class {
            "Dense" => dense(&path, width)?,
            "LayerNorm" => {
                let config: LayerNormConfig = read_json(&path)?;
                check_width(&path, "dimension", config.dimension, width)?;
                ModuleKind::LayerNorm
            }
            "Normalize" => ModuleKind::Normalize,
            "Dropout" => {
                let config: Option<DropoutConfig> = read_optional_json(&path)?;
                let probability = config.map_or(DROPOUT, |config| config.dropout);
                if !(0.0..1.0).contains(&probability) {
                    let reason = format!("{probability} is not in [0, 1)");
                    return Err(field(&path, "dropout", reason));
                }
                ModuleKind::Dropout(probability)
            }
            _ => return Ok(None),
        };
        Ok(Some(Self { folder, kind }))
    }

    /// Whether it is the L2 normalisation.
    pub(super) fn is_normalize(&self) -> bool {
        self.kind == ModuleKind::Normalize
    }

    /// Width of the vectors after the module.
    pub(super) fn width(&self, before: usize) -> usize {
        match self.kind {
            ModuleKind::Dense { output, .. } => output,
            _ => before,
        }
    }

    /// The class of sentence-transformers.
    pub(super) fn class(&self) -> &'static str {
        match self.kind {
            ModuleKind::Dense { .. } => "Dense",
            ModuleKind::LayerNorm => "LayerNorm",
            ModuleKind::Normalize => "Normalize",
            ModuleKind::Dropout(_) => "Dropout",
        }
    }

    /// Reads the weights onto a device.
    pub(super) fn load<B: Backend>(
        &self,
        width: usize,
        device: &B::Device,
    ) -> Result<PooledModule<B>> {
        let file = || weights_files::find(&self.folder);
        Ok(match self.kind {
            ModuleKind::Dense {
                output,
                bias,
                activation,
            } => {
                let mut tensors = Tensors::open(&file()?)?;
                let weight = tensors.take::<B, 2>("linear.weight", [output, width], device)?;
                let bias = match bias {
                    true => Some(tensors.take("linear.bias", [output], device)?),
                    false => None,
                };
                // Training changes the encoder alone.
                PooledModule::Dense(Dense::new(weight.transpose(), bias, activation).no_grad())
            }
            ModuleKind::LayerNorm => {
                let mut tensors = Tensors::open(&file()?)?;
                PooledModule::LayerNorm(PooledLayerNorm {
                    gamma: tensors.take("norm.weight", [width], device)?,
                    beta: tensors.take("norm.bias", [width], device)?,
                })
            }
            ModuleKind::Normalize => PooledModule::Normalize(Normalize),
            ModuleKind::Dropout(probability) => PooledModule::Dropout(Dropout::new(probability)),
        })
    }
}

/// The settings of `Dense`, with the defaults of sentence-transformers.
#[derive(Deserialize)]
struct DenseConfig {
    in_features: usize,
    out_features: usize,
    #[serde(default = "yes")]
    bias: bool,
    activation_function: Option<String>,
    module_input_name: Option<String>,
    module_output_name: Option<String>,
}

const fn yes() -> bool {
    true
}

#[derive(Deserialize)]
struct LayerNormConfig {
    dimension: usize,
}

#[derive(Deserialize)]
struct DropoutConfig {
    dropout: f64,
}

/// The default of sentence-transformers' `Dropout`.
const DROPOUT: f64 = 0.2;

/// What a module reads and writes: the pooled vectors.
const POOLED: &str = "sentence_embedding";

/// The largest width of vectors: far above every model, far below what overflows.
const MAX_WIDTH: usize = 1 << 20;

fn dense(path: &Path, width: usize) -> Result<ModuleKind> {
    let config: DenseConfig = read_json(path)?;
    check_width(path, "in_features", config.in_features, width)?;
    if config.out_features == 0 || config.out_features > MAX_WIDTH {
        let reason = format!("{} is not between 1 and {MAX_WIDTH}", config.out_features);
        return Err(field(path, "out_features", reason));
    }
    for (name, value) in [
        ("module_input_name", &config.module_input_name),
        ("module_output_name", &config.module_output_name),
    ] {
        if let Some(value) = value.as_ref().filter(|value| *value != POOLED) {
            let reason = format!("\"{value}\" is not supported (only \"{POOLED}\")");
            return Err(field(path, name, reason));
        }
    }
    let activation = match &config.activation_function {
        None => DenseActivation::Tanh,
        Some(class) => DenseActivation::of_class(class).ok_or_else(|| {
            let known = DenseActivation::ALL.map(|(name, _)| name).join(", ");
            let reason = format!("\"{class}\" is not supported (only {known} of torch.nn)");
            field(path, "activation_function", reason)
        })?,
    };
    Ok(ModuleKind::Dense {
        output: config.out_features,
        bias: config.bias,
        activation,
    })
}

fn check_width(path: &Path, name: &'static str, found: usize, width: usize) -> Result<()> {
    if found == width {
        return Ok(());
    }
    let reason = format!("{found} differs from the {width} dimensions before this module");
    Err(field(path, name, reason))
}

fn field(path: &Path, field: &'static str, reason: String) -> ModelError {
    ModelError::Field {
        path: path.to_owned(),
        field,
        reason,
    }
}
