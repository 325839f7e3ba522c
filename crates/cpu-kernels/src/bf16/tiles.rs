//! AMX tiles in memory, and their formats.

use bytemuck::{Pod, Zeroable};

use crate::simd::bf16::{nearest, split};

/// Rows of a tile, and 32-bit places in a row.
pub(crate) const SIDE: usize = 16;

/// bfloat16 of a tile's row.
pub(crate) const DEPTH: usize = 2 * SIDE;

/// Bytes of a tile's row.
pub(crate) const ROW_BYTES: usize = 4 * SIDE;

/// Tiles of sums side by side, and one below another.
pub(crate) const PAIR: usize = 2;

/// Rows, and columns, of the sums that stay in AMX together.
pub(crate) const WIDTH: usize = PAIR * SIDE;

/// What one tile register holds: 16 rows of 64 bytes. A row begins where a cache line does.
///
/// Tiles of the input hold 16 of its rows and [`TileFormat::depth`] of their numbers. Tiles of the weights
/// hold 16 columns: in row `k`, side by side for each column, the numbers at the depths `2 k` and
/// `2 k + 1`; if they are bytes, those from `4 k` to `4 k + 3`.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C, align(64))]
pub(crate) struct Tile([u16; SIDE * DEPTH]);

impl Tile {
    #[cfg(test)]
    pub(crate) const ZERO: Self = Self([0; SIDE * DEPTH]);

    /// NaN everywhere: memory that was not cleared.
    #[cfg(test)]
    pub(crate) const OF_NO_NUMBERS: Self = Self([0x7fc1; SIDE * DEPTH]);

    pub(crate) fn row(&self, row: usize) -> &[u16; DEPTH] {
        let rows: &[[u16; DEPTH]; SIDE] = bytemuck::cast_ref(&self.0);
        &rows[row]
    }

    #[inline(always)]
    pub(crate) fn row_mut(&mut self, row: usize) -> &mut [u16; DEPTH] {
        let rows: &mut [[u16; DEPTH]; SIDE] = bytemuck::cast_mut(&mut self.0);
        &mut rows[row]
    }

    /// The same in places of 32 bits.
    #[inline(always)]
    pub(crate) fn row_places_mut(&mut self, row: usize) -> &mut [u32; SIDE] {
        bytemuck::cast_mut(self.row_mut(row))
    }

    /// All places, row after row.
    #[inline(always)]
    pub(crate) fn places_mut(&mut self) -> &mut [u32; SIDE * SIDE] {
        bytemuck::cast_mut(&mut self.0)
    }

    pub(crate) fn bytes(&self, row: usize) -> &[u8; ROW_BYTES] {
        bytemuck::cast_ref(self.row(row))
    }

    #[inline(always)]
    pub(crate) fn bytes_mut(&mut self, row: usize) -> &mut [u8; ROW_BYTES] {
        bytemuck::cast_mut(self.row_mut(row))
    }
}

/// The format of the numbers in tiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TileFormat {
    /// bfloat16, with sums of float32.
    Bfloat16(Form),
    /// int8, unsigned times signed, with sums of 32 bits.
    Int8,
}

impl TileFormat {
    /// Tiles for a tile's depth of input rows: two if each number is split.
    pub(crate) const fn parts(self) -> usize {
        match self {
            Self::Bfloat16(form) => form.parts(),
            Self::Int8 => 1,
        }
    }

    /// Tiles of a panel of this many k-steps.
    pub(crate) const fn tiles_of_panel(self, steps: usize) -> usize {
        steps * PAIR * self.parts()
    }

    /// Numbers of a tile's row: how much of the depth one tile covers.
    pub(crate) const fn depth(self) -> usize {
        match self {
            Self::Bfloat16(_) => DEPTH,
            Self::Int8 => ROW_BYTES,
        }
    }
}

/// How a float32 becomes bfloat16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// The nearest bfloat16.
    Single,
    /// Two halves: the nearest bfloat16, and the nearest to the rest.
    Split,
}

impl Form {
    /// Number of halves.
    pub(crate) const fn parts(self) -> usize {
        match self {
            Self::Single => 1,
            Self::Split => 2,
        }
    }

    /// Writes these numbers to a row of tiles, and zeros after the last number.
    #[inline(always)]
    pub(crate) fn write(self, values: &[f32], tiles: &mut [Tile], row: usize) {
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

    /// The halves of these numbers, [`Form::parts`] of them; a loop that the compiler vectorizes.
    #[inline(always)]
    pub(crate) fn round(self, values: &[f32; DEPTH]) -> [[u16; DEPTH]; 2] {
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
