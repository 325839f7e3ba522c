//! The safetensors format: one tensor, with ids and provenance in the metadata.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

use program::AtomicFile;
use serde::Serialize;

use super::error::{VectorFileErrorKind, check_output_type, malformed, not_vectors};
use super::provenance::KEY;
use super::values::{Element, Matrix, TENSOR, Vectors, read_matrix};
use super::windows::Windows;
use super::{FileForm, VectorError};

/// The key of the ids in the metadata; its value is a JSON array of strings.
const IDS: &str = "ids";

/// The most bytes of a header that the library reads.
const MAX_HEADER_BYTES: u64 = 100_000_000;

/// Bytes of the length before the header.
const LENGTH_BYTES: u64 = 8;

/// The most bytes of the ids in a header, so that it has room for the rest.
const MAX_IDS_BYTES: usize = 95_000_000;

/// Values start at a multiple of this, as the format asks for.
const ALIGNMENT: usize = 8;

/// Writes all windows. The header holds their number and their ids, so they pass twice.
pub(super) fn write(
    out: &mut BufWriter<AtomicFile>,
    form: &FileForm,
    windows: &mut dyn Windows,
) -> Result<u64, VectorError> {
    let target = out.get_ref().target().to_owned();
    let io = VectorError::io(&target);
    let mut rows = 0u64;
    // A JSON array without its closing bracket, and its length as a string in JSON.
    let mut ids = "[".to_owned();
    let mut escaped = 0;
    windows.for_each(&mut |window, _| {
        rows += window.len() as u64;
        for row in window.iter().filter(|_| form.with_ids) {
            let id = json(row.id.as_deref().unwrap_or_default()).map_err(io)?;
            let comma = if ids.len() > 1 { "," } else { "" };
            ids.extend([comma, &id]);
            escaped += 1 + id.len() + id.matches(['"', '\\']).count();
        }
        if escaped > MAX_IDS_BYTES {
            let path = target.clone();
            return Err(VectorError::TooManyIds { path });
        }
        Ok(())
    })?;
    let ids = form.with_ids.then(|| ids + "]");
    let header = header(form, rows, ids).map_err(io)?;
    out.write_all(&(header.len() as u64).to_le_bytes())
        .and_then(|()| out.write_all(header.as_bytes()))
        .map_err(io)?;
    let mut bytes = Vec::new();
    windows.for_each(&mut |_, values| {
        bytes.clear();
        form.append(values, &mut bytes);
        out.write_all(&bytes).map_err(io)
    })?;
    Ok(rows)
}

/// The header, filled with spaces as the format allows.
fn header(form: &FileForm, rows: u64, ids: Option<String>) -> io::Result<String> {
    let mut metadata = BTreeMap::from([("format", "pt".to_owned())]);
    if let Some(provenance) = &form.provenance {
        metadata.insert(KEY, json(provenance)?);
    }
    if let Some(ids) = ids {
        metadata.insert(IDS, ids);
    }
    let numbers = form.output_type.numbers(form.width);
    let end = u128::from(rows) * numbers as u128 * form.output_type.bytes() as u128;
    let mut header = format!(
        "{{\"__metadata__\":{},\"{TENSOR}\":{{\"dtype\":\"{}\",\"shape\":[{rows},{numbers}],\"data_offsets\":[0,{end}]}}}}",
        json(&metadata)?,
        form.output_type.safetensors(),
    );
    let padding = header.len().next_multiple_of(ALIGNMENT) - header.len();
    header.extend(std::iter::repeat_n(' ', padding));
    Ok(header)
}

fn json<T: Serialize + ?Sized>(value: &T) -> io::Result<String> {
    Ok(serde_json::to_string(value)?)
}

/// Reads the values in one piece: no second copy of them exists.
pub(super) fn read(path: &Path) -> Result<Vectors, VectorError> {
    let io = VectorError::io(path);
    let bad = |reason: String| malformed(path, "safetensors", reason);
    let file = File::open(path).map_err(io)?;
    let size = file.metadata().map_err(io)?.len();
    let mut reader = BufReader::new(file);
    let mut length = [0; LENGTH_BYTES as usize];
    if size < LENGTH_BYTES {
        return Err(bad("it is shorter than a header".to_owned()));
    }
    reader.read_exact(&mut length).map_err(io)?;
    let length = u64::from_le_bytes(length);
    if length > MAX_HEADER_BYTES || length > size - LENGTH_BYTES {
        return Err(bad(format!("its header cannot be {length} bytes long")));
    }
    let mut header = vec![0; length as usize];
    reader.read_exact(&mut header).map_err(io)?;
    let header: ::safetensors::tensor::Metadata =
        serde_json::from_slice(&header).map_err(|error| bad(error.to_string()))?;
    let data = LENGTH_BYTES + length;
    if data.checked_add(header.data_len() as u64) != Some(size) {
        let needed = header.data_len();
        return Err(bad(format!(
            "its tensors need {needed} bytes, but it has {}",
            size - data
        )));
    }
    let metadata = header.metadata().as_ref();
    let entry = |key: &str| metadata.and_then(|metadata| metadata.get(key));
    // Metadata of other programs may have the same keys.
    let ids = entry(IDS).and_then(|ids| serde_json::from_str::<Vec<String>>(ids).ok());
    let provenance = entry(KEY).and_then(|json| serde_json::from_str(json).ok());
    check_output_type(path, provenance.as_ref())?;
    // The only tensor of another tool's file may have another name.
    let tensors = header.tensors();
    let only = || tensors.values().next().filter(|_| tensors.len() == 1);
    let Some(tensor) = tensors.get(TENSOR).or_else(only) else {
        let found = format!("{} tensors, none of them `{TENSOR}`", tensors.len());
        return Err(not_vectors(path, found));
    };
    let (&[rows, width], Some(element)) = (tensor.shape.as_slice(), element(tensor.dtype)) else {
        let found = format!("{:?} {:?}", tensor.dtype, tensor.shape);
        return Err(not_vectors(path, found));
    };
    let (start, end) = tensor.data_offsets;
    reader
        .seek(SeekFrom::Start(data + start as u64))
        .map_err(io)?;
    let matrix = Matrix {
        rows: rows as u64,
        width: width as u64,
        element,
        available: (end - start) as u64,
    };
    let values = read_matrix(path, matrix, reader)?;
    if let Some(ids) = ids.as_ref().filter(|ids| ids.len() != rows) {
        let kind = VectorFileErrorKind::Ids {
            ids: ids.len(),
            rows,
        };
        return Err(VectorError::file(path, kind));
    }
    Ok(Vectors {
        values,
        width,
        ids,
        provenance,
        texts: None,
    })
}

fn element(dtype: ::safetensors::Dtype) -> Option<Element> {
    match dtype {
        ::safetensors::Dtype::F16 => Some(Element::F16),
        ::safetensors::Dtype::BF16 => Some(Element::Bf16),
        ::safetensors::Dtype::F32 => Some(Element::F32),
        ::safetensors::Dtype::F64 => Some(Element::F64),
        _ => None,
    }
}
