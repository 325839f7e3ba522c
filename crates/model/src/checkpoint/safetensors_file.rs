//! A safetensors file, read one tensor at a time.
//!
//! burn-store maps such a file into memory, so that loading takes the memory of its pages and of the
//! tensors: twice the size of the model. Reading each tensor into its own buffer takes the size of the model
//! and one tensor.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::rc::Rc;
use std::sync::{Mutex, PoisonError};

use burn::tensor::{Bytes, DType, TensorData};
use safetensors::tensor::{Dtype, Metadata};

use super::stored_values::StoredValues;
use crate::boxed_error::BoxedError;

/// Bytes of the header's length, which precedes the header.
const LENGTH_BYTES: u64 = 8;

/// Maximum length of the header by the format.
const MAX_HEADER_BYTES: u64 = 100_000_000;

/// The tensors of a file by name, with values not yet read.
pub(super) fn open(path: &Path) -> Result<BTreeMap<String, StoredValues>, BoxedError> {
    let file = File::open(path)?;
    let file_bytes = file.metadata()?.len();
    tensors(file, file_bytes)
}

/// As [`open`], from anything that can be read at any position and is `file_bytes` long.
pub(crate) fn tensors<F: Read + Seek + 'static>(
    mut file: F,
    file_bytes: u64,
) -> Result<BTreeMap<String, StoredValues>, BoxedError> {
    let mut length = [0; LENGTH_BYTES as usize];
    file.read_exact(&mut length)?;
    let header_bytes = u64::from_le_bytes(length);
    if header_bytes > MAX_HEADER_BYTES.min(file_bytes.saturating_sub(LENGTH_BYTES)) {
        return Err(format!("its header cannot be {header_bytes} bytes long").into());
    }
    let mut header = vec![0; header_bytes as usize];
    file.read_exact(&mut header)?;
    // `Metadata` checks that the tensors are contiguous and fit their shapes.
    let header: Metadata = serde_json::from_slice(&header)?;
    let start = LENGTH_BYTES + header_bytes;
    let data_bytes = header.data_len() as u64;
    if start.checked_add(data_bytes) != Some(file_bytes) {
        let text = format!(
            "it is {file_bytes} bytes long where its header speaks of {start} and {data_bytes}"
        );
        return Err(text.into());
    }

    let file = Rc::new(Mutex::new(file));
    let mut tensors = BTreeMap::new();
    for (name, tensor) in header.tensors() {
        let dtype = burn_dtype(tensor.dtype)
            .ok_or_else(|| format!("`{name}` is of the type {:?}", tensor.dtype))?;
        let shape = tensor.shape.clone();
        let (first, end) = tensor.data_offsets;
        let (file, data_shape) = (Rc::clone(&file), shape.clone());
        let read = move || {
            let (position, length) = (start + first as u64, end - first);
            Ok(if dtype == DType::F32 {
                // Directly into floats: no further copy.
                let mut values = vec![0.0f32; length / size_of::<f32>()];
                read_at(&file, position, bytemuck::cast_slice_mut(&mut values))?;
                TensorData::new(values, data_shape.clone())
            } else {
                let mut bytes = vec![0; length];
                read_at(&file, position, &mut bytes)?;
                let bytes = Bytes::from_bytes_vec(bytes);
                TensorData::from_bytes(bytes, data_shape.clone(), dtype)
            })
        };
        tensors.insert(name, StoredValues::new(dtype, shape, read));
    }
    Ok(tensors)
}

fn read_at(file: &Mutex<impl Read + Seek>, position: u64, bytes: &mut [u8]) -> io::Result<()> {
    let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
    file.seek(SeekFrom::Start(position))?;
    file.read_exact(bytes)
}

fn burn_dtype(dtype: Dtype) -> Option<DType> {
    Some(match dtype {
        Dtype::F64 => DType::F64,
        Dtype::F32 => DType::F32,
        Dtype::F16 => DType::F16,
        Dtype::BF16 => DType::BF16,
        Dtype::I64 => DType::I64,
        Dtype::I32 => DType::I32,
        Dtype::I16 => DType::I16,
        Dtype::I8 => DType::I8,
        Dtype::U64 => DType::U64,
        Dtype::U32 => DType::U32,
        Dtype::U16 => DType::U16,
        Dtype::U8 => DType::U8,
        _ => return None,
    })
}
