//! Dropout in one pass.

use rayon::prelude::*;

use crate::dropout::{BLOCK, DropoutMask};

/// Multiplies elements with the mask's factors.
pub fn drop_elements(values: &mut [f32], mask: DropoutMask) {
    values
        .par_chunks_mut(BLOCK)
        .enumerate()
        .for_each(|(index, values)| {
            let mut factors = [0.0; BLOCK];
            let factors = &mut factors[..values.len()];
            mask.block(index).fill(factors);
            for (value, factor) in values.iter_mut().zip(factors) {
                *value *= *factor;
            }
        });
}
