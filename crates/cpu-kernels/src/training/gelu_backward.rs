//! The backward pass of the exact GELU.

use pulp::Simd;
use rayon::prelude::*;

use crate::simd::arch::{Vectorized, dispatch};
use crate::simd::math;

/// Elements of a task: 64 KiB, which stay in the second-level cache.
const TASK: usize = 16 * 1024;

/// Multiplies `gradient` with the derivative of the exact [`gelu`](crate::gelu) at `values`.
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
