//! The product of tiles, whoever computes it: AMX, or its emulation.

use crate::cpu::bf16::tiles::{PAIR, Tile, TileFormat, WIDTH};

/// [`WIDTH`] rows of as many sums, float32 or whole: what four tiles of sums are stored to.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(super) struct Sums(pub [[f32; WIDTH]; WIDTH]);

impl Sums {
    pub(super) const ZERO: Self = Self([[0.0; WIDTH]; WIDTH]);

    /// The sums of bytes.
    pub(super) fn whole_mut(&mut self) -> &mut [[i32; WIDTH]; WIDTH] {
        bytemuck::cast_mut(&mut self.0)
    }
}

/// Where the weights of a panel are.
///
/// `low` is for [`TileFormat::low_in_step`] tiles of every step: what was rounded off split weights ([`split_weights`]).
///
/// [`split_weights`]: crate::cpu::bf16::split_weights
#[derive(Debug)]
pub(super) enum Pass<'a> {
    /// In memory: no row has met them for long. `low` is made.
    First { low: &'a mut [Tile] },
    /// In the cache, since the first pass, which made `low`.
    Later { low: &'a [Tile] },
}

impl Pass<'_> {
    fn low(&self) -> &[Tile] {
        match self {
            Self::First { low } => low,
            Self::Later { low } => low,
        }
    }
}

/// What multiplies tiles: the processor's unit, or plain Rust.
pub(super) trait Multiply {
    /// One or two tiles of rows times [`PAIR`] tiles of columns, over the whole depth.
    ///
    /// For every [`TileFormat::depth`] of the depth `input` has [`TileFormat::parts`] tiles for each tile of rows, `high` and
    /// then `low`, and `weights` has [`TileFormat::weights_in_step`] tiles for the panel of columns: both columns' `high`, and
    /// if they are split their bytes; before all of them stand the bits of all steps. Rows of `sums` that belong to no tile
    /// of `input` are left as they are.
    ///
    /// # Panics
    ///
    /// When `input` is empty or has more than [`PAIR`] tiles of rows, or the depths (also that of `low`) differ.
    fn multiply(
        &mut self,
        numbers: TileFormat,
        pass: Pass<'_>,
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
pub(super) fn steps_of(
    numbers: TileFormat,
    pass: &Pass<'_>,
    input: &[&[Tile]],
    weights: &[Tile],
) -> usize {
    assert!((1..=PAIR).contains(&input.len()), "tiles of rows");
    let steps = input[0].len() / numbers.parts();
    assert_eq!(weights.len(), numbers.tiles_of_panel(steps), "whole steps");
    for tiles in input {
        assert_eq!(tiles.len(), steps * numbers.parts(), "the depth of both");
    }
    assert_eq!(
        pass.low().len(),
        steps * numbers.low_in_step(),
        "a place for each rest"
    );
    steps
}
