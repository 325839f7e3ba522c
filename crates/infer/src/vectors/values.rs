//! Reading a matrix of numbers into one piece of memory.

use std::io::{self, Read};
use std::path::Path;

use half::{bf16, f16};

use super::VectorError;
use super::error::{VectorFileErrorKind, not_vectors};
use super::provenance::Provenance;

/// The name of the tensor that holds vectors.
pub(super) const TENSOR: &str = "embeddings";

/// Vectors of a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Vectors {
    /// Row-major `[n, width]`, all finite.
    pub values: Vec<f32>,
    /// Width of every vector.
    pub width: usize,
    /// Their ids, if the file has ids.
    pub ids: Option<Vec<String>>,
    /// What they were made of, if the file keeps it.
    pub provenance: Option<Provenance>,
    /// The hash of the texts, where the file holds texts and no provenance.
    pub texts: Option<String>,
}

/// Bytes that are converted at once.
const PIECE_BYTES: usize = 64 << 10;

/// The types of numbers that become float32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    F16,
    Bf16,
    F32,
    F64,
}

impl Element {
    fn bytes(self) -> usize {
        match self {
            Self::F16 | Self::Bf16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    /// Appends little-endian numbers.
    fn append(self, bytes: &[u8], values: &mut Vec<f32>) {
        let pairs = bytes.as_chunks::<2>().0.iter();
        match self {
            Self::F16 => values.extend(pairs.map(|pair| f16::from_le_bytes(*pair).to_f32())),
            Self::Bf16 => values.extend(pairs.map(|pair| bf16::from_le_bytes(*pair).to_f32())),
            Self::F32 => {
                let fours = bytes.as_chunks::<4>().0.iter();
                values.extend(fours.map(|four| f32::from_le_bytes(*four)));
            }
            Self::F64 => {
                let eights = bytes.as_chunks::<8>().0.iter();
                values.extend(eights.map(|eight| f64::from_le_bytes(*eight) as f32));
            }
        }
    }
}

/// The shape of a file's numbers, and how many bytes it has for them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Matrix {
    pub(super) rows: u64,
    pub(super) width: u64,
    pub(super) element: Element,
    pub(super) available: u64,
}

/// Reads `[rows, width]` numbers. Their size must be that of the file: a damaged shape must not
/// take the memory.
pub(super) fn read_matrix(
    path: &Path,
    matrix: Matrix,
    mut reader: impl Read,
) -> Result<Vec<f32>, VectorError> {
    let Matrix {
        rows,
        width,
        element,
        available,
    } = matrix;
    if width == 0 {
        let found = format!("vectors of width 0, {rows} of them");
        return Err(not_vectors(path, found));
    }
    let expected = u128::from(rows) * u128::from(width) * element.bytes() as u128;
    let wrong_size = |found| {
        let kind = VectorFileErrorKind::Size {
            rows,
            width,
            expected,
            found,
        };
        VectorError::file(path, kind)
    };
    if u128::from(available) != expected {
        return Err(wrong_size(available));
    }
    let mut left = available;
    let mut values = Vec::new();
    let count = usize::try_from(available).unwrap_or(usize::MAX) / element.bytes();
    values
        .try_reserve_exact(count)
        .map_err(|_| VectorError::io(path)(io::ErrorKind::OutOfMemory.into()))?;
    let mut piece = vec![0; PIECE_BYTES];
    while left > 0 {
        let bytes = piece.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let piece = &mut piece[..bytes];
        reader.read_exact(piece).map_err(|error| {
            if error.kind() == io::ErrorKind::UnexpectedEof {
                wrong_size(available - left)
            } else {
                VectorError::io(path)(error)
            }
        })?;
        element.append(piece, &mut values);
        left -= bytes as u64;
    }
    check_finite(path, &values, width as usize)?;
    Ok(values)
}

/// Refuses NaN and infinities: `values` is row-major, of a width above 0.
pub(super) fn check_finite(path: &Path, values: &[f32], width: usize) -> Result<(), VectorError> {
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(position) => {
            let kind = VectorFileErrorKind::NotFinite {
                row: position / width,
                column: position % width,
                value: values[position],
            };
            Err(VectorError::file(path, kind))
        }
    }
}
