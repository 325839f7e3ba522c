//! The backward pass of LayerNorm.
//!
//! It keeps no mean and no variance of the forward pass: it computes them again from a row that it reads anyway.

use pulp::Simd;
use rayon::prelude::*;

use super::sums::add;
use crate::layer::layer_norm::{ROWS_PER_TASK, moments};
use crate::simd::arch::{Vectorized, dispatch};
use crate::simd::reduce::{product_sum, sum};

/// Gradients of a LayerNorm's parameters, `[width]` each.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerNormParameterGradients {
    /// Of the factor.
    pub gamma: Vec<f32>,
    /// Of the offset.
    pub beta: Vec<f32>,
}

/// From the gradient of [`layer_norm`](crate::layer_norm)'s output to that of its input `values`, in the place of
/// `gradient`; returns those of the parameters.
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
