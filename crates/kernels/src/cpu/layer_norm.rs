//! Addition and layer normalisation in one pass over the rows, and the way back in another.
//!
//! # Strategy
//!
//! A row of 768 floats is 3 KiB: it comes from memory once and stays in the first-level cache for its mean, its
//! variance and its new values, where operation by operation a batch would come from memory for each of them. Rows are
//! shared out over the threads, in tasks that do not depend on how many there are; each sum runs in
//! [lanes](super::lanes) that are added up in one order. So a row gives the same bits in whatever company.
//!
//! The way back keeps no mean and no variance: they are computed again from a row that has to be read anyway.

use pulp::Simd;
use rayon::prelude::*;

use super::lanes::{product_sum, sum};
use super::simd::{Vectorized, dispatch};
use super::sums::add;

/// Rows of a task: 192 KiB of 768 floats, which stay in the second-level cache between the passes over them.
const ROWS_PER_TASK: usize = 64;

/// Scale, beta and epsilon of a normalisation.
#[derive(Clone, Copy, Debug)]
pub struct LayerNormParameters<'a> {
    /// `[width]`.
    pub gamma: &'a [f32],
    /// `[width]`.
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

/// As [`add_layer_norm`], of a block of rows that is not shared out: by this thread alone.
pub(super) fn add_layer_norm_of_block(
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
    values.par_chunks_mut(task).for_each(|values| {
        dispatch(Forward {
            values,
            residual: None,
            norm,
        });
    });
}

impl LayerNormParameters<'_> {
    /// Floats of a task; none where rows have no width.
    fn task(self, values: &[f32]) -> Option<usize> {
        let width = self.gamma.len();
        assert_eq!(width, self.beta.len(), "gamma and beta");
        assert_eq!(values.len() % width.max(1), 0, "whole rows");
        (width > 0).then_some(width * ROWS_PER_TASK)
    }
}

struct Forward<'a> {
    values: &'a mut [f32],
    /// What is added before.
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

/// A row's mean, and what its differences to it are multiplied with.
#[inline(always)]
fn moments<S: Simd>(simd: S, row: &[f32], epsilon: f32) -> (f32, f32) {
    let width = row.len() as f32;
    let mean = sum(simd, row, |value| value) / width;
    let variance = sum(simd, row, |value| (value - mean) * (value - mean)) / width;
    (mean, 1.0 / (variance + epsilon).sqrt())
}

/// Gradients of a normalisation's parameters, `[width]` each.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerNormParameterGradients {
    /// Of the gamma.
    pub gamma: Vec<f32>,
    /// Of the beta.
    pub beta: Vec<f32>,
}

/// From the gradient of [`layer_norm`]'s output to the one of its input `values`, in the place of
/// `gradient`, and to those of the parameters.
///
/// With `n = (x - mean) * factor` and `g = gradient * gamma`, the gradient of `x` is `factor * (g -
/// mean(g) - n * mean(g * n))`.
///
/// # Panics
///
/// When the lengths do not fit each other.
pub fn layer_norm_backward(
    values: &[f32],
    gamma: &[f32],
    epsilon: f32,
    gradient: &mut [f32],
) -> LayerNormParameterGradients {
    let width = gamma.len();
    assert_eq!(values.len(), gradient.len(), "values and gradient");
    assert_eq!(values.len() % width.max(1), 0, "whole rows");
    let nothing = || LayerNormParameterGradients {
        gamma: vec![0.0; width],
        beta: vec![0.0; width],
    };
    if width == 0 {
        return nothing();
    }
    // Summed task by task, in order: the same on any number of threads.
    let task = width * ROWS_PER_TASK;
    let parts: Vec<LayerNormParameterGradients> = values
        .par_chunks(task)
        .zip(gradient.par_chunks_mut(task))
        .map(|(values, gradient)| {
            let mut sums = nothing();
            dispatch(Backward {
                values,
                gamma,
                epsilon,
                gradient,
                sums: &mut sums,
            });
            sums
        })
        .collect();
    parts.into_iter().fold(nothing(), |mut total, part| {
        add(&mut total.gamma, &part.gamma);
        add(&mut total.beta, &part.beta);
        total
    })
}

struct Backward<'a> {
    values: &'a [f32],
    gamma: &'a [f32],
    epsilon: f32,
    gradient: &'a mut [f32],
    sums: &'a mut LayerNormParameterGradients,
}

impl Vectorized for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize>(self, simd: S) {
        let width = self.gamma.len();
        let of_gamma = &mut self.sums.gamma[..width];
        let of_beta = &mut self.sums.beta[..width];
        let mut normalized = vec![0.0; width];
        let rows = self.values.chunks_exact(width);
        for (row, gradient) in rows.zip(self.gradient.chunks_exact_mut(width)) {
            let (mean, factor) = moments(simd, row, self.epsilon);
            for (normalized, value) in normalized.iter_mut().zip(row) {
                *normalized = (value - mean) * factor;
            }
            for column in 0..width {
                of_gamma[column] += gradient[column] * normalized[column];
                of_beta[column] += gradient[column];
                gradient[column] *= self.gamma[column];
            }
            let of_mean = sum(simd, gradient, |value| value) / width as f32;
            let of_factor = product_sum(simd, gradient, &normalized) / width as f32;
            for (gradient, normalized) in gradient.iter_mut().zip(&normalized) {
                *gradient = factor * (-*normalized).mul_add(of_factor, *gradient - of_mean);
            }
        }
    }
}
