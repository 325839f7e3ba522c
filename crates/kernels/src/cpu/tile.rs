//! The innermost product: a few rows of the input times one panel of the weights.
//!
//! # Strategy
//!
//! A weight matrix `[depth, output]` is cut into panels of some columns, and a panel is stored row
//! after row: `[depth][width]`. A tile keeps `ROWS x width` sums in registers and walks the depth
//! once: it loads one row of the panel, and multiplies it with one element of each input row. Those
//! elements stand side by side too (`[depth][row]`, [`PackedRows`]): read from rows that lie where
//! they were, they took a pointer each, and with six of them the sums had no registers left (on AVX2
//! a third of the speed, measured). Packing is one pass over rows that meet dozens of panels.
//!
//! The shape of a tile fills the register file: `ROWS * REGISTERS` sums, `REGISTERS` for the panel's
//! row and one for the input's element.
//!
//! | registers | tile | width | sums |
//! | --- | --- | --- | --- |
//! | AVX-512: 32 of 16 lanes | 12 x 2 | 32 | 24 |
//! | AVX2: 16 of 8 lanes | 6 x 2 | 16 | 12 |
//! | NEON: 32 of 4 lanes | 12 x 2 | 8 | 24 |
//!
//! The registers are written out (through `pulp`, one source for all instruction sets): left to the
//! compiler, plain loops over arrays spilled the sums to memory and ran at a third of this.

use pulp::Simd;

use super::panels::Element;
use super::prefetch::Ahead;

/// Registers of a panel's row.
pub(super) const REGISTERS: usize = 2;

/// The most floats of a panel's row: two registers of AVX-512.
pub(super) const WIDEST: usize = 32;

/// Rows of the input, `stride` elements apart, of which the first `depth` count.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub values: &'a [f32],
    pub stride: usize,
    pub depth: usize,
}

impl<'a> Rows<'a> {
    #[inline(always)]
    pub(super) fn row(&self, index: usize) -> &'a [f32] {
        &self.values[index * self.stride..][..self.depth]
    }

    /// Without the first `rows`.
    #[inline(always)]
    pub(super) fn after(self, rows: usize) -> Self {
        Self {
            values: &self.values[rows * self.stride..],
            ..self
        }
    }
}

/// Rows that lie as the columns of a matrix of `count` columns.
#[derive(Clone, Copy)]
pub(super) struct Columns<'a> {
    pub values: &'a [f32],
    pub count: usize,
}

/// Rows in tiles, one after the other, each `[depth][row]`.
pub(super) struct PackedRows {
    values: Vec<f32>,
    tiles: Vec<Tile>,
}

/// Some rows that are multiplied together.
#[derive(Clone, Copy)]
pub(super) struct Tile {
    pub first_row: usize,
    /// Rows.
    pub height: usize,
    /// Where its elements begin.
    start: usize,
}

impl PackedRows {
    /// The first `count` of `rows`, in tiles of up to `tallest`, all of the same height as far as that
    /// goes: a tile of one row takes almost as long as one of six.
    #[inline(always)]
    pub(super) fn pack(rows: Rows<'_>, count: usize, tallest: usize) -> Self {
        Self::fill(count, rows.depth, tallest, |tile, values| {
            for row in 0..tile.height {
                let places = values[row..].iter_mut().step_by(tile.height);
                for (place, value) in places.zip(rows.row(tile.first_row + row)) {
                    *place = *value;
                }
            }
        })
    }

    /// As [`pack`](Self::pack), of rows that lie as the columns of `columns`, `[depth][row]`: those from
    /// `first` on.
    #[inline(always)]
    pub(super) fn pack_columns(
        columns: Columns<'_>,
        first: usize,
        count: usize,
        tallest: usize,
    ) -> Self {
        let depth = columns.values.len() / columns.count.max(1);
        Self::fill(count, depth, tallest, |tile, values| {
            let lines = columns.values.chunks_exact(columns.count);
            for (places, line) in values.chunks_exact_mut(tile.height).zip(lines) {
                places.copy_from_slice(&line[first + tile.first_row..][..tile.height]);
            }
        })
    }

    #[inline(always)]
    fn fill(count: usize, depth: usize, tallest: usize, fill: impl Fn(Tile, &mut [f32])) -> Self {
        let mut values = vec![0.0; count * depth];
        let mut tiles = Vec::with_capacity(count.div_ceil(tallest));
        let mut first_row = 0;
        while first_row < count {
            let rest = count - first_row;
            let height = rest.div_ceil(rest.div_ceil(tallest));
            let tile = Tile {
                first_row,
                height,
                start: first_row * depth,
            };
            fill(tile, &mut values[tile.start..][..height * depth]);
            tiles.push(tile);
            first_row += height;
        }
        Self { values, tiles }
    }

    #[inline(always)]
    pub(super) fn tiles(&self) -> &[Tile] {
        &self.tiles
    }

    /// From the tile's first element on.
    #[inline(always)]
    pub(super) fn elements(&self, tile: Tile) -> &[f32] {
        &self.values[tile.start..]
    }
}

/// A tile of `ROWS` rows, `[depth][row]`, times a panel: for each row the panel's columns in registers.
/// On the way it asks for what is needed after it.
#[inline(always)]
pub(super) fn multiply<S: Simd, const ROWS: usize, E: Element>(
    simd: S,
    rows: &[f32],
    panel: &[E],
    mut ahead: Ahead<'_, E>,
) -> [[S::f32s; REGISTERS]; ROWS] {
    let mut sums = [[simd.splat_f32s(0.0); REGISTERS]; ROWS];
    let panel = panel.chunks_exact(E::in_row::<S>());
    for (weights, elements) in panel.zip(rows.as_chunks::<ROWS>().0) {
        ahead.step(E::in_row::<S>());
        let weights = E::load(simd, weights);
        for row in 0..ROWS {
            let element = simd.splat_f32s(elements[row]);
            for register in 0..REGISTERS {
                sums[row][register] =
                    simd.mul_add_e_f32s(element, weights[register], sums[row][register]);
            }
        }
    }
    sums
}

/// The columns of one row of a tile as floats: the first `REGISTERS * S::F32_LANES`.
#[inline(always)]
pub(super) fn floats<S: Simd>(sums: &[S::f32s; REGISTERS]) -> &[f32] {
    bytemuck::cast_slice(sums)
}
