//! What can go wrong between a name and a vector.

use std::path::{Path, PathBuf};

use kernels::Precision;

use crate::backend::DeviceError;
use crate::boxed_error::BoxedError;
use crate::hub::error::HubError;

/// Result of this crate.
pub type Result<T> = std::result::Result<T, ModelError>;

/// Everything this crate can fail with. Each names the file and the field or tensor at fault and
/// keeps its source.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is not the JSON it should be. The message begins with the field, where one is at fault.
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
        /// What is wrong with its value.
        reason: String,
    },
    /// `modules.json` asks for a module that is not implemented here.
    #[error(
        "{}: module {index} has the type `{module_type}`, which is not supported (only a Transformer, then a Pooling, then \
         optionally a Normalize)",
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
    /// The folder has neither `model.safetensors` nor `pytorch_model.bin`.
    #[error("{}: holds neither model.safetensors nor pytorch_model.bin", folder.display())]
    NoWeights {
        /// The folder.
        folder: PathBuf,
    },
    /// The device has no such precision.
    #[error(
        "{device} computes in {}: --precision {precision} is for {}",
        alternatives(possible),
        devices_with(*precision)
    )]
    Precision {
        /// What was asked for.
        precision: Precision,
        /// Where.
        device: String,
        /// What that device computes in.
        possible: Vec<Precision>,
    },
    /// The weights file is damaged or not of its format.
    #[error("{}: cannot read the weights: {source}", path.display())]
    Weights {
        /// The file.
        path: PathBuf,
        /// Why.
        source: BoxedError,
    },
    /// A tensor that the network needs is not in the file.
    #[error("{}: tensor `{tensor}` is missing", path.display())]
    MissingTensor {
        /// The file.
        path: PathBuf,
        /// Its name.
        tensor: String,
    },
    /// The file holds a tensor that the network has no place for.
    #[error("{}: tensor `{tensor}` does not belong to this network", path.display())]
    UnexpectedTensor {
        /// The file.
        path: PathBuf,
        /// Its name.
        tensor: String,
    },
    /// A tensor has another shape than `config.json` gives it.
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
    /// A tensor holds a number that float16 does not reach.
    #[error(
        "{}: tensor `{tensor}` holds {value} at position {index}, and f16 ends at 65504; choose bf16",
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
        /// What was asked for.
        asked: usize,
        /// The least that leaves room for a token beside the special ones.
        smallest: usize,
        /// The most that the model's positions hold.
        largest: usize,
    },
    /// More or fewer dimensions than the vectors have were asked for.
    #[error("{asked} dimensions cannot be kept: the vectors have {width}")]
    Dimensions {
        /// What was asked for.
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
    /// A model folder could neither be replaced nor put back where it was.
    #[error(
        "{}: cannot be replaced: {source}; the model that was there is kept in {}",
        path.display(),
        kept.display()
    )]
    NotPutBack {
        /// The folder.
        path: PathBuf,
        /// Where its content is now.
        kept: PathBuf,
        /// Why it could not be replaced.
        source: std::io::Error,
    },
    /// The model's name did not become a folder.
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
    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            source,
        }
    }
}

/// "f32 alone", "f32 or f16", "f32, bf16 or int8".
fn alternatives(possible: &[Precision]) -> String {
    let words: Vec<String> = possible.iter().map(Precision::to_string).collect();
    match words.as_slice() {
        [] => "nothing".to_owned(),
        [one] => format!("{one} alone"),
        [others @ .., last] => format!("{} or {last}", others.join(", ")),
    }
}

/// Which devices may have it.
fn devices_with(precision: Precision) -> &'static str {
    match precision {
        Precision::Float16 => "the device cuda, and wgpu where the adapter has shaders of 16 bits",
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
             where the adapter has shaders of 16 bits"
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
            "ndarray computes in f32 alone: --precision int8 is for the device cpu"
        );
    }
}
