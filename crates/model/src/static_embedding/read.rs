//! Reads the table of a static model: the `StaticEmbedding` of sentence-transformers, or a folder of model2vec.
//!
//! | tensor of `model.safetensors` | whose | content |
//! | --- | --- | --- |
//! | `embedding.weight` | sentence-transformers | the rows, `[tokens, width]` |
//! | `embeddings` | model2vec | the rows, `[rows, width]` |
//! | `weights` | model2vec, optional | a factor for each token |
//! | `mapping` | model2vec, optional | the row of each token; without it, a token's id is its row |

use std::path::{Path, PathBuf};

use burn::tensor::{DType, TensorData};

use super::StaticFormat;
use super::table::Table;
use crate::boxed_error::BoxedError;
use crate::checkpoint::weights_files::{self, FoundTensor};
use crate::error::{ModelError, Result};

pub(super) const ROWS: &str = "embedding.weight";
pub(super) const MODEL2VEC_ROWS: &str = "embeddings";
pub(super) const WEIGHTS: &str = "weights";
const MAPPING: &str = "mapping";

/// The tensors of a table, not yet read.
struct Found {
    path: PathBuf,
    format: StaticFormat,
    width: usize,
    rows: FoundTensor,
    weights: Option<FoundTensor>,
    mapping: Option<FoundTensor>,
}

/// What the header of the weights file says.
pub(super) struct TableShape {
    pub(super) format: StaticFormat,
    pub(super) width: usize,
    /// The number of token ids.
    pub(super) tokens: usize,
    /// The type of the rows.
    pub(super) dtype: DType,
}

/// Reads the header of the weights file.
///
/// # Errors
///
/// When the folder has no weights file, when it is damaged, or when its tensors are not those of a static model; the
/// error names the file and the tensor.
pub(super) fn shape(folder: &Path) -> Result<TableShape> {
    let found = find(folder)?;
    let by_id = found.mapping.as_ref().unwrap_or(&found.rows);
    Ok(TableShape {
        format: found.format,
        width: found.width,
        tokens: by_id.values.shape.first().copied().unwrap_or(0),
        dtype: found.rows.values.dtype,
    })
}

/// Reads the table.
///
/// # Errors
///
/// As [`shape`], and when a number is not finite or the tensors do not fit together.
pub(super) fn table(folder: &Path) -> Result<Table> {
    let found = find(folder)?;
    let values = numbers(&found.rows, found.name())?;
    let weights = found.weights.as_ref();
    let weights = weights.map(|tensor| numbers(tensor, WEIGHTS)).transpose()?;
    let mapping = found.mapping.as_ref().map(indices).transpose()?;
    Table::new(values, found.width, mapping, weights)
        .ok_or_else(|| damaged(&found.path, "its tensors do not fit together".to_owned()))
}

impl Found {
    fn name(&self) -> &'static str {
        match self.format {
            StaticFormat::Model2Vec => MODEL2VEC_ROWS,
            StaticFormat::SentenceTransformers => ROWS,
        }
    }
}

fn find(folder: &Path) -> Result<Found> {
    let path = weights_files::find(folder)?;
    let mut found = weights_files::open(&path)?;
    let (rows, format) = match found.remove(MODEL2VEC_ROWS) {
        Some(rows) => (Some(rows), StaticFormat::Model2Vec),
        None => (found.remove(ROWS), StaticFormat::SentenceTransformers),
    };
    let Some(rows) = rows else {
        return Err(ModelError::MissingTensor {
            path,
            tensor: ROWS.to_owned(),
        });
    };
    let &[_, width] = rows.values.shape.as_slice() else {
        let shape = &rows.values.shape;
        return Err(damaged(
            &path,
            format!("its table has the shape {shape:?}, not [tokens, width]"),
        ));
    };
    let mut optional = |name| match format {
        StaticFormat::Model2Vec => found.remove(name),
        StaticFormat::SentenceTransformers => None,
    };
    let (weights, mapping) = (optional(WEIGHTS), optional(MAPPING));
    if let Some((tensor, _)) = found.into_iter().next() {
        return Err(ModelError::UnexpectedTensor { path, tensor });
    }
    Ok(Found {
        path,
        format,
        width,
        rows,
        weights,
        mapping,
    })
}

/// Finite numbers as float32. A table in int8 has no scale: only the direction of its vectors counts.
fn numbers(tensor: &FoundTensor, name: &str) -> Result<Vec<f32>> {
    let dtype = tensor.values.dtype;
    if !dtype.is_float() && dtype != DType::I8 {
        return Err(ModelError::TensorType {
            path: tensor.path.to_path_buf(),
            tensor: name.to_owned(),
            found: dtype.name().to_owned(),
        });
    }
    let values: Vec<f32> = values(tensor)?.convert::<f32>().iter::<f32>().collect();
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(values),
        Some(index) => Err(ModelError::NonFinite {
            path: tensor.path.to_path_buf(),
            tensor: name.to_owned(),
            index,
            value: values[index],
        }),
    }
}

fn indices(tensor: &FoundTensor) -> Result<Vec<u32>> {
    if tensor.values.dtype.is_float() {
        return Err(damaged(
            &tensor.path,
            format!("`{MAPPING}` does not hold row numbers"),
        ));
    }
    let rows = values(tensor)?;
    rows.iter::<i64>()
        .map(|row| {
            u32::try_from(row)
                .map_err(|_| damaged(&tensor.path, format!("`{MAPPING}` holds the row {row}")))
        })
        .collect()
}

fn values(tensor: &FoundTensor) -> Result<TensorData> {
    tensor.values.read().map_err(|source| ModelError::Weights {
        path: tensor.path.to_path_buf(),
        source,
    })
}

fn damaged(path: &Path, reason: String) -> ModelError {
    ModelError::Weights {
        path: path.to_owned(),
        source: BoxedError::from(reason),
    }
}
