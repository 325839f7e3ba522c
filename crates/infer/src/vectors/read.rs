//! Reading files of vectors.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use super::error::VectorFileErrorKind;
use super::ids::read_ids;
use super::npy::read_npy;
use super::output_type::OutputType;
use super::provenance::TextsHash;
use super::pt;
use super::values::{Vectors, check_finite};
use super::{VectorError, VectorFormat, jsonl, parquet_file, safetensors};

/// Values that are compared at once.
const PIECE_VALUES: usize = 1 << 16;

/// Reads a file that [`write_vectors`](super::write_vectors), NumPy, PyTorch, safetensors or a
/// program for Parquet wrote, with its ids if it has ids. Numbers of 16 and 64 bits become float32.
///
/// # Errors
///
/// When the file cannot be read, is damaged, or does not hold finite floating-point vectors.
pub fn read_vectors(path: &Path) -> Result<Vectors, VectorError> {
    let format = VectorFormat::from_path(path).ok_or_else(|| VectorError::NoFormat {
        path: path.to_owned(),
    })?;
    let vectors = match format {
        VectorFormat::Parquet => parquet_file::read(path)?,
        VectorFormat::Safetensors => safetensors::read(path)?,
        VectorFormat::Npy => read_npy(path, None)?,
        VectorFormat::Pt => {
            let (values, width) = pt::read(path)?;
            check_finite(path, &values, width)?;
            Vectors {
                values,
                width,
                ..Vectors::default()
            }
        }
        VectorFormat::Jsonl => read_jsonl(path)?,
    };
    check_numbers(path, &vectors)?;
    // A file with provenance has its ids inside, if it has any.
    if vectors.ids.is_some() || vectors.provenance.is_some() || format == VectorFormat::Jsonl {
        return Ok(vectors);
    }
    let rows = vectors.values.len() / vectors.width.max(1);
    Ok(Vectors {
        ids: read_ids(path, rows)?,
        ..vectors
    })
}

/// Other programs may keep the provenance of a file whose vectors they change.
fn check_numbers(path: &Path, vectors: &Vectors) -> Result<(), VectorError> {
    let Some(made_of) = &vectors.provenance else {
        return Ok(());
    };
    // Files of other types are not read.
    let output_type = match made_of.output_type() {
        Some(OutputType::F16) => OutputType::F16,
        _ => OutputType::F32,
    };
    let mut checksum = crc32fast::Hasher::new();
    let mut bytes = Vec::new();
    for piece in vectors.values.chunks(PIECE_VALUES) {
        bytes.clear();
        output_type.append(piece, vectors.width, None, &mut bytes);
        checksum.update(&bytes);
    }
    match made_of.numbers {
        Some(numbers) if numbers != checksum.finalize() => {
            Err(VectorError::file(path, VectorFileErrorKind::Changed))
        }
        _ => Ok(()),
    }
}

fn read_jsonl(path: &Path) -> Result<Vectors, VectorError> {
    let io = VectorError::io(path);
    let mut vectors = Vectors::default();
    let mut ids = Vec::new();
    let mut texts = Some(TextsHash::default());
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
        let (expected, found) = (vectors.width, row.embedding.len());
        if found != expected || found == 0 {
            let kind = VectorFileErrorKind::Width {
                line,
                expected,
                found,
            };
            return Err(VectorError::file(path, kind));
        }
        if let Some(column) = row.embedding.iter().position(|value| !value.is_finite()) {
            let value = row.embedding[column];
            let row = rows;
            let kind = VectorFileErrorKind::NotFinite { row, column, value };
            return Err(VectorError::file(path, kind));
        }
        rows += 1;
        vectors.values.extend(row.embedding);
        ids.extend(row.id.map(String::from));
        match (&mut texts, row.text) {
            (Some(hash), Some(text)) => hash.add(&text),
            _ => texts = None,
        }
    }
    vectors.texts = texts.map(|hash| hash.hex());
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
