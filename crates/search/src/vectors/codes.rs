//! Codes of vectors: one byte a value, and how far they are from the vectors.

use std::io::{self, Write};

use rayon::prelude::*;

use crate::error::SearchError;
use crate::vectors::similarity::Similarity;
use crate::vectors::vectors_view::VectorsView;

/// The largest magnitude of a code.
const LARGEST: f32 = 127.0;

/// What an index stores beside its vectors to search them fast: int8 codes, and how far they are from the vectors.
#[derive(Clone, Debug)]
pub struct Codes {
    width: usize,
    values: Vec<i8>,
    rows: Vec<[f32; 3]>,
}

impl Codes {
    /// The codes of rows that [`Similarity::normalize_rows`] has passed.
    #[must_use]
    pub fn of(rows: VectorsView<'_>, _similarity: Similarity) -> Self {
        let width = rows.width();
        let mut values = vec![0; rows.len() * width];
        let rows: Vec<&[f32]> = rows.iter().collect();
        let rows = values
            .par_chunks_exact_mut(width)
            .zip(&rows)
            .map(|(codes, row)| quantize(row, codes))
            .collect();
        Self {
            width,
            values,
            rows,
        }
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Width of a row.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// The number of bytes that [`write`](Self::write) writes; none beyond `u64`.
    #[must_use]
    pub fn bytes(rows: usize, width: usize) -> Option<u64> {
        let of_row = (width as u64).checked_add(12)?;
        (rows as u64).checked_mul(of_row)
    }

    /// Writes the codes.
    ///
    /// # Errors
    ///
    /// Those of the writer.
    pub fn write(&self, writer: &mut impl Write) -> io::Result<()> {
        writer.write_all(bytemuck::cast_slice(&self.values))?;
        for row in self.rows.iter().flatten() {
            writer.write_all(&row.to_le_bytes())?;
        }
        Ok(())
    }

    /// The codes of `rows` rows that [`write`](Self::write) wrote.
    ///
    /// # Errors
    ///
    /// [`SearchError::Codes`] if `bytes` has another length.
    pub fn read(bytes: &[u8], rows: usize, width: usize) -> Result<Self, SearchError> {
        let expected = Self::bytes(rows, width);
        if width == 0 || expected != Some(bytes.len() as u64) {
            return Err(SearchError::Codes {
                bytes: bytes.len(),
                rows,
                width,
            });
        }
        let (values, numbers) = bytes.split_at(rows * width);
        let number = |bytes: &[u8; 4]| f32::from_le_bytes(*bytes);
        Ok(Self {
            width,
            values: bytemuck::cast_slice(values).to_vec(),
            rows: numbers
                .as_chunks::<12>()
                .0
                .iter()
                .map(|row| {
                    let numbers = row.as_chunks::<4>().0;
                    [
                        number(&numbers[0]),
                        number(&numbers[1]),
                        number(&numbers[2]),
                    ]
                })
                .collect(),
        })
    }
}

/// Quantizes a row; returns the scale, the residual's length and the length of the dequantized row.
fn quantize(row: &[f32], codes: &mut [i8]) -> [f32; 3] {
    let largest = row
        .iter()
        .fold(0.0f32, |largest, value| largest.max(value.abs()));
    let scale = largest / LARGEST;
    let (mut residual, mut length) = (0.0f64, 0.0f64);
    for (code, value) in codes.iter_mut().zip(row) {
        let rounded = if scale > 0.0 {
            (value / scale).round()
        } else {
            0.0
        };
        *code = rounded.clamp(-LARGEST, LARGEST) as i8;
        let dequantized = f64::from(*code) * f64::from(scale);
        residual += (f64::from(*value) - dequantized).powi(2);
        length += dequantized.powi(2);
    }
    [scale, residual.sqrt() as f32, length.sqrt() as f32]
}
