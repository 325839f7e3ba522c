//! Products of rows that are rounded to bfloat16, outside dense layers, by what multiplies such numbers here: the matrix
//! unit, or the vector units of AMD.
//!
//! The columns lie in tiles, as the weights of a dense layer do; the rows in lines, which together are tiles too where the
//! unit multiplies them.

use bytemuck::{Pod, Zeroable};
use pulp::Simd;

#[cfg(target_arch = "x86_64")]
use super::tiles::SIDE;
use super::tiles::{DEPTH, Tile};
use crate::cpu::simd::arch::Vectorized;

/// [`DEPTH`] numbers of a row, as a row of a [tile](Tile) has them.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C, align(64))]
pub(in crate::cpu) struct Line(pub(in crate::cpu) [u16; DEPTH]);

impl Line {
    /// The same in pairs of neighbours.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    pub(in crate::cpu) fn pairs(&self) -> &[u32; SIDE] {
        bytemuck::cast_ref(&self.0)
    }
}

/// Rows in lines: of [`RoundedProducts::HEIGHT`] rows the first [`DEPTH`] numbers of each, then the next of each, and so
/// on; then the rows behind them.
#[derive(Clone, Copy)]
pub(in crate::cpu) struct RoundedRows<'a> {
    pub(in crate::cpu) lines: &'a [Line],
    /// Rows that count.
    pub(in crate::cpu) count: usize,
    /// Numbers of each row; behind the last, up to a whole line, are zeros or what meets zeros.
    pub(in crate::cpu) depth: usize,
}

impl RoundedRows<'_> {
    /// Lines of a row.
    pub(in crate::cpu) fn steps(&self) -> usize {
        self.depth.div_ceil(DEPTH)
    }
}

/// What rounds.
pub(in crate::cpu) trait Rounding {
    /// The nearest bfloat16 of each; numbers that are too small to be normal may become 0.
    fn nearest(&self, numbers: &[f32; DEPTH]) -> [u16; DEPTH];
}

/// What multiplies.
pub(in crate::cpu) trait RoundedProducts: Rounding {
    /// Rows that lie together.
    const HEIGHT: usize;

    /// Rows that are best taken together, a multiple of [`HEIGHT`](Self::HEIGHT).
    const ROWS: usize;

    /// All rows times all panels of [`WIDTH`] columns, which lie as [weights](super::TileWeights) do and are as deep as the
    /// rows. `sums` has rows of all columns, and room for as many as count.
    fn multiply(&mut self, rows: RoundedRows<'_>, panels: &[Tile], sums: &mut [f32]);
}

/// Work with such products, compiled for the instructions that go with them.
pub(in crate::cpu) trait RoundedWork {
    /// The work.
    fn run<S: Simd, P: RoundedProducts>(self, simd: S, products: P);
}

/// Work and the products that it uses, to be compiled for an instruction set.
pub(in crate::cpu) struct With<W, P>(pub(in crate::cpu) W, pub(in crate::cpu) P);

impl<W: RoundedWork, P: RoundedProducts> Vectorized for With<W, P> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize>(self, simd: S) {
        self.0.run(simd, self.1);
    }
}
