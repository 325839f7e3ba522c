//! A `pytorch_model.bin`, read one tensor at a time.

use std::collections::BTreeMap;
use std::io::{Read, Seek};
use std::path::Path;
use std::rc::Rc;

use burn::tensor::{Bytes, DType, TensorData};
use pytorch::{Contents, Dtype, TorchError, TorchFile};

use super::stored_values::StoredValues;
use crate::boxed_error::BoxedError;

/// The tensors of a file by name, with values not yet read.
pub(super) fn open(path: &Path) -> Result<BTreeMap<String, StoredValues>, BoxedError> {
    tensors(TorchFile::open(path)?)
}

/// As [`open`], of an opened file.
pub(crate) fn tensors<F: Read + Seek + 'static>(
    file: TorchFile<F>,
) -> Result<BTreeMap<String, StoredValues>, BoxedError> {
    let Contents::StateDict(tensors) = file.contents().clone() else {
        return Err(TorchError::NoStateDict.into());
    };
    let file = Rc::new(file);
    let stored = |(name, tensor): (String, pytorch::Tensor)| {
        let dtype = burn_dtype(tensor.dtype())
            .ok_or_else(|| format!("`{name}` is of the type {}", tensor.dtype()))?;
        let shape = tensor.shape().to_vec();
        let (file, data_shape) = (Rc::clone(&file), shape.clone());
        let read = move || {
            Ok(if dtype == DType::F32 {
                TensorData::new(file.read_f32(&tensor)?, data_shape.clone())
            } else {
                let bytes = Bytes::from_bytes_vec(file.read_bytes(&tensor)?);
                TensorData::from_bytes(bytes, data_shape.clone(), dtype)
            })
        };
        Ok((name, StoredValues::new(dtype, shape, read)))
    };
    tensors.into_iter().map(stored).collect()
}

fn burn_dtype(dtype: Dtype) -> Option<DType> {
    Some(match dtype {
        Dtype::Float64 => DType::F64,
        Dtype::Float32 => DType::F32,
        Dtype::Float16 => DType::F16,
        Dtype::Bfloat16 => DType::BF16,
        Dtype::Int64 => DType::I64,
        Dtype::Int32 => DType::I32,
        Dtype::Int16 => DType::I16,
        Dtype::Int8 => DType::I8,
        // A mask of a head: no weight is one.
        Dtype::Uint8 | Dtype::Bool => DType::U8,
        _ => return None,
    })
}
