//! Other processors than x86-64 multiply tiles with the portable twin of the matrix unit alone.

use pulp::Simd;

use super::products::{RoundedProducts, RoundedRows};
use super::tiles::{SIDE, Tile, WIDTH};
use crate::cpu::linear::Layer;
use crate::cpu::simd::Vectorized;

/// There are none.
#[derive(Clone, Copy, Debug)]
pub(super) enum Vectors {}

impl Vectors {
    #[cfg(test)]
    pub(super) fn detect() -> Option<Self> {
        None
    }

    pub(super) fn fast() -> Option<Self> {
        None
    }

    pub(super) fn linear(self, _: &[f32], _: usize, _: &[Tile], _: Layer<'_>, _: &mut [f32]) {
        match self {}
    }

    pub(super) fn linear_of_block(self, _: &[f32], _: &[Tile], _: Layer<'_>, _: &mut [f32]) {
        match self {}
    }

    pub(super) fn vectorize<W: Vectorized>(self, _: W) -> W::Output {
        match self {}
    }
}

impl RoundedProducts for Vectors {
    const ROWS: usize = SIDE;

    fn multiply<S: Simd>(
        &mut self,
        _: S,
        _: RoundedRows<'_>,
        _: &[Tile],
        _: impl FnMut(usize, usize, &[f32; WIDTH]),
    ) {
        match *self {}
    }
}
