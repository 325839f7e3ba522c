//! The exact GELU, element by element.

use pulp::Simd;
use rayon::prelude::*;

use crate::simd::arch::{Vectorized, dispatch};
use crate::simd::math;

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
