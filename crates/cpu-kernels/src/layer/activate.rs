//! An activation, element by element.

use pulp::Simd;
use rayon::prelude::*;

use crate::activation::Activation;
use crate::simd::arch::{Vectorized, dispatch};

/// Elements of a task: 64 KiB, which stay in the second-level cache.
const TASK: usize = 16 * 1024;

/// `activation(x)` in the place of each `x`.
pub fn activate(values: &mut [f32], activation: Activation) {
    struct Forward<'a>(&'a mut [f32], Activation);
    impl Vectorized for Forward<'_> {
        type Output = ();

        #[inline(always)]
        fn run<S: Simd, const ROWS: usize>(self, _: S) {
            self.1.apply(self.0);
        }
    }
    values
        .par_chunks_mut(TASK)
        .for_each(|values| dispatch(Forward(values, activation)));
}
