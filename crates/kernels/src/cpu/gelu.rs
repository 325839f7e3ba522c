//! The exact GELU and its derivative, element by element.

use pulp::Simd;
use rayon::prelude::*;

use super::math;
use super::simd::{Vectorized, dispatch};

/// Elements of a task: 64 KiB, which stay in the second-level cache.
const TASK: usize = 16 * 1024;

/// `x * (1 + erf(x / sqrt(2))) / 2` in the place of `x`.
pub fn gelu(values: &mut [f32]) {
    struct Forward<'a>(&'a mut [f32]);
    impl Vectorized for Forward<'_> {
        type Output = ();

        #[inline(always)]
        fn run<S: Simd, const ROWS: usize>(self, _: S) {
            for value in self.0 {
                *value = math::gelu(*value);
            }
        }
    }
    values
        .par_chunks_mut(TASK)
        .for_each(|values| dispatch(Forward(values)));
}

/// Multiplies `gradient` with the derivative of [`gelu`] at `values`.
///
/// # Panics
///
/// When the two differ in length.
pub fn gelu_backward(values: &[f32], gradient: &mut [f32]) {
    struct Backward<'a>(&'a [f32], &'a mut [f32]);
    impl Vectorized for Backward<'_> {
        type Output = ();

        #[inline(always)]
        fn run<S: Simd, const ROWS: usize>(self, _: S) {
            for (gradient, value) in self.1.iter_mut().zip(self.0) {
                *gradient *= math::gelu_derivative(*value);
            }
        }
    }
    assert_eq!(values.len(), gradient.len(), "values and gradient");
    values
        .par_chunks(TASK)
        .zip(gradient.par_chunks_mut(TASK))
        .for_each(|(values, gradient)| dispatch(Backward(values, gradient)));
}
