//! Products of rows that are rounded to bfloat16, outside dense layers, by what multiplies such numbers here: the matrix
//! unit, or the vector units of AMD.
//!
//! Both sides lie in tiles, as the input of a dense layer and its weights do.

use pulp::Simd;

use super::blocks::{Block, blocks, one_behind};
use super::linear::with_unit;
use super::tiles::{DEPTH, Multiply, PAIR, Pass, SIDE, Sums, Tile, WIDTH};
use super::vectors::Vectors;
use super::{Form, Numbers, wanted};
use crate::cpu::simd::{Vectorized, dispatch};

/// Rows in tiles: for every 16 of them a tile for each [`DEPTH`] numbers.
#[derive(Clone, Copy)]
pub(in crate::cpu) struct RoundedRows<'a> {
    pub(in crate::cpu) tiles: &'a [Tile],
    /// Rows that count.
    pub(in crate::cpu) count: usize,
    /// Numbers of each.
    pub(in crate::cpu) depth: usize,
}

impl RoundedRows<'_> {
    /// Tiles of a row.
    pub(super) fn steps(&self) -> usize {
        self.depth.div_ceil(DEPTH)
    }

    /// A row's pairs of numbers in one of its tiles.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    pub(super) fn places(&self, row: usize, step: usize) -> &[u32; SIDE] {
        self.tiles[row / SIDE * self.steps() + step].places(row % SIDE)
    }
}

/// What multiplies.
pub(in crate::cpu) trait RoundedProducts {
    /// Rows that are best taken together, a multiple of [`SIDE`].
    const ROWS: usize;

    /// All rows times all panels of [`WIDTH`] columns, which lie as [weights](super::TileWeights) do and are as deep as the
    /// rows. Handed on is a row of a panel at a time: the row, the panel's first column, and its columns.
    fn multiply<S: Simd>(
        &mut self,
        simd: S,
        rows: RoundedRows<'_>,
        panels: &[Tile],
        take: impl FnMut(usize, usize, &[f32; WIDTH]),
    );
}

/// Work with such products, compiled for the instructions that go with them.
pub(in crate::cpu) trait RoundedWork {
    /// The work.
    fn run<S: Simd, P: RoundedProducts>(self, simd: S, products: P);
}

/// Does `work` with the products of this processor, where there are any, and else with the unit's portable twin.
pub(in crate::cpu) fn with_rounded_products(work: impl RoundedWork) {
    let vectors = if wanted() { None } else { Vectors::fast() };
    match vectors {
        Some(vectors) => vectors.vectorize(With(work, vectors)),
        None => with_unit(|unit| dispatch(With(work, OverTiles(unit)))),
    }
}

struct With<W, P>(W, P);

impl<W: RoundedWork, P: RoundedProducts> Vectorized for With<W, P> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize>(self, simd: S) {
        self.0.run(simd, self.1);
    }
}

/// The matrix unit, or its portable twin.
struct OverTiles<'a>(&'a mut dyn Multiply);

impl RoundedProducts for OverTiles<'_> {
    /// A pair of tiles.
    const ROWS: usize = WIDTH;

    #[inline(always)]
    fn multiply<S: Simd>(
        &mut self,
        _: S,
        rows: RoundedRows<'_>,
        panels: &[Tile],
        mut take: impl FnMut(usize, usize, &[f32; WIDTH]),
    ) {
        let steps = rows.steps();
        let tiles = &rows.tiles[..rows.count.div_ceil(SIDE) * steps];
        let multiply = |unit: &mut dyn Multiply, block: Block, sums: &mut Sums| {
            let input = block.rows(tiles, steps);
            let weights = &panels[block.panel * PAIR * steps..][..PAIR * steps];
            let (numbers, pass) = (Numbers::Bfloat16(Form::Single), Pass::Later { low: &[] });
            unit.multiply(numbers, pass, &input, weights, sums);
        };
        let follow = |Block { panel, pair }: Block, sums: &mut Sums| {
            let first = pair * WIDTH;
            for (row, sums) in sums.0.iter().take(rows.count - first).enumerate() {
                take(first + row, panel * WIDTH, sums);
            }
        };
        let panels = 0..panels.len() / (PAIR * steps);
        one_behind(
            self.0,
            blocks(panels, rows.count.div_ceil(SIDE)),
            multiply,
            follow,
        );
    }
}
