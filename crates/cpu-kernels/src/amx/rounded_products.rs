//! Products of rounded rows, outside linear layers, by AMX or its emulation.

use super::blocks::{Block, blocks, one_behind};
use super::multiply::{Multiply, Pass, Sums};
use super::with_unit;
use crate::bf16::dot_product::Bf16DotProduct;
use crate::bf16::rounded_rows::{
    RoundedPanels, RoundedProducts, RoundedRows, RoundedWork, Rounding, With,
};
use crate::bf16::tiles::{DEPTH, Form, SIDE, Tile, TileFormat, WIDTH};
use crate::simd::arch::dispatch;

/// Does `work` with the products of AMX, or of its emulation.
pub(crate) fn with_tile_products(work: impl RoundedWork) {
    with_unit(|unit| over_tiles(work, unit));
}

/// Does `work` with the products of `unit`.
fn over_tiles(work: impl RoundedWork, unit: &mut dyn Multiply) {
    // Processors with AMX round fast, even where their dot product is slow.
    match Bf16DotProduct::detect() {
        Some(dot_product) => dot_product.vectorize(With(work, OverTiles(unit, dot_product))),
        None => dispatch(With(work, OverTiles(unit, Plain))),
    }
}

/// Does `work` with the products of the emulation.
#[cfg(test)]
pub(crate) fn with_emulated_products(work: impl RoundedWork) {
    over_tiles(work, &mut super::emulated::Emulated);
}

/// Rounding with any instructions.
struct Plain;

impl Rounding for Plain {
    #[inline(always)]
    fn nearest(&self, numbers: &[f32; DEPTH]) -> [u16; DEPTH] {
        let [rounded, _] = Form::Single.round(numbers);
        rounded
    }
}

/// AMX, or its emulation, and the rounding for it.
struct OverTiles<'a, R>(&'a mut dyn Multiply, R);

impl<R: Rounding> Rounding for OverTiles<'_, R> {
    #[inline(always)]
    fn nearest(&self, numbers: &[f32; DEPTH]) -> [u16; DEPTH] {
        self.1.nearest(numbers)
    }
}

impl<R: Rounding> RoundedProducts for OverTiles<'_, R> {
    /// The rows of a tile.
    const HEIGHT: usize = SIDE;

    /// A pair of tiles.
    const ROWS: usize = WIDTH;

    #[inline(always)]
    fn multiply(&mut self, rows: RoundedRows<'_>, panels: RoundedPanels<'_>, sums: &mut [f32]) {
        let steps = rows.steps();
        let tiles = rows.count.div_ceil(SIDE) * steps;
        let tiles: &[Tile] = bytemuck::cast_slice(&rows.lines[..tiles * SIDE]);
        let multiply = |unit: &mut dyn Multiply, block: Block, sums: &mut Sums| {
            let input = block.rows(tiles, steps);
            let weights = panels.panel(block.panel, steps);
            let (format, pass) = (TileFormat::Bfloat16(Form::Single), Pass::Later);
            unit.multiply(format, pass, &input, weights, sums);
        };
        let panels_of_rows = panels.count();
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
