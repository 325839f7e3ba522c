//! Reading files of vectors.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use super::error::VectorFileErrorKind;
use super::safetensors::TENSOR;
use super::write::ids_path;
use super::{VectorError, VectorFormat, jsonl, pt};

/// Vectors of a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Vectors {
    /// Row-major `[n, width]`, all finite.
    pub values: Vec<f32>,
    /// Width of every vector.
    pub width: usize,
    /// Their ids, if the file has ids.
    pub ids: Option<Vec<String>>,
}

/// Reads a file that [`VectorWriter`](super::VectorWriter), NumPy, PyTorch or safetensors wrote, with
/// its ids if it has ids.
///
/// # Errors
///
/// When the file cannot be read, is damaged, or does not hold finite float32 vectors.
pub fn read_vectors(path: &Path) -> Result<Vectors, VectorError> {
    let format = VectorFormat::from_path(path).ok_or_else(|| VectorError::NoFormat {
        path: path.to_owned(),
    })?;
    let vectors = match format {
        VectorFormat::Npy => read_npy(path)?,
        VectorFormat::Safetensors => read_safetensors(path)?,
        VectorFormat::Pt => read_pt(path)?,
        VectorFormat::Jsonl => read_jsonl(path)?,
    };
    if let Some(position) = vectors.values.iter().position(|value| !value.is_finite()) {
        let (row, column) = (position / vectors.width, position % vectors.width);
        let value = vectors.values[position];
        return Err(VectorError::file(
            path,
            VectorFileErrorKind::NotFinite { row, column, value },
        ));
    }
    if format == VectorFormat::Jsonl {
        Ok(vectors)
    } else {
        with_ids(path, vectors)
    }
}

fn malformed(path: &Path, format: &'static str, reason: impl ToString) -> VectorError {
    VectorError::file(
        path,
        VectorFileErrorKind::Malformed {
            format,
            reason: reason.to_string(),
        },
    )
}

fn not_vectors(path: &Path, found: String) -> VectorError {
    VectorError::file(path, VectorFileErrorKind::NotVectors { found })
}

/// Reads `[rows, width]` values. The size of the shape must be `available` bytes: a damaged shape
/// must not take the memory.
fn read_values(
    path: &Path,
    shape: [u64; 2],
    available: u64,
    mut reader: impl Read,
) -> Result<Vectors, VectorError> {
    let [rows, width] = shape;
    let expected = u128::from(rows) * u128::from(width) * 4;
    if width == 0 {
        return Err(not_vectors(
            path,
            format!("vectors of width 0, {rows} of them"),
        ));
    }
    if u128::from(available) != expected {
        let kind = VectorFileErrorKind::Size {
            rows,
            width,
            expected,
            found: available,
        };
        return Err(VectorError::file(path, kind));
    }
    let mut bytes = Vec::new();
    reader
        .read_to_end(&mut bytes)
        .map_err(VectorError::io(path))?;
    if bytes.len() as u128 != expected {
        let kind = VectorFileErrorKind::Size {
            rows,
            width,
            expected,
            found: bytes.len() as u64,
        };
        return Err(VectorError::file(path, kind));
    }
    let (chunks, _) = bytes.as_chunks::<4>();
    let values = chunks
        .iter()
        .map(|bytes| f32::from_le_bytes(*bytes))
        .collect();
    Ok(Vectors {
        values,
        width: width as usize,
        ids: None,
    })
}

fn read_npy(path: &Path) -> Result<Vectors, VectorError> {
    let io = VectorError::io(path);
    let file = File::open(path).map_err(io)?;
    let size = file.metadata().map_err(io)?.len();
    let mut reader = BufReader::new(file);
    let header =
        npyz::NpyHeader::from_reader(&mut reader).map_err(|error| malformed(path, "npy", error))?;
    let position = std::io::Seek::stream_position(&mut reader).map_err(io)?;
    let dtype = header.dtype().descr();
    match (header.shape(), header.order()) {
        (&[rows, width], npyz::Order::C) if dtype == "'<f4'" => {
            read_values(path, [rows, width], size.saturating_sub(position), reader)
        }
        (shape, order) => Err(not_vectors(
            path,
            format!("{dtype} {shape:?} in {order:?} order"),
        )),
    }
}

fn read_safetensors(path: &Path) -> Result<Vectors, VectorError> {
    let bytes = std::fs::read(path).map_err(VectorError::io(path))?;
    let file = ::safetensors::SafeTensors::deserialize(&bytes)
        .map_err(|error| malformed(path, "safetensors", error))?;
    // The only tensor of another tool's file may have another name.
    let only = || {
        file.iter()
            .next()
            .filter(|_| file.len() == 1)
            .map(|(_, tensor)| tensor)
    };
    let tensor = file.tensor(TENSOR).ok().or_else(only);
    let Some(tensor) = tensor else {
        return Err(not_vectors(
            path,
            format!("{} tensors, none of them `{TENSOR}`", file.len()),
        ));
    };
    match (tensor.shape(), tensor.dtype()) {
        (&[rows, width], ::safetensors::Dtype::F32) => read_values(
            path,
            [rows as u64, width as u64],
            tensor.data().len() as u64,
            tensor.data(),
        ),
        (shape, dtype) => Err(not_vectors(path, format!("{dtype:?} {shape:?}"))),
    }
}

fn read_pt(path: &Path) -> Result<Vectors, VectorError> {
    let (values, width) = pt::read(path)?;
    Ok(Vectors {
        values,
        width,
        ids: None,
    })
}

fn read_jsonl(path: &Path) -> Result<Vectors, VectorError> {
    let io = VectorError::io(path);
    let mut vectors = Vectors::default();
    let mut ids = Vec::new();
    let mut rows = 0;
    for (line, text) in (1u64..).zip(BufReader::new(File::open(path).map_err(io)?).lines()) {
        let text = text.map_err(io)?;
        if text.trim().is_empty() {
            continue;
        }
        let row: jsonl::ReadLine = serde_json::from_str(&text).map_err(|source| {
            VectorError::file(path, VectorFileErrorKind::Line { line, source })
        })?;
        if rows == 0 {
            vectors.width = row.embedding.len();
        }
        if row.embedding.len() != vectors.width || row.embedding.is_empty() {
            let (expected, found) = (vectors.width, row.embedding.len());
            return Err(VectorError::file(
                path,
                VectorFileErrorKind::Width {
                    line,
                    expected,
                    found,
                },
            ));
        }
        rows += 1;
        vectors.values.extend(row.embedding);
        ids.extend(row.id.map(String::from));
    }
    match ids.len() {
        0 => Ok(vectors),
        count if count == rows => Ok(Vectors {
            ids: Some(ids),
            ..vectors
        }),
        count => Err(VectorError::file(
            path,
            VectorFileErrorKind::Ids { ids: count, rows },
        )),
    }
}

fn with_ids(path: &Path, vectors: Vectors) -> Result<Vectors, VectorError> {
    let ids_path = ids_path(path);
    let text = match std::fs::read_to_string(&ids_path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(vectors),
        other => other.map_err(VectorError::io(&ids_path))?,
    };
    let ids: Vec<String> = text.lines().map(str::to_owned).collect();
    let rows = vectors.values.len() / vectors.width.max(1);
    if ids.len() != rows {
        return Err(VectorError::file(
            &ids_path,
            VectorFileErrorKind::Ids {
                ids: ids.len(),
                rows,
            },
        ));
    }
    Ok(Vectors {
        ids: Some(ids),
        ..vectors
    })
}
