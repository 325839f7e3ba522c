//! The backward pass of an activation.

use pulp::Simd;
use rayon::prelude::*;

use crate::activation::Activation;
use crate::simd::arch::{Vectorized, dispatch};

/// Elements of a task: 64 KiB, which stay in the second-level cache.
const TASK: usize = 16 * 1024;

/// Multiplies `gradient` with the derivative of `activation` at `values`.
///
/// # Panics
///
/// When the two differ in length.
pub fn activation_backward(values: &[f32], gradient: &mut [f32], activation: Activation) {
    struct Backward<'a>(&'a [f32], &'a mut [f32], Activation);
    impl Vectorized for Backward<'_> {
        type Output = ();

        #[inline(always)]
        fn run<S: Simd, const ROWS: usize>(self, _: S) {
            self.2.apply_derivative(self.0, self.1);
        }
    }
    assert_eq!(values.len(), gradient.len(), "values and gradient");
    values
        .par_chunks(TASK)
        .zip(gradient.par_chunks_mut(TASK))
        .for_each(|(values, gradient)| dispatch(Backward(values, gradient, activation)));
}
