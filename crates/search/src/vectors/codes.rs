//! Codes of vectors: a byte for every value, and how far the codes are from the vectors; of many vectors also a bit.
//!
//! # File
//!
//! Little-endian. A header of 16 bytes: the version (`u32`, 1), flags (`u32`, 1 for int8 codes and 2 for 1-bit codes), 8
//! bytes of 0. Then
//!
//! - with int8 codes: the codes row by row, the scale of every row, the length of every residual, the length of every
//!   dequantized row, all of these `f32`;
//! - with 1-bit codes: the centre (`f32`, one a value), words of 64 bits row by row, the factor of every row, the offset of
//!   every row (`f32`).

use std::io::{self, Write};

use cpu_kernels::{BitRow, BitRows, CodeRow, CodeRows};
use pulp::Arch;
use rayon::prelude::*;

use crate::error::SearchError;
use crate::vectors::length::{LARGEST_LENGTH, LENGTHS, PARTS, length, root_of_squares};
use crate::vectors::one_bit::{OneBit, words_of_row};
use crate::vectors::similarity::Similarity;
use crate::vectors::vectors_view::VectorsView;

/// The largest magnitude of a code.
const LARGEST: f32 = 127.0;

/// Covers the rounding of a length to float32, and of its sum in float64.
const UP: f64 = 1.0 + 1.0 / (1 << 20) as f64;

const VERSION: u32 = 1;
const HEADER: usize = 16;
/// The flag of int8 codes.
const INT8: u32 = 1;
/// The flag of 1-bit codes.
const ONE_BIT: u32 = 2;

/// Rows that are written at once.
const WRITTEN_ROWS: usize = 256;

/// The fewest rows with 1-bit codes: the exact search of fewer rows is fast enough.
const MANY_ROWS: usize = 65_536;

/// What an index stores beside its vectors to search them fast: int8 codes, and how far they are from the vectors; of many
/// vectors also 1-bit codes.
#[derive(Debug)]
pub struct Codes {
    len: usize,
    width: usize,
    int8: Option<CodeRows>,
    one_bit: Option<OneBit>,
}

impl Codes {
    /// The codes of rows that [`Similarity::normalize_rows`] has passed.
    ///
    /// There are none for [distances](Similarity::Euclidean), whose search compares all vectors. From 65,536 rows on there
    /// are 1-bit codes too.
    #[must_use]
    pub fn of(rows: VectorsView<'_>, similarity: Similarity) -> Self {
        let one_bit = rows.len() >= MANY_ROWS;
        Self::build(rows, similarity, one_bit)
    }

    /// As [`of`](Self::of), with 1-bit codes or without.
    #[must_use]
    pub fn build(rows: VectorsView<'_>, similarity: Similarity, one_bit: bool) -> Self {
        let has_codes = matches!(similarity, Similarity::Cosine | Similarity::DotProduct)
            && rows.width() <= CodeRows::MAX_WIDTH;
        Self {
            len: rows.len(),
            width: rows.width(),
            int8: has_codes.then(|| quantize_rows(rows)),
            one_bit: (has_codes && one_bit).then(|| OneBit::of(rows)),
        }
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

    /// Memory of the int8 codes, in bytes.
    #[must_use]
    pub fn int8_bytes(&self) -> usize {
        self.int8.as_ref().map_or(0, CodeRows::bytes)
    }

    /// Memory of the 1-bit codes, in bytes.
    #[must_use]
    pub fn one_bit_bytes(&self) -> usize {
        self.one_bit.as_ref().map_or(0, OneBit::bytes)
    }

    pub(crate) fn int8(&self) -> Option<&CodeRows> {
        self.int8.as_ref()
    }

    pub(crate) fn one_bit(&self) -> Option<&OneBit> {
        self.one_bit.as_ref()
    }

    /// Writes the codes.
    ///
    /// # Errors
    ///
    /// Those of the writer.
    pub fn write(&self, writer: &mut impl Write) -> io::Result<()> {
        let int8 = self.int8.as_ref().map_or(0, |_| INT8);
        let one_bit = self.one_bit.as_ref().map_or(0, |_| ONE_BIT);
        for word in [VERSION, int8 | one_bit, 0, 0] {
            writer.write_all(&word.to_le_bytes())?;
        }
        if let Some(codes) = &self.int8 {
            self.write_int8(codes, writer)?;
        }
        self.one_bit
            .as_ref()
            .map_or(Ok(()), |codes| write_one_bit(codes, self.width, writer))
    }

    fn write_int8(&self, codes: &CodeRows, writer: &mut impl Write) -> io::Result<()> {
        let mut numbers = [const { Vec::new() }; 3];
        let mut block = Vec::new();
        for first in (0..self.len).step_by(WRITTEN_ROWS) {
            block.resize(WRITTEN_ROWS.min(self.len - first) * self.width, 0);
            for (row, values) in block.chunks_exact_mut(self.width).enumerate() {
                let row = codes.unpack(first + row, values);
                let of_row = [row.scale, row.residual, row.length];
                for (numbers, number) in numbers.iter_mut().zip(of_row) {
                    numbers.push(number);
                }
            }
            writer.write_all(bytemuck::cast_slice(&block))?;
        }
        write_numbers(numbers.into_iter().flatten(), writer)
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
        let mut rest = Bytes(bytes);
        let header = rest.numbers(HEADER / 4)?;
        let [version, flags, 0, 0] = std::array::from_fn(|word| u32::from_le_bytes(header[word]))
        else {
            return None;
        };
        let fits = width > 0 && (flags == 0 || width <= CodeRows::MAX_WIDTH);
        if version != VERSION || flags > INT8 | ONE_BIT || !fits {
            return None;
        }
        let int8 = if flags & INT8 == 0 {
            None
        } else {
            Some(read_int8(&mut rest, len, width)?)
        };
        let one_bit = if flags & ONE_BIT == 0 {
            None
        } else {
            Some(read_one_bit(&mut rest, len, width)?)
        };
        rest.0.is_empty().then_some(Self {
            len,
            width,
            int8,
            one_bit,
        })
    }
}

fn write_one_bit(codes: &OneBit, width: usize, writer: &mut impl Write) -> io::Result<()> {
    write_numbers(codes.centre.iter().copied(), writer)?;
    let mut words = vec![0; words_of_row(width)];
    for row in 0..codes.bits.len() {
        codes.bits.unpack(row, &mut words);
        for word in &words {
            writer.write_all(&word.to_le_bytes())?;
        }
    }
    let rows = || (0..codes.bits.len()).filter_map(|row| codes.bits.row(row));
    write_numbers(rows().map(|row| row.factor), writer)?;
    write_numbers(rows().map(|row| row.offset), writer)
}

fn write_numbers(numbers: impl Iterator<Item = f32>, writer: &mut impl Write) -> io::Result<()> {
    for number in numbers {
        writer.write_all(&number.to_le_bytes())?;
    }
    Ok(())
}

/// The part of a file that has not been read.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    /// The next bytes; none if there are fewer.
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    /// The next numbers of `SIZE` bytes.
    fn numbers<const SIZE: usize>(&mut self, count: usize) -> Option<&'a [[u8; SIZE]]> {
        Some(self.take(count.checked_mul(SIZE)?)?.as_chunks().0)
    }
}

fn read_int8(bytes: &mut Bytes<'_>, len: usize, width: usize) -> Option<CodeRows> {
    let codes = bytes.take(len.checked_mul(width)?)?;
    let [scales, residuals, lengths] = [
        bytes.numbers(len)?,
        bytes.numbers(len)?,
        bytes.numbers(len)?,
    ];
    let numbers = scales.iter().zip(residuals).zip(lengths);
    let row = |((scale, residual), length): ((&[u8; 4], &[u8; 4]), &[u8; 4])| {
        let [scale, residual, length] =
            [scale, residual, length].map(|bytes| f32::from_le_bytes(*bytes));
        let finite = scale.is_finite() && length.is_finite();
        let valid = finite && scale >= 0.0 && residual >= 0.0 && length >= 0.0;
        valid.then_some(CodeRow {
            scale,
            residual,
            length,
        })
    };
    let rows: Vec<CodeRow> = numbers.map(row).collect::<Option<_>>()?;
    Some(CodeRows::pack(bytemuck::cast_slice(codes), width, &rows))
}

fn read_one_bit(bytes: &mut Bytes<'_>, len: usize, width: usize) -> Option<OneBit> {
    let centre = bytes
        .numbers(width)?
        .iter()
        .map(|bytes| f32::from_le_bytes(*bytes));
    let words = bytes.numbers(len.checked_mul(words_of_row(width))?)?;
    let words: Vec<u64> = words
        .iter()
        .map(|bytes| u64::from_le_bytes(*bytes))
        .collect();
    let (factors, offsets) = (bytes.numbers(len)?, bytes.numbers(len)?);
    let row = |(factor, offset): (&[u8; 4], &[u8; 4])| {
        let [factor, offset] = [factor, offset].map(|bytes| f32::from_le_bytes(*bytes));
        (!factor.is_nan() && !offset.is_nan()).then_some(BitRow { factor, offset })
    };
    let rows: Vec<BitRow> = factors
        .iter()
        .zip(offsets)
        .map(row)
        .collect::<Option<_>>()?;
    let bits = BitRows::pack(&words, words_of_row(width), &rows);
    Some(OneBit::new(centre.collect(), bits))
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
        residual: ((residual(row, codes, scale) * UP) + length / LARGEST_LENGTH) as f32,
        length: (root_of_squares(codes, f64::from) * f64::from(scale) * UP) as f32,
    }
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
        for (similarity, one_bit, bytes) in [
            (Similarity::DotProduct, false, 16 + 300 * 17),
            (Similarity::Cosine, true, 16 + 300 * 17 + 20 + 300 * 16),
            (Similarity::Manhattan, true, 16),
        ] {
            let codes = Codes::build(rows, similarity, one_bit);
            let first = written(&codes);
            assert_eq!(first.len(), bytes);
            let read = Codes::read(&first, 300, 5).unwrap();
            assert_eq!((read.len(), read.width()), (300, 5));
            assert_eq!(read.int8_bytes(), codes.int8_bytes());
            assert_eq!(read.one_bit_bytes(), codes.one_bit_bytes());
            assert_eq!(written(&read), first);
        }
    }

    #[test]
    fn damaged_codes_are_an_error() {
        let rows = VectorsView::new(&[1.0, 2.0, 3.0, 4.0], 2).unwrap();
        let codes = Codes::build(rows, Similarity::Cosine, true);
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
