//! Residual addition and LayerNorm in one pass over the rows.
//!
//! A row of 768 floats is 3 KiB: it comes from memory once and stays in the first-level cache for its mean, its variance and
//! its new values. Operation by operation a batch would come from memory for each of them. Rows are shared out in tasks of
//! fixed size, and each sum has a fixed order ([`reduce`](crate::simd::reduce)). So a row gives the same bits in any
//! batch.

use pulp::Simd;
use rayon::prelude::*;

use crate::simd::arch::{Vectorized, dispatch};
use crate::simd::reduce::sum;

/// Rows of a task: 192 KiB of 768 floats, which stay in the second-level cache between the passes over them.
pub(crate) const ROWS_PER_TASK: usize = 64;

/// The parameters of a LayerNorm.
#[derive(Clone, Copy, Debug)]
pub struct LayerNormParameters<'a> {
    /// The factor, `[width]`.
    pub gamma: &'a [f32],
    /// The offset, `[width]`.
    pub beta: &'a [f32],
    /// Added to the variance.
    pub epsilon: f32,
}

/// `gamma * (x - mean(x)) / sqrt(variance(x) + epsilon) + beta` of every row of
/// `x = values + residual`, in the place of `values`.
///
/// All hold rows of `gamma.len()` floats. The variance is the mean of the squared differences, as in
/// PyTorch's `LayerNorm`.
///
/// # Panics
///
/// When the lengths do not fit each other.
pub fn add_layer_norm(values: &mut [f32], residual: &[f32], norm: LayerNormParameters<'_>) {
    assert_eq!(values.len(), residual.len(), "values and residual");
    let Some(task) = norm.task(values) else {
        return;
    };
    values
        .par_chunks_mut(task)
        .zip(residual.par_chunks(task))
        .for_each(|(values, residual)| add_layer_norm_of_block(values, residual, norm));
}

/// As [`add_layer_norm`], for a block of rows on this thread only.
pub(crate) fn add_layer_norm_of_block(
    values: &mut [f32],
    residual: &[f32],
    norm: LayerNormParameters<'_>,
) {
    let residual = Some(residual);
    dispatch(Forward {
        values,
        residual,
        norm,
    });
}

/// [`add_layer_norm`] without a residual.
///
/// # Panics
///
/// As [`add_layer_norm`].
pub fn layer_norm(values: &mut [f32], norm: LayerNormParameters<'_>) {
    let Some(task) = norm.task(values) else {
        return;
    };
    values
        .par_chunks_mut(task)
        .for_each(|values| layer_norm_of_block(values, norm));
}

/// Adds `values` to `sum`, and gives them the LayerNorm of that sum: between the parts of a layer in pre-norm order.
///
/// # Panics
///
/// As [`add_layer_norm`].
pub(crate) fn layer_norm_of_sum(
    values: &mut [f32],
    sum: &mut [f32],
    norm: LayerNormParameters<'_>,
) {
    assert_eq!(values.len(), sum.len(), "values and sum");
    let Some(task) = norm.task(values) else {
        return;
    };
    values
        .par_chunks_mut(task)
        .zip(sum.par_chunks_mut(task))
        .for_each(|(values, sum)| layer_norm_of_sum_of_block(values, sum, norm));
}

/// As [`layer_norm_of_sum`], for a block of rows on this thread only.
pub(crate) fn layer_norm_of_sum_of_block(
    values: &mut [f32],
    sum: &mut [f32],
    norm: LayerNormParameters<'_>,
) {
    add_of_block(sum, values);
    values.copy_from_slice(sum);
    layer_norm_of_block(values, norm);
}

/// As [`layer_norm`], for a block of rows on this thread only.
pub(crate) fn layer_norm_of_block(values: &mut [f32], norm: LayerNormParameters<'_>) {
    dispatch(Forward {
        values,
        residual: None,
        norm,
    });
}

/// Adds `addend` to `values`, on this thread only.
pub(crate) fn add_of_block(values: &mut [f32], addend: &[f32]) {
    struct Add<'a>(&'a mut [f32], &'a [f32]);
    impl Vectorized for Add<'_> {
        type Output = ();

        #[inline(always)]
        fn run<S: Simd, const ROWS: usize>(self, _: S) {
            for (value, addend) in self.0.iter_mut().zip(self.1) {
                *value += addend;
            }
        }
    }
    dispatch(Add(values, addend));
}

impl LayerNormParameters<'_> {
    /// Floats of a task; `None` if rows have no width.
    fn task(self, values: &[f32]) -> Option<usize> {
        let width = self.gamma.len();
        assert_eq!(width, self.beta.len(), "gamma and beta");
        assert_eq!(values.len() % width.max(1), 0, "whole rows");
        (width > 0).then_some(width * ROWS_PER_TASK)
    }
}

struct Forward<'a> {
    values: &'a mut [f32],
    /// The residual to add first.
    residual: Option<&'a [f32]>,
    norm: LayerNormParameters<'a>,
}

impl Vectorized for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize>(self, simd: S) {
        let LayerNormParameters {
            gamma,
            beta,
            epsilon,
        } = self.norm;
        let width = gamma.len();
        for (index, row) in self.values.chunks_exact_mut(width).enumerate() {
            if let Some(residual) = self.residual {
                for (value, residual) in row.iter_mut().zip(&residual[index * width..]) {
                    *value += residual;
                }
            }
            let (mean, factor) = moments(simd, row, epsilon);
            for ((value, gamma), beta) in row.iter_mut().zip(gamma).zip(beta) {
                *value = ((*value - mean) * factor).mul_add(*gamma, *beta);
            }
        }
    }
}

/// A row's mean, and the reciprocal of its standard deviation.
#[inline(always)]
pub(crate) fn moments<S: Simd>(simd: S, row: &[f32], epsilon: f32) -> (f32, f32) {
    let width = row.len() as f32;
    let mean = sum(simd, row, |value| value) / width;
    let variance = sum(simd, row, |value| (value - mean) * (value - mean)) / width;
    (mean, 1.0 / (variance + epsilon).sqrt())
}
