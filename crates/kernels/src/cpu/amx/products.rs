//! Products of rows that are rounded to bfloat16, outside dense layers, by what multiplies such numbers here: the matrix
//! unit, or the vector units of AMD.
//!
//! The columns lie in tiles, as the weights of a dense layer do; the rows in lines, which together are tiles too where the
//! unit multiplies them.

use bytemuck::{Pod, Zeroable};
use pulp::Simd;

use super::blocks::{Block, blocks, one_behind};
use super::linear::with_unit;
use super::tiles::{DEPTH, Multiply, PAIR, Pass, SIDE, Sums, Tile, WIDTH};
use super::vectors::Vectors;
use super::{Form, Numbers, wanted};
use crate::cpu::simd::{Vectorized, dispatch};

/// [`DEPTH`] numbers of a row, as a row of a [tile](Tile) has them.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C, align(64))]
pub(in crate::cpu) struct Line(pub(in crate::cpu) [u16; DEPTH]);

impl Line {
    /// The same in pairs of neighbours.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    pub(super) fn pairs(&self) -> &[u32; SIDE] {
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
    /// Numbers of each; behind the last, up to a whole line, are zeros or what meets zeros.
    pub(in crate::cpu) depth: usize,
}

impl RoundedRows<'_> {
    /// Lines of a row.
    pub(super) fn steps(&self) -> usize {
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

/// Does `work` with the products of this processor, where there are any, and else with the unit's portable twin.
pub(in crate::cpu) fn with_rounded_products(work: impl RoundedWork) {
    let vectors = if wanted() { None } else { Vectors::fast() };
    if let Some(vectors) = vectors {
        return vectors.vectorize(With(work, vectors));
    }
    with_unit(|unit| over_tiles(work, unit));
}

/// Does `work` with the products of a unit.
fn over_tiles(work: impl RoundedWork, unit: &mut dyn Multiply) {
    // Processors with a unit round fast, even where they do not multiply so.
    match Vectors::detect() {
        Some(vectors) => vectors.vectorize(With(work, OverTiles(unit, vectors))),
        None => dispatch(With(work, OverTiles(unit, Plain))),
    }
}

/// Does `work` with those of the unit's portable twin.
#[cfg(test)]
pub(in crate::cpu) fn with_products_of_twin(work: impl RoundedWork) {
    over_tiles(work, &mut super::portable::Portable);
}

struct With<W, P>(W, P);

impl<W: RoundedWork, P: RoundedProducts> Vectorized for With<W, P> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize>(self, simd: S) {
        self.0.run(simd, self.1);
    }
}

/// Any instructions.
struct Plain;

impl Rounding for Plain {
    #[inline(always)]
    fn nearest(&self, numbers: &[f32; DEPTH]) -> [u16; DEPTH] {
        let [rounded, _] = Form::Single.round(numbers);
        rounded
    }
}

/// The matrix unit, or its portable twin, and what rounds beside it.
struct OverTiles<'a, R>(&'a mut dyn Multiply, R);

impl<R: Rounding> Rounding for OverTiles<'_, R> {
    #[inline(always)]
    fn nearest(&self, numbers: &[f32; DEPTH]) -> [u16; DEPTH] {
        self.1.nearest(numbers)
    }
}

impl<R: Rounding> RoundedProducts for OverTiles<'_, R> {
    /// Those of a tile.
    const HEIGHT: usize = SIDE;

    /// A pair of tiles.
    const ROWS: usize = WIDTH;

    #[inline(always)]
    fn multiply(&mut self, rows: RoundedRows<'_>, panels: &[Tile], sums: &mut [f32]) {
        let steps = rows.steps();
        let tiles = rows.count.div_ceil(SIDE) * steps;
        let tiles: &[Tile] = bytemuck::cast_slice(&rows.lines[..tiles * SIDE]);
        let multiply = |unit: &mut dyn Multiply, block: Block, sums: &mut Sums| {
            let input = block.rows(tiles, steps);
            let weights = &panels[block.panel * PAIR * steps..][..PAIR * steps];
            let (numbers, pass) = (Numbers::Bfloat16(Form::Single), Pass::Later { low: &[] });
            unit.multiply(numbers, pass, &input, weights, sums);
        };
        let panels_of_rows = panels.len() / (PAIR * steps);
        let (lines, _) = sums.as_chunks_mut::<WIDTH>();
        let follow = |Block { panel, pair }: Block, sums: &mut Sums| {
            let first = pair * WIDTH;
            for (row, sums) in sums.0.iter().take(rows.count - first).enumerate() {
                lines[(first + row) * panels_of_rows + panel] = *sums;
            }
        };
        let panels = 0..panels_of_rows;
        one_behind(
            self.0,
            blocks(panels, rows.count.div_ceil(SIDE)),
            multiply,
            follow,
        );
    }
}
