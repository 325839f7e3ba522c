//! Reductions of a row to one number.
//!
//! The compiler must keep the order of a floating-point sum, so a plain loop is one long chain of additions. Here a row is
//! summed in [`LANES`] independent parts, every [`LANES`]-th number in the same part, and the parts are reduced by
//! registers. The number of registers depends on the instruction set, and so do the last bits of a sum.

use pulp::Simd;

/// Independent partial sums: the SIMD lanes of the widest register.
pub(crate) const LANES: usize = 16;

/// The sum of all SIMD lanes.
#[inline(always)]
pub(crate) fn total<S: Simd>(simd: S, lanes: &[f32; LANES]) -> f32 {
    let (registers, _) = S::as_simd_f32s(lanes);
    let zero = simd.splat_f32s(0.0);
    let add = |sum, register: &S::f32s| simd.add_f32s(sum, *register);
    simd.reduce_sum_f32s(registers.iter().fold(zero, add))
}

/// The largest of all SIMD lanes; a NaN lane may count or not.
#[inline(always)]
pub(crate) fn largest<S: Simd>(simd: S, lanes: &[f32; LANES]) -> f32 {
    let (registers, _) = S::as_simd_f32s(lanes);
    let lowest = simd.splat_f32s(f32::NEG_INFINITY);
    let larger = |largest, register: &S::f32s| simd.max_f32s(largest, *register);
    simd.reduce_max_f32s(registers.iter().fold(lowest, larger))
}

/// The smallest of all SIMD lanes; a NaN lane may count or not.
#[inline(always)]
pub(crate) fn smallest<S: Simd>(simd: S, lanes: &[f32; LANES]) -> f32 {
    let (registers, _) = S::as_simd_f32s(lanes);
    let highest = simd.splat_f32s(f32::INFINITY);
    let smaller = |smallest, register: &S::f32s| simd.min_f32s(smallest, *register);
    simd.reduce_min_f32s(registers.iter().fold(highest, smaller))
}

/// The sum of `term` over a row.
#[inline(always)]
pub(crate) fn sum<S: Simd>(simd: S, row: &[f32], term: impl Fn(f32) -> f32) -> f32 {
    let (chunks, rest) = row.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for chunk in chunks {
        for (sum, &value) in sums.iter_mut().zip(chunk) {
            *sum += term(value);
        }
    }
    total(simd, &sums) + rest.iter().map(|&value| term(value)).sum::<f32>()
}

/// The sum of the products of two rows.
#[inline(always)]
pub(crate) fn product_sum<S: Simd>(simd: S, one: &[f32], other: &[f32]) -> f32 {
    let (chunks, rest) = one.as_chunks::<LANES>();
    let (other_chunks, other_rest) = other.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (chunk, other) in chunks.iter().zip(other_chunks) {
        for ((sum, one), other) in sums.iter_mut().zip(chunk).zip(other) {
            *sum = one.mul_add(*other, *sum);
        }
    }
    let rest = rest.iter().zip(other_rest);
    total(simd, &sums) + rest.map(|(one, other)| one * other).sum::<f32>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::every;
    use crate::simd::arch::{Vectorized, dispatch};

    struct Reduce([f32; LANES]);

    impl Vectorized for Reduce {
        type Output = [f32; 3];

        #[inline(always)]
        fn run<S: Simd, const ROWS: usize>(self, simd: S) -> [f32; 3] {
            let Self(lanes) = self;
            [
                total(simd, &lanes),
                largest(simd, &lanes),
                smallest(simd, &lanes),
            ]
        }
    }

    #[test]
    fn every_lane_counts() {
        every::set_of_instructions(|| {
            for place in 0..LANES {
                let mut lanes = [1.0; LANES];
                lanes[place] = 7.0;
                assert_eq!(dispatch(Reduce(lanes)), [22.0, 7.0, 1.0]);
                lanes[place] = -7.0;
                assert_eq!(dispatch(Reduce(lanes)), [8.0, 1.0, -7.0]);
            }
            Ok::<_, ()>(())
        })
        .unwrap();
    }
}
