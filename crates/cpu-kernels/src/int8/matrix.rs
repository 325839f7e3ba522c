//! int8 weight matrices: quantized weights with a scale for every output.
//!
//! # Strategy
//!
//! One scale an output costs nothing in the product, because it is applied to the sum, and one large weight does not widen
//! the steps of all others. The values are symmetric about 0, so weights have no zero point. No two neighbours are both
//! large ([`LARGEST_PAIR`]). That makes the steps somewhat wider, and the int8 products exact on processors without
//! VNNI, where they would saturate.

use pulp::Simd;
use rayon::prelude::*;

use super::quantization::ROUND;
use crate::simd::arch::{Vectorized, dispatch};
use crate::simd::reduce::LANES;

/// The largest magnitude of a weight. Not 128: so the integers are symmetric, and nothing is clipped.
pub(crate) const LARGEST_WEIGHT: f32 = 127.0;

/// The largest sum of the magnitudes of two neighbouring weights after quantization. Int8 products on AVX2, and on
/// AVX-512 without VNNI, need it (`super::int8_pairs`): `255 * 128 < 2^15`.
pub(crate) const LARGEST_PAIR: u16 = 128;

/// The fewest outputs that one task quantizes.
const ROWS_PER_TASK: usize = 16;

/// Columns that are transposed together: a cache line of floats.
const COLUMNS: usize = 16;

/// A weight matrix of int8 values: weight `[output][input]` is `values[output * input_width + input] * scales[output]`.
///
/// The order is that of a PyTorch checkpoint (an output's weights are together), and of the tensors `weight` and
/// `weight_scale` of the compressed-tensors convention.
#[derive(Clone, Debug, PartialEq)]
pub struct Int8Matrix {
    values: Vec<i8>,
    scales: Vec<f32>,
    input: usize,
}

impl Int8Matrix {
    /// The largest number of inputs whose sums fit 32 bits for any values: below `2^31 / (255 * 128)`. Deeper layers are
    /// computed in float32.
    pub const MAX_INPUTS: usize = 65_536;

    /// The matrix of these values, `[outputs, input]` row-major, and scales, one an output; `None` if their numbers do not fit
    /// each other.
    #[must_use]
    pub fn new(values: Vec<i8>, scales: Vec<f32>, input: usize) -> Option<Self> {
        (scales.len().checked_mul(input) == Some(values.len())).then_some(Self {
            values,
            scales,
            input,
        })
    }

    /// Quantizes `[outputs, input]`, row-major, to the nearest multiples of each output's scale.
    ///
    /// The scale is the output's largest weight / 127 or, if that is more, the largest sum of the magnitudes of two
    /// neighbours (inputs 0 and 1, 2 and 3, and so on) / 128. The sum of two products with a byte then fits 16 bits, which is
    /// how AVX2 multiplies bytes. For normally distributed weights the steps are wider by about two fifths.
    ///
    /// An output whose weights are not all finite gets a NaN scale.
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
        // A few columns at a time: as many write positions as the cache holds.
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

    /// The scale of each output.
    #[must_use]
    pub fn scales(&self) -> &[f32] {
        &self.scales
    }

    /// Width of the input rows.
    #[must_use]
    pub fn input(&self) -> usize {
        self.input
    }

    /// Dequantized weights, `[outputs, input]`.
    #[must_use]
    pub fn dequantize(&self) -> Vec<f32> {
        let rows = self.values.chunks_exact(self.input.max(1));
        rows.zip(&self.scales)
            .flat_map(|(row, scale)| row.iter().map(move |&value| f32::from(value) * scale))
            .collect()
    }
}

/// Quantizes one output's weights, and returns their scale.
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
        // The error of the inverse may round both of a pair up at halves: then one goes down.
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

/// The largest sum of the magnitudes of two neighbours.
#[inline(always)]
pub(crate) fn largest_pair(row: &[i8]) -> u16 {
    let (chunks, rest) = row.as_chunks::<{ 2 * LANES }>();
    let mut last = [0; 2 * LANES];
    last[..rest.len()].copy_from_slice(rest);
    let mut largest = [0; LANES];
    for chunk in chunks.iter().chain([&last]) {
        // Two neighbours as one number: splitting it is cheaper than joining bytes.
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
            // NaN if a weight is not finite.
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

/// `f32::max` takes several instructions because of NaN, which the probe finds here.
#[inline(always)]
fn larger(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

/// Factor of the weights; 0 where all are practically 0 (or not finite).
#[inline(always)]
fn inverse(scale: f32) -> f32 {
    if scale >= f32::MIN_POSITIVE {
        1.0 / scale
    } else {
        0.0
    }
}

/// To the nearest integer, in the lowest byte. NaN may give any byte: the scale of its output is NaN.
#[inline(always)]
fn round(weight: f32, inverse: f32) -> i8 {
    (weight * inverse + ROUND).to_bits() as i8
}
