//! Weights as whole numbers of eight bits, with a scale for every output.
//!
//! # Strategy
//!
//! One scale an output costs nothing in the product (it is applied to the sum) and keeps one large weight from making
//! the steps of all others wide. The values are symmetric about 0, so no zero point of theirs enters the sums. And
//! no two neighbours are both large ([`LARGEST_PAIR`]): that makes the steps somewhat wider and the products of bytes
//! exact on processors without VNNI, where they would be cut off.

use pulp::Simd;
use rayon::prelude::*;

use super::quantization::ROUND;
use crate::cpu::simd::arch::{Vectorized, dispatch};
use crate::cpu::simd::reduce::LANES;

/// The largest magnitude of a weight. Not 128: the numbers are then symmetric, and nothing is
/// clipped.
pub(in crate::cpu) const LARGEST_WEIGHT: f32 = 127.0;

/// What the magnitudes of two neighbouring weights come to at most where they are rounded here.
/// Products of bytes on AVX2, and on AVX-512 without VNNI, need that (`super::byte_pairs`): `255 *
/// 128 < 2^15`.
pub(in crate::cpu) const LARGEST_PAIR: u16 = 128;

/// Outputs that one task rounds at least.
const ROWS_PER_TASK: usize = 16;

/// Columns that are transposed together: a cache line of floats.
const COLUMNS: usize = 16;

/// A weight matrix of eight-bit whole numbers: weight `[output][input]` is
/// `values[output * input_width + input] * scales[output]`.
///
/// The order is that of a PyTorch checkpoint (an output's weights stand together), and of the tensors
/// `weight` and `weight_scale` that the compressed-tensors convention stores.
#[derive(Clone, Debug, PartialEq)]
pub struct Int8Matrix {
    values: Vec<i8>,
    scales: Vec<f32>,
    input: usize,
}

impl Int8Matrix {
    /// The most inputs of a layer whose sums fit 32 bits, whatever the numbers: below `2^31 / (255 *
    /// 128)`. Deeper ones are computed in float32.
    pub const MAX_INPUTS: usize = 65_536;

    /// The matrix of these values, `[outputs, input]` row-major, and scales, one an output; `None`
    /// when their numbers do not fit each other.
    #[must_use]
    pub fn new(values: Vec<i8>, scales: Vec<f32>, input: usize) -> Option<Self> {
        (scales.len().checked_mul(input) == Some(values.len())).then_some(Self {
            values,
            scales,
            input,
        })
    }

    /// Rounds `[outputs, input]`, row-major, to the nearest multiples of each output's scale: its
    /// largest weight / 127, or where that is more, what the magnitudes of two neighbours (inputs 0
    /// and 1, 2 and 3, and so on) come to at most / 128.
    ///
    /// Sums of two products with a byte then fit 16 bits, which is how AVX2 multiplies bytes. QuantizationParameters of
    /// normally distributed weights are wider by about two fifths for it.
    ///
    /// An output whose weights are not all finite gets a scale that is not a number.
    ///
    /// # Panics
    ///
    /// When `weights` does not hold whole rows.
    #[must_use]
    pub fn quantize(weights: &[f32], input: usize) -> Self {
        assert_eq!(weights.len() % input.max(1), 0, "whole rows");
        let width = input.max(1);
        let mut values = vec![0; weights.len()];
        let scales = values
            .par_chunks_exact_mut(width)
            .zip(weights.par_chunks_exact(width))
            .with_min_len(ROWS_PER_TASK)
            .map(|(values, row)| dispatch(Quantize { row, values }))
            .collect();
        Self {
            values,
            scales,
            input,
        }
    }

    /// As [`quantize`](Self::quantize), of `[input, outputs]`, row-major.
    ///
    /// # Panics
    ///
    /// When `weights` does not hold whole rows.
    #[must_use]
    pub fn quantize_transposed(weights: &[f32], outputs: usize) -> Self {
        assert_eq!(weights.len() % outputs.max(1), 0, "whole rows");
        let input = weights.len() / outputs.max(1);
        let mut transposed = vec![0.0; weights.len()];
        // A few columns at a time: as many places to write at as the cache likes.
        for first in (0..outputs).step_by(COLUMNS) {
            let count = COLUMNS.min(outputs - first);
            for (depth, row) in weights.chunks_exact(outputs).enumerate() {
                for (column, weight) in row[first..first + count].iter().enumerate() {
                    transposed[(first + column) * input + depth] = *weight;
                }
            }
        }
        Self::quantize(&transposed, input)
    }

    /// The values, `[outputs, input]`.
    #[must_use]
    pub fn values(&self) -> &[i8] {
        &self.values
    }

    /// What each output's values are multiples of.
    #[must_use]
    pub fn scales(&self) -> &[f32] {
        &self.scales
    }

    /// Width of the rows that go in.
    #[must_use]
    pub fn input(&self) -> usize {
        self.input
    }

    /// The weights as float32, `[outputs, input]`.
    #[must_use]
    pub fn dequantize(&self) -> Vec<f32> {
        let rows = self.values.chunks_exact(self.input.max(1));
        rows.zip(&self.scales)
            .flat_map(|(row, scale)| row.iter().map(move |&value| f32::from(value) * scale))
            .collect()
    }
}

/// Rounds one output's weights, and gives their scale.
struct Quantize<'a> {
    row: &'a [f32],
    values: &'a mut [i8],
}

impl Vectorized for Quantize<'_> {
    type Output = f32;

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize>(self, _: S) -> f32 {
        let scale = scale_of(self.row);
        let inverse = inverse(scale);
        for (value, &weight) in self.values.iter_mut().zip(self.row) {
            *value = round(weight, inverse);
        }
        // The inverse's error may put both of a pair just above halves: then one goes down.
        if largest_pair(self.values) > LARGEST_PAIR {
            for [first, second] in self.values.as_chunks_mut::<2>().0 {
                if u16::from(first.unsigned_abs()) + u16::from(second.unsigned_abs()) > LARGEST_PAIR
                {
                    *second -= second.signum();
                }
            }
        }
        scale
    }
}

/// The most that the magnitudes of two neighbours come to.
#[inline(always)]
pub(in crate::cpu) fn largest_pair(row: &[i8]) -> u16 {
    let (chunks, rest) = row.as_chunks::<{ 2 * LANES }>();
    let mut last = [0; 2 * LANES];
    last[..rest.len()].copy_from_slice(rest);
    let mut largest = [0; LANES];
    for chunk in chunks.iter().chain([&last]) {
        // Two neighbours as one number: to take these apart is cheaper than to bring bytes together.
        let pairs: [[u8; 2]; LANES] = bytemuck::cast(chunk.map(i8::unsigned_abs));
        for (largest, both) in largest.iter_mut().zip(pairs.map(u16::from_ne_bytes)) {
            *largest = (*largest).max((both & 0xff) + (both >> 8));
        }
    }
    largest.into_iter().max().unwrap_or(0)
}

#[inline(always)]
fn scale_of(weights: &[f32]) -> f32 {
    let (chunks, rest) = weights.as_chunks::<LANES>();
    let mut last = [0.0; LANES];
    last[..rest.len()].copy_from_slice(rest);
    let (mut largest, mut largest_mean, mut probe) =
        ([0.0f32; LANES], [0.0f32; LANES / 2], [0.0f32; LANES]);
    for chunk in chunks.iter().chain([&last]) {
        for (lane, weight) in chunk.iter().enumerate() {
            largest[lane] = larger(weight.abs(), largest[lane]);
            // Not a number if a weight is not finite.
            probe[lane] += weight * 0.0;
        }
        for (lane, pair) in chunk.as_chunks::<2>().0.iter().enumerate() {
            // The mean of two cannot overflow.
            let mean = pair[0].abs() * 0.5 + pair[1].abs() * 0.5;
            largest_mean[lane] = larger(mean, largest_mean[lane]);
        }
    }
    let largest = largest.into_iter().fold(0.0, f32::max) / LARGEST_WEIGHT;
    let largest_mean = largest_mean.into_iter().fold(0.0, f32::max);
    largest.max(largest_mean / (f32::from(LARGEST_PAIR) / 2.0)) + probe.iter().sum::<f32>()
}

/// `f32::max` takes several instructions, for what is not a number: the probe finds that here.
#[inline(always)]
fn larger(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

/// What weights are multiplied with; 0 where all are as good as 0 (or not finite).
#[inline(always)]
fn inverse(scale: f32) -> f32 {
    if scale >= f32::MIN_POSITIVE {
        1.0 / scale
    } else {
        0.0
    }
}

/// To the nearest whole number, in the lowest byte. What is not a number may have anything there: the
/// scale of its output is not one either.
#[inline(always)]
fn round(weight: f32, inverse: f32) -> i8 {
    (weight * inverse + ROUND).to_bits() as i8
}
