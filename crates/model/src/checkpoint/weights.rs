//! The weights file. Opening it checks names, shapes and types; reading checks the values.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use burn::tensor::{DType, TensorData, f16};
use burn_store::TensorSnapshot;
use burn_store::pytorch::PytorchReader;
use kernels::{Int8Matrix, Precision};

use super::names::{NamedTensor, SCALE_SUFFIX, UNUSED, tensors};
use super::safetensors_file;
use crate::boxed_error::BoxedError;
use crate::config::MpNetConfig;
use crate::error::{ModelError, Result};
use crate::guard::guarded;

pub(super) const SAFETENSORS_FILE: &str = "model.safetensors";
pub(super) const PYTORCH_FILE: &str = "pytorch_model.bin";

/// A weights file with all tensors of the network, not yet read.
pub(super) struct WeightsFile {
    /// In the order of the forward pass.
    pub(super) tensors: Vec<Rc<StoredTensor>>,
    /// Tensors of the published model that no vector depends on.
    pub(super) unused: Vec<Rc<StoredTensor>>,
}

impl WeightsFile {
    /// Checks names, shapes and types; reads no weight.
    pub(super) fn open(path: &Path, config: &MpNetConfig) -> Result<Self> {
        let mut found = read_snapshots(path)?;
        let mut stored = Vec::new();
        for named in tensors(config) {
            let Some(snapshot) = found.remove(&named.checkpoint) else {
                return Err(missing(path, named.checkpoint));
            };
            check_shape(path, &named.checkpoint, &named.shape, &snapshot)?;
            let scales = if named.dense_weight && snapshot.dtype == DType::I8 {
                Some(take_scales(path, &named, &mut found)?)
            } else {
                check_type(path, &named.checkpoint, &snapshot)?;
                None
            };
            stored.push(Rc::new(StoredTensor {
                path: path.to_owned(),
                named,
                snapshot,
                scales,
            }));
        }
        let mut unused = Vec::new();
        for (name, snapshot) in found {
            if !UNUSED.contains(&name.as_str()) {
                return Err(ModelError::UnexpectedTensor {
                    path: path.to_owned(),
                    tensor: name,
                });
            }
            let named = NamedTensor {
                parameter: String::new(),
                dense_weight: false,
                shape: snapshot.shape.iter().copied().collect(),
                checkpoint: name,
            };
            unused.push(Rc::new(StoredTensor {
                path: path.to_owned(),
                named,
                snapshot,
                scales: None,
            }));
        }
        Ok(Self {
            tensors: stored,
            unused,
        })
    }

    /// The precision of the linear layers' weights: [`Precision::Int8`] if one of them is quantized,
    /// [`Precision::Float16`] or [`Precision::Bfloat16`] if all have that type.
    pub(super) fn precision(&self) -> Precision {
        let mut dense = self
            .tensors
            .iter()
            .filter(|tensor| tensor.named.dense_weight);
        if dense.clone().any(|tensor| tensor.scales.is_some()) {
            Precision::Int8
        } else if dense
            .clone()
            .all(|tensor| tensor.snapshot.dtype == DType::F16)
        {
            Precision::Float16
        } else if dense.all(|tensor| tensor.snapshot.dtype == DType::BF16) {
            Precision::Bfloat16
        } else {
            Precision::Float32
        }
    }
}

/// One tensor of a weights file.
pub(super) struct StoredTensor {
    path: PathBuf,
    pub(super) named: NamedTensor,
    snapshot: TensorSnapshot,
    /// Of a quantized weight.
    scales: Option<TensorSnapshot>,
}

impl StoredTensor {
    /// The finite values in float32, upcast or dequantized.
    pub(super) fn floats(&self) -> Result<TensorData> {
        match self.int8()? {
            Some(matrix) => Ok(TensorData::new(
                matrix.dequantize(),
                self.named.shape.clone(),
            )),
            None => self.read_floats(&self.snapshot, &self.named.checkpoint),
        }
    }

    /// As [`floats`](Self::floats), row-major.
    pub(super) fn float_values(&self) -> Result<Vec<f32>> {
        self.floats()?
            .into_vec()
            .map_err(|error| self.damaged(format!("`{}`: {error:?}", self.named.checkpoint).into()))
    }

    /// The values in float16, none of them beyond its range.
    pub(super) fn float16s(&self) -> Result<TensorData> {
        let data = self.floats()?;
        let rounded = data.clone().convert::<f16>();
        let beyond = rounded.iter::<f32>().position(|value| !value.is_finite());
        match beyond {
            None => Ok(rounded),
            Some(index) => Err(ModelError::TooLarge {
                path: self.path.clone(),
                tensor: self.named.checkpoint.clone(),
                index,
                value: data.iter::<f32>().nth(index).unwrap_or(f32::INFINITY),
            }),
        }
    }

    /// A quantized weight as stored; `None` for other tensors.
    fn int8(&self) -> Result<Option<Int8Matrix>> {
        let Some(scales) = &self.scales else {
            return Ok(None);
        };
        let tensor = &self.named.checkpoint;
        let values = self
            .read(&self.snapshot)?
            .into_vec::<i8>()
            .map_err(|error| self.damaged(format!("`{tensor}`: {error:?}").into()))?;
        let name = format!("{tensor}{SCALE_SUFFIX}");
        let scales = self
            .read_floats(scales, &name)?
            .into_vec::<f32>()
            .map_err(|error| self.damaged(format!("`{name}`: {error:?}").into()))?;
        let input = self.named.shape.last().copied().unwrap_or(0);
        let matrix = Int8Matrix::new(values, scales, input)
            .ok_or_else(|| self.damaged(format!("`{tensor}` has not as many values").into()))?;
        Ok(Some(matrix))
    }

    /// The weight of a linear layer in int8: as stored, or quantized now.
    pub(super) fn quantized(&self) -> Result<Int8Matrix> {
        if let Some(matrix) = self.int8()? {
            return Ok(matrix);
        }
        let input = self.named.shape.last().copied().unwrap_or(0);
        Ok(Int8Matrix::quantize(&self.float_values()?, input))
    }

    fn read_floats(&self, snapshot: &TensorSnapshot, name: &str) -> Result<TensorData> {
        let data = self.read(snapshot)?.convert::<f32>();
        let values = data
            .as_slice::<f32>()
            .map_err(|error| self.damaged(format!("`{name}`: {error:?}").into()))?;
        match first_not_finite(values) {
            None => Ok(data),
            Some(index) => Err(ModelError::NonFinite {
                path: self.path.clone(),
                tensor: name.to_owned(),
                index,
                value: values[index],
            }),
        }
    }

    fn read(&self, snapshot: &TensorSnapshot) -> Result<TensorData> {
        guarded(|| snapshot.to_data()).map_err(|source| self.damaged(source))
    }

    fn damaged(&self, source: BoxedError) -> ModelError {
        ModelError::Weights {
            path: self.path.clone(),
            source,
        }
    }
}

/// Position of the first infinity or NaN.
fn first_not_finite(values: &[f32]) -> Option<usize> {
    /// Values per block, which SIMD instructions check together. A search that may stop anywhere is not
    /// vectorized and took a tenth of the loading time.
    const TOGETHER: usize = 4096;
    let suspicious = |values: &[f32]| {
        let sum = |any, value: &f32| any | !value.is_finite();
        values.iter().fold(false, sum)
    };
    let chunk = values.chunks(TOGETHER).position(suspicious)?;
    let start = chunk * TOGETHER;
    let within = values[start..]
        .iter()
        .position(|value| !value.is_finite())?;
    Some(start + within)
}

/// The tensors of a file by name, with values not yet read.
fn read_snapshots(path: &Path) -> Result<BTreeMap<String, TensorSnapshot>> {
    let damaged = |source: BoxedError| ModelError::Weights {
        path: path.to_owned(),
        source,
    };
    if path
        .extension()
        .is_some_and(|extension| extension == "safetensors")
    {
        return safetensors_file::open(path).map_err(damaged);
    }
    let reader = guarded(|| PytorchReader::new(path)).map_err(damaged)?;
    Ok(reader.into_tensors().into_iter().collect())
}

/// The scales of a quantized weight, one per output: `[outputs]` or `[outputs, 1]`.
fn take_scales(
    path: &Path,
    weight: &NamedTensor,
    found: &mut BTreeMap<String, TensorSnapshot>,
) -> Result<TensorSnapshot> {
    let name = format!("{}{SCALE_SUFFIX}", weight.checkpoint);
    let Some(scales) = found.remove(&name) else {
        return Err(missing(path, name));
    };
    let outputs = &weight.shape[..1];
    if scales.shape.iter().ne(outputs) {
        check_shape(path, &name, &[outputs, &[1]].concat(), &scales)?;
    }
    check_type(path, &name, &scales)?;
    Ok(scales)
}

fn missing(path: &Path, tensor: String) -> ModelError {
    ModelError::MissingTensor {
        path: path.to_owned(),
        tensor,
    }
}

fn check_shape(
    path: &Path,
    tensor: &str,
    expected: &[usize],
    snapshot: &TensorSnapshot,
) -> Result<()> {
    let found: Vec<usize> = snapshot.shape.iter().copied().collect();
    if found == expected {
        return Ok(());
    }
    Err(ModelError::TensorShape {
        path: path.to_owned(),
        tensor: tensor.to_owned(),
        expected: expected.to_vec(),
        found,
    })
}

fn check_type(path: &Path, tensor: &str, snapshot: &TensorSnapshot) -> Result<()> {
    match snapshot.dtype {
        DType::F64 | DType::F32 | DType::F16 | DType::BF16 => Ok(()),
        other => Err(ModelError::TensorType {
            path: path.to_owned(),
            tensor: tensor.to_owned(),
            found: format!("{other:?}"),
        }),
    }
}
