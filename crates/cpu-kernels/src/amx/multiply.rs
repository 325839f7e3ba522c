//! The product of tiles, by AMX or its emulation.

use crate::bf16::tiles::{PAIR, Tile, TileFormat, WIDTH};

/// [`WIDTH`] rows of as many sums, float32 or integers: the store of four tiles of sums.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(super) struct Sums(pub [[f32; WIDTH]; WIDTH]);

impl Sums {
    pub(super) const ZERO: Self = Self([[0.0; WIDTH]; WIDTH]);

    /// Integer sums.
    pub(super) fn whole_mut(&mut self) -> &mut [[i32; WIDTH]; WIDTH] {
        bytemuck::cast_mut(&mut self.0)
    }
}

/// Where the weights of a panel are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pass {
    /// In memory: they meet their first rows, and the next ones are prefetched.
    First,
    /// In the cache, since the first pass.
    Later,
}

/// A multiplier of tiles: AMX, or its emulation.
pub(super) trait Multiply {
    /// One or two tiles of rows times [`PAIR`] tiles of columns, over the whole depth.
    ///
    /// `input` has for each tile of rows, and `weights` for the panel of columns, [`TileFormat::parts`] tiles for every
    /// [`TileFormat::depth`] of the depth: `high` and then `low`; of weights both columns' `high` and then both columns'
    /// `low`. Rows of `sums` that belong to no tile of `input` are left as they are.
    ///
    /// # Panics
    ///
    /// When `input` is empty or has more than [`PAIR`] tiles of rows, or the depths differ.
    fn multiply(
        &mut self,
        format: TileFormat,
        pass: Pass,
        input: &[&[Tile]],
        weights: &[Tile],
        sums: &mut Sums,
    );
}

/// The depth in tiles.
///
/// # Panics
///
/// See [`Multiply::multiply`].
pub(super) fn steps_of(format: TileFormat, input: &[&[Tile]], weights: &[Tile]) -> usize {
    assert!((1..=PAIR).contains(&input.len()), "tiles of rows");
    let steps = input[0].len() / format.parts();
    assert_eq!(weights.len(), format.tiles_of_panel(steps), "whole steps");
    for tiles in input {
        assert_eq!(tiles.len(), steps * format.parts(), "the depth of both");
    }
    steps
}
