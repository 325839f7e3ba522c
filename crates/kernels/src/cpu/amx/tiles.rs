//! Tiles in memory, and the two bfloat16 that stand for a float32.

use bytemuck::{Pod, Zeroable};

use super::{Form, Numbers};
use crate::cpu::panels::{UPPER_HALF, bfloat16};

/// Rows of a tile, and 32-bit places in a row.
pub(in crate::cpu) const SIDE: usize = 16;

/// bfloat16 of a tile's row.
pub(in crate::cpu) const DEPTH: usize = 2 * SIDE;

/// Bytes of a tile's row.
pub(super) const ROW_BYTES: usize = 4 * SIDE;

/// Tiles of sums beside and below one another.
pub(in crate::cpu) const PAIR: usize = 2;

/// Rows, and columns, of the sums that stay in the unit together.
pub(in crate::cpu) const WIDTH: usize = PAIR * SIDE;

/// What one tile register holds: 16 rows of 64 bytes. A row begins where a cache line does.
///
/// Tiles of the input hold 16 of its rows and [`Numbers::depth`] of their numbers. Tiles of the weights
/// hold 16 columns: in row `k`, side by side for each column, the numbers at the depths `2 k` and
/// `2 k + 1`; if they are bytes, those from `4 k` to `4 k + 3`.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C, align(64))]
pub(in crate::cpu) struct Tile([u16; SIDE * DEPTH]);

impl Tile {
    #[cfg(test)]
    pub(in crate::cpu) const ZERO: Self = Self([0; SIDE * DEPTH]);

    /// What memory may hold that was not cleared.
    #[cfg(test)]
    pub(in crate::cpu) const OF_NO_NUMBERS: Self = Self([0x7fc1; SIDE * DEPTH]);

    pub(super) fn row(&self, row: usize) -> &[u16; DEPTH] {
        let rows: &[[u16; DEPTH]; SIDE] = bytemuck::cast_ref(&self.0);
        &rows[row]
    }

    #[inline(always)]
    pub(super) fn row_mut(&mut self, row: usize) -> &mut [u16; DEPTH] {
        let rows: &mut [[u16; DEPTH]; SIDE] = bytemuck::cast_mut(&mut self.0);
        &mut rows[row]
    }

    /// The same in places of 32 bits.
    #[inline(always)]
    pub(super) fn places(&self, row: usize) -> &[u32; SIDE] {
        bytemuck::cast_ref(self.row(row))
    }

    #[inline(always)]
    pub(super) fn row_places_mut(&mut self, row: usize) -> &mut [u32; SIDE] {
        bytemuck::cast_mut(self.row_mut(row))
    }

    /// All places, row after row.
    #[inline(always)]
    pub(in crate::cpu) fn places_mut(&mut self) -> &mut [u32; SIDE * SIDE] {
        bytemuck::cast_mut(&mut self.0)
    }

    pub(super) fn bytes(&self, row: usize) -> &[u8; ROW_BYTES] {
        bytemuck::cast_ref(self.row(row))
    }

    #[inline(always)]
    pub(super) fn bytes_mut(&mut self, row: usize) -> &mut [u8; ROW_BYTES] {
        bytemuck::cast_mut(self.row_mut(row))
    }
}

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
/// `low` is for [`Numbers::low_in_step`] tiles of every step: what was rounded off split weights ([`split_weights`]).
///
/// [`split_weights`]: super::split_weights
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
    /// For every [`Numbers::depth`] of the depth `input` has [`Numbers::parts`] tiles for each tile of rows, `high` and
    /// then `low`, and `weights` has [`Numbers::weights_in_step`] tiles for the panel of columns: both columns' `high`, and
    /// if they are split their bytes; before all of them stand the bits of all steps. Rows of `sums` that belong to no tile
    /// of `input` are left as they are.
    ///
    /// # Panics
    ///
    /// When `input` is empty or has more than [`PAIR`] tiles of rows, or the depths (also that of `low`) differ.
    fn multiply(
        &mut self,
        numbers: Numbers,
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
    numbers: Numbers,
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

/// The nearest bfloat16.
#[inline(always)]
pub(super) fn nearest(value: f32) -> u16 {
    (bfloat16(value) >> 16) as u16
}

/// Numbers of two rows, rounded to the nearest bfloat16, side by side.
#[inline(always)]
pub(super) fn nearest_pairs(one: &[f32; SIDE], other: &[f32; SIDE]) -> [u32; SIDE] {
    let mut pairs = [0; SIDE];
    for ((pair, one), other) in pairs.iter_mut().zip(one).zip(other) {
        *pair = bfloat16(*one) >> 16 | bfloat16(*other);
    }
    pairs
}

/// A bfloat16 as float32.
#[inline(always)]
pub(super) fn widen(half: u16) -> f32 {
    f32::from_bits(u32::from(half) << 16)
}

/// The nearest bfloat16 and the nearest to the rest. Of a number that is not finite there is no rest; where rounding a
/// finite one would give infinity, it and its rest are cut off instead.
#[inline(always)]
pub(super) fn split(value: f32) -> [u16; 2] {
    let (finite, rounded) = (value.is_finite(), bfloat16(value));
    let cut = finite && !f32::from_bits(rounded).is_finite();
    let high = if cut {
        value.to_bits() & UPPER_HALF
    } else {
        rounded
    };
    let rest = if finite {
        value - f32::from_bits(high)
    } else {
        0.0
    };
    let low = if cut { rest.to_bits() } else { bfloat16(rest) };
    [high, low].map(|bits| (bits >> 16) as u16)
}

impl Form {
    /// Puts these numbers into a row of tiles, as many as they need; behind the last number 0.
    #[inline(always)]
    pub(super) fn put(self, values: &[f32], tiles: &mut [Tile], row: usize) {
        let steps = tiles.chunks_exact_mut(self.parts());
        for (tiles, values) in steps.zip(values.chunks(DEPTH)) {
            let mut floats = [0.0; DEPTH];
            floats[..values.len()].copy_from_slice(values);
            let halves = self.round(&floats);
            for (tile, halves) in tiles.iter_mut().zip(halves) {
                *tile.row_mut(row) = halves;
            }
        }
    }

    /// The parts of these numbers, as many as [`Form::parts`]; a loop that the compiler makes vector
    /// instructions of.
    #[inline(always)]
    pub(super) fn round(self, values: &[f32; DEPTH]) -> [[u16; DEPTH]; 2] {
        let [mut high, mut low] = [[0; DEPTH]; 2];
        match self {
            Self::Single => {
                for (half, value) in high.iter_mut().zip(values) {
                    *half = nearest(*value);
                }
            }
            Self::Split => {
                for ((high, low), value) in high.iter_mut().zip(&mut low).zip(values) {
                    [*high, *low] = split(*value);
                }
            }
        }
        [high, low]
    }
}
