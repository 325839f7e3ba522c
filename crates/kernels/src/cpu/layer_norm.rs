//! Addition and layer normalisation in one pass over the rows.

use pulp::Simd;
use rayon::prelude::*;

use super::simd::{Vectorized, dispatch};

/// Rows that one task takes at least.
const ROWS_PER_TASK: usize = 64;

/// Independent partial sums, so that a sum is not one long chain: the widest register's lanes.
pub(super) const LANES: usize = 16;

/// `scale * (x - mean(x)) / sqrt(variance(x) + epsilon) + shift` of every row of
/// `x = values + residual`, in the place of `values`.
///
/// All hold rows of `scale.len()` floats. The variance is the mean of the squared differences, as in
/// PyTorch's `LayerNorm`.
///
/// # Panics
///
/// When the lengths do not fit each other.
pub fn add_layer_norm(
    values: &mut [f32],
    residual: &[f32],
    scale: &[f32],
    shift: &[f32],
    epsilon: f32,
) {
    let width = scale.len();
    assert_eq!(values.len(), residual.len(), "values and residual");
    assert_eq!(width, shift.len(), "scale and shift");
    if width == 0 {
        return;
    }
    let task = width * ROWS_PER_TASK;
    values
        .par_chunks_mut(task)
        .zip(residual.par_chunks(task))
        .for_each(|(values, residual)| {
            dispatch(Rows {
                values,
                residual,
                scale,
                shift,
                epsilon,
            });
        });
}

struct Rows<'a> {
    values: &'a mut [f32],
    residual: &'a [f32],
    scale: &'a [f32],
    shift: &'a [f32],
    epsilon: f32,
}

impl Vectorized for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize>(self, _: S) {
        let width = self.scale.len();
        let rows = self.values.chunks_exact_mut(width);
        for (row, residual) in rows.zip(self.residual.chunks_exact(width)) {
            for (value, residual) in row.iter_mut().zip(residual) {
                *value += residual;
            }
            let mean = sum(row, |value| value) / width as f32;
            let variance = sum(row, |value| (value - mean) * (value - mean)) / width as f32;
            let factor = 1.0 / (variance + self.epsilon).sqrt();
            for ((value, scale), shift) in row.iter_mut().zip(self.scale).zip(self.shift) {
                *value = ((*value - mean) * factor).mul_add(*scale, *shift);
            }
        }
    }
}

/// The sum of `term` over a row.
#[inline(always)]
pub(super) fn sum(row: &[f32], term: impl Fn(f32) -> f32) -> f32 {
    let (chunks, rest) = row.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for chunk in chunks {
        for (sum, &value) in sums.iter_mut().zip(chunk) {
            *sum += term(value);
        }
    }
    sums.iter().sum::<f32>() + rest.iter().map(|&value| term(value)).sum::<f32>()
}
