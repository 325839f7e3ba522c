//! The errors of this crate.

use std::path::{Path, PathBuf};

use kernels::Precision;

use crate::backend::DeviceError;
use crate::boxed_error::BoxedError;
use crate::hub::error::HubError;
use crate::router_error::RouterError;

/// Result of this crate.
pub(crate) type Result<T> = std::result::Result<T, ModelError>;

/// An error of this crate. Each names the file and the field or tensor at fault and keeps its source.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
    /// A file is not the expected JSON. The message begins with the field, if one is at fault.
    #[error("{}: not valid JSON for this file: {source}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: serde_path_to_error::Error<serde_json::Error>,
    },
    /// A field holds a value that cannot be used.
    #[error("{}: field `{field}`: {reason}", path.display())]
    Field {
        /// The file.
        path: PathBuf,
        /// The field.
        field: &'static str,
        /// Why its value cannot be used.
        reason: String,
    },
    /// `modules.json` names an unsupported module.
    #[error(
        "{}: module {index} has the type `{module_type}`, which is not supported (only a Transformer, then a Pooling, then \
         any of Dense, LayerNorm, Dropout and Normalize; a Router only as the first module)",
        path.display()
    )]
    UnsupportedModule {
        /// The file.
        path: PathBuf,
        /// Position in the list.
        index: usize,
        /// The type as written.
        module_type: String,
    },
    /// A model with a Router cannot be used so.
    #[error(transparent)]
    Router(#[from] RouterError),
    /// The folder has no weights file: `model.safetensors` or `pytorch_model.bin`, or the index of its shards.
    #[error("{}: holds neither model.safetensors nor pytorch_model.bin, nor the index of its shards", folder.display())]
    NoWeights {
        /// The folder.
        folder: PathBuf,
    },
    /// The folder has neither `tokenizer.json` nor `vocab.txt`.
    #[error(
        "{}: holds neither tokenizer.json nor vocab.txt; copy tokenizer.json from the model's base model, \
         or write it with Python: AutoTokenizer.from_pretrained(\"BASE\").save_pretrained(\"FOLDER\")",
        folder.display()
    )]
    NoTokenizer {
        /// The folder.
        folder: PathBuf,
    },
    /// The model has no prompt with this name.
    #[error("the model has no prompt `{name}`; its prompts are: {}", known.join(", "))]
    UnknownPrompt {
        /// The name.
        name: String,
        /// The names that there are.
        known: Vec<String>,
    },
    /// The device does not compute in this precision.
    #[error(
        "{device} computes in {}: --precision {precision} is for {}",
        alternatives(possible),
        devices_with(*precision)
    )]
    Precision {
        /// The requested precision.
        precision: Precision,
        /// The device.
        device: String,
        /// The precisions of that device.
        possible: Vec<Precision>,
    },
    /// A static model computes in float32.
    #[error("a static model computes in f32: leave --precision {precision} out")]
    StaticPrecision {
        /// The requested precision.
        precision: Precision,
    },
    /// The folder of a static model cannot have its table in this precision.
    #[error(
        "a table in {precision} cannot be written for {format}; give f32, f16 or bf16, or --static-format model2vec"
    )]
    StaticTable {
        /// The requested precision.
        precision: Precision,
        /// The library whose format was asked for.
        format: &'static str,
    },
    /// The weights file is damaged or not of its format.
    #[error("{}: cannot read the weights: {source}", path.display())]
    Weights {
        /// The file.
        path: PathBuf,
        /// Why.
        source: BoxedError,
    },
    /// The text file that Git stores in place of a large file.
    #[error("{}: this is a Git LFS pointer, not the file itself; run `git lfs pull`", path.display())]
    GitLfsPointer {
        /// The file.
        path: PathBuf,
    },
    /// A file of weights that the index lists is not there.
    #[error("{}: is missing, but {} lists it", path.display(), index.display())]
    MissingShard {
        /// The file.
        path: PathBuf,
        /// The index.
        index: PathBuf,
    },
    /// A file of weights holds a tensor that the index does not expect there.
    #[error(
        "{}: holds the tensor `{tensor}`, which {} {}",
        path.display(),
        index.display(),
        listed.as_ref().map_or("does not list".to_owned(), |listed| format!("lists in {listed:?}"))
    )]
    WrongShard {
        /// The file.
        path: PathBuf,
        /// Name of the tensor.
        tensor: String,
        /// The index.
        index: PathBuf,
        /// The file of the tensor by the index.
        listed: Option<String>,
    },
    /// The weights file holds several networks, whose names begin differently.
    #[error(
        "{}: holds several models, `{}…` and `{}…`; save the one that you want alone",
        path.display(),
        prefixes[0],
        prefixes[1]
    )]
    SeveralModels {
        /// The file.
        path: PathBuf,
        /// The starts of the names of two of them.
        prefixes: [String; 2],
    },
    /// A tensor of the network is not in the file.
    #[error("{}: tensor `{tensor}` is missing", path.display())]
    MissingTensor {
        /// The file.
        path: PathBuf,
        /// Its name.
        tensor: String,
    },
    /// The file holds a tensor that does not belong to the network.
    #[error("{}: tensor `{tensor}` does not belong to this network", path.display())]
    UnexpectedTensor {
        /// The file.
        path: PathBuf,
        /// Its name.
        tensor: String,
    },
    /// A tensor does not have the shape that follows from `config.json`.
    #[error("{}: tensor `{tensor}` has the shape {found:?} where config.json makes it {expected:?}", path.display())]
    TensorShape {
        /// The file.
        path: PathBuf,
        /// Its name.
        tensor: String,
        /// By `config.json`.
        expected: Vec<usize>,
        /// In the file.
        found: Vec<usize>,
    },
    /// A tensor does not hold floating-point numbers.
    #[error("{}: tensor `{tensor}` holds {found} instead of floating-point numbers", path.display())]
    TensorType {
        /// The file.
        path: PathBuf,
        /// Its name.
        tensor: String,
        /// The element type in the file.
        found: String,
    },
    /// A tensor holds a NaN or an infinity.
    #[error("{}: tensor `{tensor}` holds {value} at position {index}", path.display())]
    NonFinite {
        /// The file.
        path: PathBuf,
        /// Its name.
        tensor: String,
        /// Position in row-major order.
        index: usize,
        /// The value.
        value: f32,
    },
    /// A tensor holds a value beyond the range of float16.
    #[error(
        "{}: tensor `{tensor}` holds {value} at position {index}, beyond the f16 maximum 65504; choose bf16",
        path.display()
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its name.
        tensor: String,
        /// Position in row-major order.
        index: usize,
        /// The value.
        value: f32,
    },
    /// `tokenizer.json` does not describe a tokenizer.
    #[error("{}: not a tokenizer: {source}", path.display())]
    Tokenizer {
        /// The file.
        path: PathBuf,
        /// Why.
        source: BoxedError,
    },
    /// A text could not be tokenized.
    #[error("cannot tokenize a text: {source}")]
    Tokenize {
        /// Why.
        source: BoxedError,
    },
    /// A maximum length that the model cannot have.
    #[error(
        "a maximum length of {asked} tokens is not possible: this model takes {smallest} to {largest}"
    )]
    MaxLength {
        /// The requested length.
        asked: usize,
        /// The minimum, which leaves room for a token between the special ones.
        smallest: usize,
        /// The maximum by the positions of the model.
        largest: usize,
    },
    /// The vectors do not have the requested number of dimensions.
    #[error("{asked} dimensions are not possible: the vectors have {width}")]
    Dimensions {
        /// The requested number.
        asked: usize,
        /// Width of the model's vectors.
        width: usize,
    },
    /// A folder to be written exists and is not a model.
    #[error("{}: exists and is not a model folder, so it is not overwritten; choose another folder", path.display())]
    FolderInUse {
        /// The folder.
        path: PathBuf,
    },
    /// A model folder could be neither replaced nor restored.
    #[error(
        "{}: cannot be replaced: {source}; the model that was there is kept in {}",
        path.display(),
        kept.display()
    )]
    NotPutBack {
        /// The folder.
        path: PathBuf,
        /// The present place of its content.
        kept: PathBuf,
        /// Why it could not be replaced.
        source: std::io::Error,
    },
    /// The model was not found.
    #[error(transparent)]
    Hub(HubError),
    /// The device cannot be used.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The device failed while computing.
    #[error("the {device} device failed: {source}")]
    Compute {
        /// The device.
        device: String,
        /// Why.
        source: BoxedError,
    },
    /// The progress callback asked to stop.
    #[error("interrupted")]
    Interrupted,
}

impl From<HubError> for ModelError {
    fn from(error: HubError) -> Self {
        match error {
            HubError::Interrupted => Self::Interrupted,
            error => Self::Hub(error),
        }
    }
}

impl ModelError {
    /// Whether another setting of the caller would mend it, not another model or machine.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Precision { .. }
            | Self::StaticPrecision { .. }
            | Self::StaticTable { .. }
            | Self::MaxLength { .. }
            | Self::Dimensions { .. }
            | Self::UnknownPrompt { .. }
            | Self::Router(RouterError::NoRoute { .. })
            | Self::FolderInUse { .. }
            | Self::Hub(HubError::Revision { .. }) => true,
            Self::Device(error) => error.is_usage(),
            _ => false,
        }
    }

    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            source,
        }
    }
}

/// "f32 only", "f32 or f16", "f32, bf16 or int8".
fn alternatives(possible: &[Precision]) -> String {
    let words: Vec<String> = possible.iter().map(Precision::to_string).collect();
    match words.as_slice() {
        [] => "nothing".to_owned(),
        [one] => format!("{one} only"),
        [others @ .., last] => format!("{} or {last}", others.join(", ")),
    }
}

/// The devices that may compute in it.
fn devices_with(precision: Precision) -> &'static str {
    match precision {
        Precision::Float16 => "the device cuda, and wgpu if the adapter supports f16 shaders",
        Precision::Bfloat16 => "the devices cpu and cuda",
        Precision::Int8 => "the device cpu",
        _ => "every device",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_precision_says_what_there_is_and_where_it_would_be() {
        let message = |device: &str, precision, possible: &[Precision]| {
            let error = ModelError::Precision {
                precision,
                device: device.to_owned(),
                possible: possible.to_vec(),
            };
            error.to_string()
        };
        let cpu = [Precision::Float32, Precision::Bfloat16, Precision::Int8];
        assert_eq!(
            message("cpu", Precision::Float16, &cpu),
            "cpu computes in f32, bf16 or int8: --precision f16 is for the device cuda, and wgpu \
             if the adapter supports f16 shaders"
        );
        assert_eq!(
            message(
                "wgpu",
                Precision::Bfloat16,
                &[Precision::Float32, Precision::Float16]
            ),
            "wgpu computes in f32 or f16: --precision bf16 is for the devices cpu and cuda"
        );
        assert_eq!(
            message("ndarray", Precision::Int8, &cpu[..1]),
            "ndarray computes in f32 only: --precision int8 is for the device cpu"
        );
    }
}
