//! Processors other than x86-64 have no bfloat16 dot product in this crate.

use super::rounded_rows::{RoundedPanels, RoundedProducts, RoundedRows, Rounding};
use super::tiles::{DEPTH, SIDE, Tile};
use crate::schedule::Layer;
use crate::simd::arch::Vectorized;

/// No processor has it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bf16DotProduct {}

impl Bf16DotProduct {
    pub(crate) fn detect() -> Option<Self> {
        None
    }

    pub(crate) fn fast() -> Option<Self> {
        None
    }

    pub(crate) fn linear(self, _: &[f32], _: usize, _: &[Tile], _: Layer<'_>, _: &mut [f32]) {
        match self {}
    }

    pub(crate) fn linear_of_block(self, _: &[f32], _: &[Tile], _: Layer<'_>, _: &mut [f32]) {
        match self {}
    }

    pub(crate) fn vectorize<W: Vectorized>(self, _: W) -> W::Output {
        match self {}
    }
}

impl Rounding for Bf16DotProduct {
    fn nearest(&self, _: &[f32; DEPTH]) -> [u16; DEPTH] {
        match *self {}
    }
}

impl RoundedProducts for Bf16DotProduct {
    const HEIGHT: usize = SIDE;
    const ROWS: usize = SIDE;

    fn multiply(&mut self, _: RoundedRows<'_>, _: RoundedPanels<'_>, _: &mut [f32]) {
        match *self {}
    }
}
