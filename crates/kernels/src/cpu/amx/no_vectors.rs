//! Other processors than x86-64 multiply tiles with the portable twin of the matrix unit alone.

use super::tiles::Tile;
use crate::cpu::linear::Layer;

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
}
