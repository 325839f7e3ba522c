//! Codes of vectors: a byte for every value, and how far the codes are from the vectors.
//!
//! # File
//!
//! Little-endian. A header of 16 bytes: the version (`u32`, 1), flags (`u32`, 1 for int8 codes), 8 bytes of 0. Then, with
//! int8 codes: the codes row by row, the scale of every row, the length of every residual, the length of every
//! dequantized row, all of these `f32`.

use std::io::{self, Write};

use cpu_kernels::{CodeRow, CodeRows};
use pulp::Arch;
use rayon::prelude::*;

use crate::error::SearchError;
use crate::vectors::similarity::Similarity;
use crate::vectors::vectors_view::VectorsView;

/// The largest magnitude of a code.
const LARGEST: f32 = 127.0;

/// Rows of other lengths have codes that say nothing: products with them could leave the range of float32.
pub(crate) const LENGTHS: std::ops::RangeInclusive<f64> = 1.0 / SQUARED_MILLION..=SQUARED_MILLION;

/// 2^40.
const SQUARED_MILLION: f64 = (1u64 << 40) as f64;

/// Covers the rounding of a length to float32, and of its sum in float64.
const UP: f64 = 1.0 + 1.0 / (1 << 20) as f64;

const VERSION: u32 = 1;
const HEADER: usize = 16;
/// The flag of int8 codes.
const INT8: u32 = 1;

/// Rows that are written at once.
const WRITTEN_ROWS: usize = 256;

/// What an index stores beside its vectors to search them fast: int8 codes, and how far they are from the vectors.
#[derive(Debug)]
pub struct Codes {
    len: usize,
    width: usize,
    int8: Option<CodeRows>,
}

impl Codes {
    /// The codes of rows that [`Similarity::normalize_rows`] has passed.
    ///
    /// There are none for [distances](Similarity::Euclidean), whose search compares all vectors.
    #[must_use]
    pub fn of(rows: VectorsView<'_>, similarity: Similarity) -> Self {
        let (len, width) = (rows.len(), rows.width());
        let has_bounds = matches!(similarity, Similarity::Cosine | Similarity::DotProduct);
        let int8 = (has_bounds && width <= CodeRows::MAX_WIDTH).then(|| quantize_rows(rows));
        Self { len, width, int8 }
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Width of a row.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Memory, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.int8.as_ref().map_or(0, CodeRows::bytes)
    }

    pub(crate) fn int8(&self) -> Option<&CodeRows> {
        self.int8.as_ref()
    }

    /// Writes the codes.
    ///
    /// # Errors
    ///
    /// Those of the writer.
    pub fn write(&self, writer: &mut impl Write) -> io::Result<()> {
        let flags = if self.int8.is_some() { INT8 } else { 0 };
        for word in [VERSION, flags, 0, 0] {
            writer.write_all(&word.to_le_bytes())?;
        }
        let Some(codes) = &self.int8 else {
            return Ok(());
        };
        let mut numbers = [const { Vec::new() }; 3];
        let mut block = Vec::new();
        for first in (0..self.len).step_by(WRITTEN_ROWS) {
            block.resize(WRITTEN_ROWS.min(self.len - first) * self.width, 0);
            for (row, values) in block.chunks_exact_mut(self.width).enumerate() {
                let row = codes.unpack(first + row, values);
                for (numbers, number) in
                    numbers
                        .iter_mut()
                        .zip([row.scale, row.residual, row.length])
                {
                    numbers.push(number);
                }
            }
            writer.write_all(bytemuck::cast_slice(&block))?;
        }
        for number in numbers.iter().flatten() {
            writer.write_all(&number.to_le_bytes())?;
        }
        Ok(())
    }

    /// The codes of `rows` rows that [`write`](Self::write) wrote.
    ///
    /// # Errors
    ///
    /// [`SearchError::Codes`] if `bytes` are not such codes.
    pub fn read(bytes: &[u8], rows: usize, width: usize) -> Result<Self, SearchError> {
        Self::parse(bytes, rows, width).ok_or(SearchError::Codes {
            bytes: bytes.len(),
            rows,
            width,
        })
    }

    fn parse(bytes: &[u8], len: usize, width: usize) -> Option<Self> {
        let (header, rest) = bytes.split_at_checked(HEADER)?;
        let word = |place: usize| {
            header
                .as_chunks::<4>()
                .0
                .get(place)
                .copied()
                .map(u32::from_le_bytes)
        };
        let (version, flags) = (word(0)?, word(1)?);
        if version != VERSION || width == 0 {
            return None;
        }
        if flags == 0 {
            let int8 = None;
            return rest.is_empty().then_some(Self { len, width, int8 });
        }
        let fits = flags == INT8 && width <= CodeRows::MAX_WIDTH;
        let (codes, numbers) = rest.split_at_checked(len.checked_mul(width).filter(|_| fits)?)?;
        let (numbers, []) = numbers.as_chunks::<4>() else {
            return None;
        };
        if Some(numbers.len()) != len.checked_mul(3) {
            return None;
        }
        let number = |place: usize| f32::from_le_bytes(numbers[place]);
        let row = |row: usize| {
            let (scale, residual, length) = (number(row), number(len + row), number(2 * len + row));
            let valid = (scale >= 0.0 && scale.is_finite())
                && residual >= 0.0
                && (length >= 0.0 && length.is_finite());
            valid.then_some(CodeRow {
                scale,
                residual,
                length,
            })
        };
        let rows: Vec<CodeRow> = (0..len).map(row).collect::<Option<_>>()?;
        let int8 = Some(CodeRows::pack(bytemuck::cast_slice(codes), width, &rows));
        Some(Self { len, width, int8 })
    }
}

fn quantize_rows(rows: VectorsView<'_>) -> CodeRows {
    let width = rows.width();
    let mut codes = vec![0; rows.len() * width];
    let arch = Arch::new();
    let numbers: Vec<CodeRow> = codes
        .par_chunks_exact_mut(width)
        .zip(rows.values().par_chunks_exact(width))
        .map(|(codes, row)| arch.dispatch(|| quantize(row, codes)))
        .collect();
    CodeRows::pack(&codes, width, &numbers)
}

/// Quantizes a row whose codes are 0 so far.
#[inline(always)]
fn quantize(row: &[f32], codes: &mut [i8]) -> CodeRow {
    let length = length(row);
    if !LENGTHS.contains(&length) {
        return CodeRow {
            scale: 0.0,
            // The codes of a zero row are exact.
            residual: if length == 0.0 { 0.0 } else { f32::INFINITY },
            length: 0.0,
        };
    }
    let largest = largest(row);
    let (scale, inverse) = (largest / LARGEST, LARGEST / largest);
    for (code, value) in codes.iter_mut().zip(row) {
        *code = (value * inverse).round_ties_even() as i8;
    }
    CodeRow {
        scale,
        // Each difference is rounded by at most 2^-52 of its value.
        residual: ((residual(row, codes, scale) * UP) + length / SQUARED_MILLION) as f32,
        length: (root_of_squares(codes, f64::from) * f64::from(scale) * UP) as f32,
    }
}

/// Independent parts of a sum, so that an addition does not wait for the one before it.
const PARTS: usize = 16;

/// The length of a row.
#[inline(always)]
pub(crate) fn length(row: &[f32]) -> f64 {
    root_of_squares(row, f64::from)
}

#[inline(always)]
fn root_of_squares<T: Copy>(row: &[T], number: impl Fn(T) -> f64) -> f64 {
    let (chunks, rest) = row.as_chunks::<PARTS>();
    let mut sums = [0.0; PARTS];
    for chunk in chunks {
        for (sum, value) in sums.iter_mut().zip(chunk) {
            let value = number(*value);
            *sum += value * value;
        }
    }
    let rest: f64 = rest.iter().map(|value| number(*value).powi(2)).sum();
    (sums.iter().sum::<f64>() + rest).sqrt()
}

#[inline(always)]
fn residual(row: &[f32], codes: &[i8], scale: f32) -> f64 {
    let scale = f64::from(scale);
    let (rows, last_values) = row.as_chunks::<PARTS>();
    let (codes, last_codes) = codes.as_chunks::<PARTS>();
    let mut sums = [0.0; PARTS];
    for (values, codes) in rows.iter().zip(codes) {
        for ((sum, value), code) in sums.iter_mut().zip(values).zip(codes) {
            let difference = f64::from(*value) - f64::from(*code) * scale;
            *sum += difference * difference;
        }
    }
    let last = last_values.iter().zip(last_codes);
    let last: f64 = last
        .map(|(value, code)| (f64::from(*value) - f64::from(*code) * scale).powi(2))
        .sum();
    (sums.iter().sum::<f64>() + last).sqrt()
}

#[inline(always)]
fn largest(row: &[f32]) -> f32 {
    let (chunks, rest) = row.as_chunks::<PARTS>();
    let mut parts = [0.0f32; PARTS];
    for chunk in chunks {
        for (largest, value) in parts.iter_mut().zip(chunk) {
            *largest = largest.max(value.abs());
        }
    }
    let rest = rest.iter().map(|value| value.abs());
    parts.into_iter().chain(rest).fold(0.0, f32::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(codes: &Codes) -> Vec<u8> {
        let mut bytes = Vec::new();
        codes.write(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn codes_are_read_as_they_were_written() {
        let values: Vec<f32> = (0..300 * 5)
            .map(|i| ((i * 7919) % 97) as f32 - 40.0)
            .collect();
        let rows = VectorsView::new(&values, 5).unwrap();
        for (similarity, bytes) in [
            (Similarity::DotProduct, 16 + 300 * 17),
            (Similarity::Manhattan, 16),
        ] {
            let codes = Codes::of(rows, similarity);
            let first = written(&codes);
            assert_eq!(first.len(), bytes);
            let read = Codes::read(&first, 300, 5).unwrap();
            assert_eq!(
                (read.len(), read.width(), read.bytes()),
                (300, 5, codes.bytes())
            );
            assert_eq!(written(&read), first);
        }
    }

    #[test]
    fn damaged_codes_are_an_error() {
        let codes = Codes::of(
            VectorsView::new(&[1.0, 2.0, 3.0, 4.0], 2).unwrap(),
            Similarity::Cosine,
        );
        let bytes = written(&codes);
        for (rows, width) in [(1, 2), (2, 1), (2, 0), (usize::MAX, 2)] {
            assert!(Codes::read(&bytes, rows, width).is_err());
        }
        for length in 0..bytes.len() {
            assert!(Codes::read(&bytes[..length], 2, 2).is_err());
        }
        // The version, a flag, and the signs of the scales, residuals and lengths.
        for place in [0, 4, 23, 27, 31, 35, 39, 43] {
            let mut damaged = bytes.clone();
            damaged[place] ^= 0x80;
            assert!(Codes::read(&damaged, 2, 2).is_err(), "{place}");
        }
    }

    #[test]
    fn the_residual_is_how_far_the_codes_are() {
        let row = [0.3f32, -1.0, 0.255, 0.1, 0.9];
        let mut codes = [0; 5];
        let of_row = quantize(&row, &mut codes);
        assert_eq!(codes, [38, -127, 32, 13, 114]);
        let difference = |(value, code): (&f32, &i8)| f64::from(*value) - f64::from(*code) / 127.0;
        let residual = row
            .iter()
            .zip(&codes)
            .map(difference)
            .map(|d| d * d)
            .sum::<f64>()
            .sqrt();
        assert!((f64::from(of_row.residual) - residual).abs() < 1e-6);
        let mut codes = [0; 2];
        let nothing = CodeRow {
            scale: 0.0,
            residual: 0.0,
            length: 0.0,
        };
        assert_eq!(quantize(&[0.0; 2], &mut codes), nothing);
        let unknown = CodeRow {
            residual: f32::INFINITY,
            ..nothing
        };
        for value in [1e-30, 1e30, f32::NAN] {
            assert_eq!(quantize(&[value; 2], &mut codes), unknown);
        }
    }
}
