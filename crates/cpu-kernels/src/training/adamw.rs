//! A step of AdamW in one pass over weights, gradient and moments.
//!
//! As separate operations it would be some ten passes, each with a result of the size of the model.

use pulp::Simd;
use rayon::prelude::*;

use crate::adamw::AdamWStep;
use crate::simd::arch::{Vectorized, dispatch};

/// Elements of a task: the four slices are 256 KiB, half of the second-level cache of common servers.
const TASK: usize = 16 * 1024;

/// Updates the moments of the gradients, and moves `weights` along them, all in place.
///
/// Every product and sum is rounded as the separate operations would round it.
///
/// # Panics
///
/// When the slices differ in length.
pub fn adamw(
    weights: &mut [f32],
    gradient: &[f32],
    [mean, square]: [&mut [f32]; 2],
    step: &AdamWStep,
) {
    let length = weights.len();
    assert_eq!(gradient.len(), length, "weights and gradient");
    assert_eq!(
        [mean.len(), square.len()],
        [length; 2],
        "weights and moments"
    );
    weights
        .par_chunks_mut(TASK)
        .zip(gradient.par_chunks(TASK))
        .zip(mean.par_chunks_mut(TASK).zip(square.par_chunks_mut(TASK)))
        .for_each(|((weights, gradient), (mean, square))| {
            dispatch(Step {
                weights,
                gradient,
                mean,
                square,
                step,
            });
        });
}

struct Step<'a> {
    weights: &'a mut [f32],
    gradient: &'a [f32],
    mean: &'a mut [f32],
    square: &'a mut [f32],
    step: &'a AdamWStep,
}

impl Vectorized for Step<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize>(self, _: S) {
        let AdamWStep {
            beta_1,
            beta_2,
            epsilon,
            learning_rate,
            ..
        } = *self.step;
        let (rate, kept) = (learning_rate as f32, self.step.kept() as f32);
        let [of_mean, of_square] = self.step.corrections();
        let moments = self.mean.iter_mut().zip(self.square);
        for ((weight, gradient), (mean, square)) in
            self.weights.iter_mut().zip(self.gradient).zip(moments)
        {
            *mean = *mean * beta_1 + gradient * (1.0 - beta_1);
            *square = *square * beta_2 + gradient * gradient * (1.0 - beta_2);
            let direction = (*mean / of_mean) / ((*square / of_square).sqrt() + epsilon);
            *weight = *weight * kept - direction * rate;
        }
    }
}
