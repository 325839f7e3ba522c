//! Quantization of input rows: a scale and a zero point for each row, in steps of 1/255 of its range.

use pulp::Simd;

use crate::simd::reduce::{LANES, largest, smallest};

/// Steps between the smallest and the largest number of a row.
const STEPS: f32 = 255.0;

/// `1.5 * 2^23`: adding it rounds a small float to an integer, in the lowest bits.
pub(crate) const ROUND: f32 = 12_582_912.0;

/// The quantization parameters of a row. The scale is its range / 255.
///
/// The range includes 0, which is quantized exactly, so the integers are between -255 and 255. A row's largest is at most
/// 255 above its smallest, the *zero point*: without it they are unsigned 8-bit integers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QuantizationParameters {
    scale: f32,
    inverse: f32,
    /// The zero point, and 255 more, both plus [`ROUND`].
    lowest: f32,
    highest: f32,
}

impl QuantizationParameters {
    /// Those of a row of zeros.
    pub(crate) const ZERO: Self = Self {
        scale: 0.0,
        inverse: 0.0,
        lowest: ROUND,
        highest: ROUND + STEPS,
    };

    /// The parameters of this row. A number that is not finite makes the scale NaN.
    #[inline(always)]
    pub(crate) fn of<S: Simd>(simd: S, row: &[f32]) -> Self {
        let Range {
            smallest,
            largest,
            probe,
        } = range(simd, row);
        // Each part alone cannot overflow.
        let scale = largest / STEPS - smallest / STEPS;
        if scale < f32::MIN_POSITIVE {
            // All are as good as 0, and the inverse might be infinite.
            return Self {
                scale: scale + probe,
                ..Self::ZERO
            };
        }
        let inverse = 1.0 / scale;
        // Rounded as every other number is, so that none comes out below it.
        let lowest = smallest.mul_add(inverse, ROUND);
        Self {
            scale: scale + probe,
            inverse,
            lowest,
            highest: lowest + STEPS,
        }
    }

    /// The scale: the value of one step.
    #[inline(always)]
    pub(crate) fn scale(self) -> f32 {
        self.scale
    }

    /// The zero point: the smallest integer, at most 0 and at least -255.
    #[inline(always)]
    pub(crate) fn zero_point(self) -> i32 {
        self.lowest.to_bits().wrapping_sub(ROUND.to_bits()) as i32
    }

    /// The nearest integers.
    #[inline(always)]
    pub(crate) fn signed(self, values: &[f32], numbers: &mut [i16]) {
        for (number, value) in numbers.iter_mut().zip(values) {
            *number = self.round(*value) as i16;
        }
    }

    /// The nearest integers, less the zero point.
    #[inline(always)]
    pub(crate) fn unsigned(self, values: &[f32], numbers: &mut [u8]) {
        for (number, value) in numbers.iter_mut().zip(values) {
            *number = self.round(*value).wrapping_sub(self.lowest.to_bits()) as u8;
        }
    }

    /// The nearest integer in the lowest bits: floats of the size of [`ROUND`] are counted by
    /// their bits, whose lower half is 0 at `ROUND`.
    #[inline(always)]
    fn round(self, value: f32) -> u32 {
        let rounded = value.mul_add(self.inverse, ROUND);
        // The end of the range may be half a step beyond the last integer.
        let rounded = if rounded < self.highest {
            rounded
        } else {
            self.highest
        };
        rounded.to_bits()
    }
}

struct Range {
    /// At most 0.
    smallest: f32,
    /// At least 0.
    largest: f32,
    /// 0 if all are finite, else NaN.
    probe: f32,
}

#[inline(always)]
fn range<S: Simd>(simd: S, row: &[f32]) -> Range {
    let (chunks, rest) = row.as_chunks::<LANES>();
    let (mut lowest, mut highest, mut magnitude) = ([0.0f32; LANES], [0.0f32; LANES], [0; LANES]);
    let mut last = [0.0; LANES];
    last[..rest.len()].copy_from_slice(rest);
    // A loop for each, and integers for the check: of less the compiler made scalar instructions.
    for chunk in chunks.iter().chain([&last]) {
        for (smallest, value) in lowest.iter_mut().zip(chunk) {
            *smallest = if value < smallest { *value } else { *smallest };
        }
        for (largest, value) in highest.iter_mut().zip(chunk) {
            *largest = if value > largest { *value } else { *largest };
        }
        for (magnitude, value) in magnitude.iter_mut().zip(chunk) {
            *magnitude = (*magnitude).max(value.abs().to_bits());
        }
    }
    let is_finite = magnitude.into_iter().max() < Some(f32::INFINITY.to_bits());
    Range {
        smallest: smallest(simd, &lowest),
        largest: largest(simd, &highest),
        probe: if is_finite { 0.0 } else { f32::NAN },
    }
}
