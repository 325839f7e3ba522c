//! Dropout in one pass.
//!
//! The mask is not stored: the backward pass draws its random numbers again, a block at a time, whose factors stay in the
//! cache. Blocks have separate generators, so any thread may take any block.

use rayon::prelude::*;

use crate::dropout::{BLOCK, DropoutMask};

/// Multiplies elements with the mask's factors, in place.
pub fn dropout(values: &mut [f32], mask: DropoutMask) {
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
