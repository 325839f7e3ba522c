//! Products of rows that are rounded to bfloat16, outside linear layers: what AMX and AVX512-BF16 have in common.
//!
//! Columns are in tiles, as the weights of a linear layer. Rows are in lines; lines of 16 rows are a tile for AMX.

use bytemuck::{Pod, Zeroable};
use pulp::Simd;

#[cfg(target_arch = "x86_64")]
use super::tiles::SIDE;
use super::tiles::{DEPTH, PAIR, Tile};
use crate::simd::arch::Vectorized;

/// [`DEPTH`] numbers of a row, as a row of a [tile](Tile) has them.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C, align(64))]
pub(crate) struct Line(pub(crate) [u16; DEPTH]);

impl Line {
    /// The same in pairs of neighbours.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    pub(crate) fn pairs(&self) -> &[u32; SIDE] {
        bytemuck::cast_ref(&self.0)
    }
}

/// Rows in lines: the first [`DEPTH`] numbers of [`RoundedProducts::HEIGHT`] rows, then their next [`DEPTH`] numbers, and so
/// on; then the next rows.
#[derive(Clone, Copy)]
pub(crate) struct RoundedRows<'a> {
    pub(crate) lines: &'a [Line],
    /// Number of rows.
    pub(crate) count: usize,
    /// Numbers of each row; after the last, a line is filled up with zeros, or with numbers that meet zeros.
    pub(crate) depth: usize,
}

impl RoundedRows<'_> {
    /// Lines of a row.
    pub(crate) fn steps(&self) -> usize {
        self.depth.div_ceil(DEPTH)
    }
}

/// Panels of [`WIDTH`](super::tiles::WIDTH) columns, packed as [weights](super::weights::TileWeights): of each panel the first
/// tiles, as deep as the rows that it is multiplied with.
#[derive(Clone, Copy)]
pub(crate) struct RoundedPanels<'a> {
    /// From the first tile of the first panel on.
    pub(crate) tiles: &'a [Tile],
    /// Tiles from one panel to the next.
    pub(crate) distance: usize,
}

impl<'a> RoundedPanels<'a> {
    /// Number of panels.
    #[inline(always)]
    pub(crate) fn count(self) -> usize {
        self.tiles.len().div_ceil(self.distance)
    }

    /// The first `steps` pairs of tiles of a panel.
    #[inline(always)]
    pub(crate) fn panel(self, panel: usize, steps: usize) -> &'a [Tile] {
        &self.tiles[panel * self.distance..][..steps * PAIR]
    }
}

/// Rounding to bfloat16.
pub(crate) trait Rounding {
    /// The nearest bfloat16 of each number; subnormal numbers may become 0.
    fn nearest(&self, numbers: &[f32; DEPTH]) -> [u16; DEPTH];
}

/// Products of rounded rows.
pub(crate) trait RoundedProducts: Rounding {
    /// Rows of a group of lines.
    const HEIGHT: usize;

    /// Best number of rows for one call, a multiple of [`HEIGHT`](Self::HEIGHT).
    const ROWS: usize;

    /// All rows times all panels. `sums` has rows of all columns.
    fn multiply(&mut self, rows: RoundedRows<'_>, panels: RoundedPanels<'_>, sums: &mut [f32]);
}

/// Work with such products, compiled for their instructions.
pub(crate) trait RoundedWork {
    /// The work.
    fn run<S: Simd, P: RoundedProducts>(self, simd: S, products: P);
}

/// Work and the products that it uses, to be compiled for an instruction set.
pub(crate) struct With<W, P>(pub(crate) W, pub(crate) P);

impl<W: RoundedWork, P: RoundedProducts> Vectorized for With<W, P> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize>(self, simd: S) {
        self.0.run(simd, self.1);
    }
}
