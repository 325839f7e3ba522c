//! Sums over whole tensors, in a fixed order: the same bits on any number of threads.
//!
//! A tensor is cut into parts of a fixed size. One thread sums a part in registers, and the sums of the parts are added in
//! order.

use pulp::Simd;
use rayon::prelude::*;

use crate::simd::arch::{Vectorized, dispatch};
use crate::simd::reduce::LANES;

/// Elements of a partial sum: 64 KiB.
const TASK: usize = 16 * 1024;

/// Rows of a partial sum of columns.
const ROWS_PER_TASK: usize = 64;

/// The sum of squares. Squares are float32 (so that one beyond its range shows), the sum is float64.
#[must_use]
pub fn sum_of_squares(values: &[f32]) -> f64 {
    struct Part<'a>(&'a [f32]);
    impl Vectorized for Part<'_> {
        type Output = f64;

        #[inline(always)]
        fn run<S: Simd, const ROWS: usize>(self, _: S) -> f64 {
            let square = |value: f32| f64::from(value * value);
            let (chunks, rest) = self.0.as_chunks::<LANES>();
            let mut sums = [0.0; LANES];
            for chunk in chunks {
                for (sum, value) in sums.iter_mut().zip(chunk) {
                    *sum += square(*value);
                }
            }
            sums.iter().sum::<f64>() + rest.iter().map(|value| square(*value)).sum::<f64>()
        }
    }
    let parts: Vec<f64> = values
        .par_chunks(TASK)
        .map(|values| dispatch(Part(values)))
        .collect();
    parts.iter().sum()
}

/// The sum of every column of rows of `width` floats.
#[must_use]
pub fn column_sums(values: &[f32], width: usize) -> Vec<f32> {
    struct Part<'a>(&'a [f32], Vec<f32>);
    impl Vectorized for Part<'_> {
        type Output = Vec<f32>;

        #[inline(always)]
        fn run<S: Simd, const ROWS: usize>(self, _: S) -> Vec<f32> {
            let Self(rows, mut sums) = self;
            for row in rows.chunks_exact(sums.len()) {
                add(&mut sums, row);
            }
            sums
        }
    }
    let mut total = vec![0.0; width];
    if width == 0 {
        return total;
    }
    let parts: Vec<Vec<f32>> = values
        .par_chunks(width * ROWS_PER_TASK)
        .map(|rows| dispatch(Part(rows, vec![0.0; width])))
        .collect();
    for part in parts {
        add(&mut total, &part);
    }
    total
}

/// Adds element by element.
#[inline(always)]
pub(crate) fn add(total: &mut [f32], part: &[f32]) {
    for (total, part) in total.iter_mut().zip(part) {
        *total += part;
    }
}
