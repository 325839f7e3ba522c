//! The weights of a model. Opening them checks names, shapes and types; reading checks the values.

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use burn::tensor::{DType, TensorData, f16};
use kernels::{Int8Matrix, Precision};

use super::stored_values::StoredValues;
use super::weights_files::{self, FoundTensor};
use crate::architecture::EncoderConfig;
use crate::architecture::tensors::{NamedTensor, tensors};
use crate::boxed_error::BoxedError;
use crate::error::{ModelError, Result};

/// Suffix of the scales of a quantized weight.
pub(super) const SCALE_SUFFIX: &str = "_scale";

/// The weights of all tensors of the network, not yet read.
pub(super) struct WeightsFile {
    /// In the order of the forward pass.
    pub(super) tensors: Vec<Rc<StoredTensor>>,
    /// Tensors of the published model that no vector depends on.
    pub(super) unused: Vec<Rc<StoredTensor>>,
    /// Names of tensors of heads, which are not part of the network.
    pub(super) ignored: Vec<String>,
}

impl WeightsFile {
    /// Checks names, shapes and types; reads no weight. `path` is a weights file or an index of shards.
    ///
    /// All tensors of the network may have one prefix, such as `mpnet.` or `0.auto_model.`. A LayerNorm may have the
    /// parameters `gamma` and `beta`, as in the first files of BERT.
    pub(super) fn open(path: &Path, config: &EncoderConfig) -> Result<Self> {
        let mut found = renamed(weights_files::open(path)?);
        let names = config.names();
        let prefix = prefix(path, &found, &format!("{}.weight", names.words))?;
        let mut stored = Vec::new();
        for named in tensors(config) {
            let name = format!("{prefix}{}", named.checkpoint);
            // Parts of one tensor follow each other.
            let Some(FoundTensor { path, values }) = (match &named.rows {
                Some(rows) if rows.end < named.shape[0] => found.get(&name).cloned(),
                _ => found.remove(&name),
            }) else {
                return Err(missing(path, name));
            };
            check_shape(&path, &name, &named.shape, &values)?;
            let scales = if named.dense_weight && values.dtype == DType::I8 {
                Some(take_scales(&path, &name, &named, &mut found)?)
            } else {
                check_type(&path, &name, &values)?;
                None
            };
            stored.push(Rc::new(StoredTensor {
                path,
                name,
                named,
                values,
                scales,
            }));
        }
        let mut unused = Vec::new();
        let mut ignored = Vec::new();
        for (name, FoundTensor { path, values }) in found {
            let within = name.strip_prefix(&prefix).unwrap_or_default();
            if names.unused.contains(&within) {
                let named = NamedTensor {
                    parameter: String::new(),
                    rows: None,
                    dense_weight: false,
                    shape: values.shape.clone(),
                    checkpoint: within.to_owned(),
                };
                unused.push(Rc::new(StoredTensor {
                    path,
                    name,
                    named,
                    values,
                    scales: None,
                }));
            } else if is_of_head(&name, &prefix, names.heads) {
                ignored.push(name);
            } else {
                return Err(ModelError::UnexpectedTensor {
                    path: path.to_path_buf(),
                    tensor: name,
                });
            }
        }
        check_size(path, &stored)?;
        Ok(Self {
            tensors: stored,
            unused,
            ignored,
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
            .all(|tensor| tensor.values.dtype == DType::F16)
        {
            Precision::Float16
        } else if dense.all(|tensor| tensor.values.dtype == DType::BF16) {
            Precision::Bfloat16
        } else {
            Precision::Float32
        }
    }
}

/// One tensor of a weights file.
pub(super) struct StoredTensor {
    path: Rc<Path>,
    /// In the file.
    name: String,
    pub(super) named: NamedTensor,
    values: StoredValues,
    /// Of a quantized weight.
    scales: Option<Scales>,
}

/// The scales of a quantized weight.
struct Scales {
    name: String,
    values: StoredValues,
}

impl StoredTensor {
    /// The finite values in float32, upcast or dequantized.
    pub(super) fn floats(&self) -> Result<TensorData> {
        match self.int8()? {
            Some(matrix) => Ok(TensorData::new(
                matrix.dequantize(),
                self.named.part_shape(),
            )),
            None => Ok(self.part(self.read_floats(&self.values, &self.name)?)),
        }
    }

    /// As [`floats`](Self::floats), row-major.
    pub(super) fn float_values(&self) -> Result<Vec<f32>> {
        self.floats()?
            .into_vec()
            .map_err(|error| self.damaged(format!("`{}`: {error:?}", self.name).into()))
    }

    /// The values in float16, none of them beyond its range.
    pub(super) fn float16s(&self) -> Result<TensorData> {
        let data = self.floats()?;
        let rounded = data.clone().convert::<f16>();
        let beyond = rounded.iter::<f32>().position(|value| !value.is_finite());
        match beyond {
            None => Ok(rounded),
            Some(index) => Err(ModelError::TooLarge {
                path: self.path.to_path_buf(),
                tensor: self.name.clone(),
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
        let tensor = &self.name;
        let values = self
            .part(self.read(&self.values)?)
            .into_vec::<i8>()
            .map_err(|error| self.damaged(format!("`{tensor}`: {error:?}").into()))?;
        let name = &scales.name;
        let scales = self
            .part(self.read_floats(&scales.values, name)?)
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

    /// The rows of a tensor that the parameter takes.
    fn part(&self, data: TensorData) -> TensorData {
        let Some(rows) = &self.named.rows else {
            return data;
        };
        let of_row = data.bytes.len() / data.shape.first().copied().unwrap_or(1).max(1);
        let mut shape = data.shape.to_vec();
        if let Some(length) = shape.first_mut() {
            *length = rows.len();
        }
        let bytes = data.bytes[rows.start * of_row..rows.end * of_row].to_vec();
        TensorData::from_bytes_vec(bytes, shape, data.dtype)
    }

    fn read_floats(&self, values: &StoredValues, name: &str) -> Result<TensorData> {
        let data = self.read(values)?.convert::<f32>();
        let values = data
            .as_slice::<f32>()
            .map_err(|error| self.damaged(format!("`{name}`: {error:?}").into()))?;
        match first_not_finite(values) {
            None => Ok(data),
            Some(index) => Err(ModelError::NonFinite {
                path: self.path.to_path_buf(),
                tensor: name.to_owned(),
                index,
                value: values[index],
            }),
        }
    }

    fn read(&self, values: &StoredValues) -> Result<TensorData> {
        values.read().map_err(|source| self.damaged(source))
    }

    fn damaged(&self, source: BoxedError) -> ModelError {
        ModelError::Weights {
            path: self.path.to_path_buf(),
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

/// The tensors with `weight` and `bias` for the `gamma` and `beta` of a LayerNorm.
fn renamed(found: BTreeMap<String, FoundTensor>) -> BTreeMap<String, FoundTensor> {
    let renamed = |name: String| {
        for (old, new) in [("gamma", "weight"), ("beta", "bias")] {
            if let Some(norm) = name
                .strip_suffix(old)
                .filter(|name| name.ends_with("LayerNorm."))
            {
                return format!("{norm}{new}");
            }
        }
        name
    };
    found
        .into_iter()
        .map(|(name, tensor)| (renamed(name), tensor))
        .collect()
}

/// The start of all names of the network, which has the table `words`: empty, or that of a model in another, such as
/// `mpnet.`.
fn prefix(path: &Path, found: &BTreeMap<String, FoundTensor>, words: &str) -> Result<String> {
    if found.contains_key(words) {
        return Ok(String::new());
    }
    let is_prefix = |prefix: &&str| prefix.ends_with('.');
    let mut prefixes = found
        .keys()
        .filter_map(|name| name.strip_suffix(words))
        .filter(is_prefix);
    match (prefixes.next(), prefixes.next()) {
        (None, _) => Err(missing(path, words.to_owned())),
        (Some(prefix), None) => Ok(prefix.to_owned()),
        (Some(one), Some(other)) => Err(ModelError::SeveralModels {
            path: path.to_owned(),
            prefixes: [one.to_owned(), other.to_owned()],
        }),
    }
}

/// Whether a tensor is of a head beside the network, or beside a model around it.
fn is_of_head(name: &str, prefix: &str, heads: &[&str]) -> bool {
    let ends = prefix.match_indices('.').map(|(dot, _)| dot + 1);
    std::iter::once(0).chain(ends).any(|end| {
        let beside = name.strip_prefix(&prefix[..end]);
        beside.is_some_and(|name| heads.iter().any(|head| name.starts_with(head)))
    })
}

/// Tensors of torch.save may share values. They must not take much more memory than their files.
fn check_size(path: &Path, tensors: &[Rc<StoredTensor>]) -> Result<()> {
    const MOST_ABOVE: u64 = 64 << 20;
    let mut files: Vec<&Path> = tensors.iter().map(|tensor| &*tensor.path).collect();
    files.sort_unstable();
    files.dedup();
    let mut available = MOST_ABOVE;
    for file in files {
        let metadata = std::fs::metadata(file).map_err(|source| ModelError::io(file, source))?;
        available = available.saturating_add(metadata.len());
    }
    let bytes = |tensor: &Rc<StoredTensor>| tensor.values.bytes();
    let needed = tensors.iter().map(bytes).fold(0, u64::saturating_add);
    if needed <= available {
        return Ok(());
    }
    let text = format!("its tensors share values, and would take {needed} bytes of memory");
    Err(ModelError::Weights {
        path: path.to_owned(),
        source: text.into(),
    })
}

/// The scales of a quantized weight, one per output: `[outputs]` or `[outputs, 1]`.
fn take_scales(
    path: &Path,
    weight: &str,
    named: &NamedTensor,
    found: &mut BTreeMap<String, FoundTensor>,
) -> Result<Scales> {
    let name = format!("{weight}{SCALE_SUFFIX}");
    let Some(FoundTensor { values, path }) = (match &named.rows {
        Some(rows) if rows.end < named.shape[0] => found.get(&name).cloned(),
        _ => found.remove(&name),
    }) else {
        return Err(missing(path, name));
    };
    let outputs = &named.shape[..1];
    if values.shape != outputs {
        check_shape(&path, &name, &[outputs, &[1]].concat(), &values)?;
    }
    check_type(&path, &name, &values)?;
    Ok(Scales { name, values })
}

fn missing(path: &Path, tensor: String) -> ModelError {
    ModelError::MissingTensor {
        path: path.to_owned(),
        tensor,
    }
}

fn check_shape(path: &Path, tensor: &str, expected: &[usize], values: &StoredValues) -> Result<()> {
    if values.shape == expected {
        return Ok(());
    }
    Err(ModelError::TensorShape {
        path: path.to_owned(),
        tensor: tensor.to_owned(),
        expected: expected.to_vec(),
        found: values.shape.clone(),
    })
}

pub(super) fn check_type(path: &Path, tensor: &str, values: &StoredValues) -> Result<()> {
    match values.dtype {
        DType::F64 | DType::F32 | DType::F16 | DType::BF16 => Ok(()),
        other => Err(ModelError::TensorType {
            path: path.to_owned(),
            tensor: tensor.to_owned(),
            found: format!("{other:?}"),
        }),
    }
}
