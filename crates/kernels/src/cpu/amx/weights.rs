//! Weights as tiles, in the order in which the products read them.

use pulp::Simd;
use rayon::prelude::*;

use super::bytes;
use super::tiles::{DEPTH, PAIR, SIDE, Tile, WIDTH, widen};
use super::{Form, Numbers};
use crate::cpu::int8::{Columns, Int8Matrix};
use crate::cpu::matrices::Matrices;
use crate::cpu::pages::Pages;
use crate::cpu::simd::{Vectorized, dispatch};
use crate::precision::Precision;

/// A matrix `[input, output]`, cut into panels of [`WIDTH`] columns. A panel is stored depth after
/// depth: for every [`Numbers::depth`] rows of the matrix the two tiles of `high`, then, if the numbers
/// are split, the two of `low`. Columns and depths that the matrix does not have are 0.
#[derive(Debug)]
pub(in crate::cpu) struct TileWeights {
    tiles: Pages<Tile>,
    kind: Kind,
    input: usize,
    output: usize,
}

#[derive(Debug)]
enum Kind {
    Bfloat16(Form),
    /// Whole numbers, and what is to be known of their columns.
    Bytes(Columns),
}

impl TileWeights {
    /// Packs matrices side by side.
    pub(in crate::cpu) fn pack(matrices: Matrices<'_>, form: Form) -> Self {
        let mut weights = Self {
            tiles: Pages::zeroed(0),
            kind: Kind::Bfloat16(form),
            input: matrices.input(),
            output: matrices.output(),
        };
        let of_panel = weights.tiles_of_panel();
        weights.tiles = Pages::zeroed(weights.output.div_ceil(WIDTH) * of_panel);
        if of_panel > 0 {
            let panels = weights.tiles.par_chunks_mut(TOGETHER * of_panel);
            panels.enumerate().for_each(|(index, tiles)| {
                dispatch(Fill {
                    matrices,
                    first_panel: index * TOGETHER,
                    form,
                    tiles,
                });
            });
        }
        weights
    }

    /// Packs matrices of whole numbers side by side.
    pub(in crate::cpu) fn pack_int8(layers: &[&Int8Matrix], input: usize) -> Self {
        Self {
            tiles: bytes::pack(layers, input),
            kind: Kind::Bytes(Columns::of(layers, WIDTH)),
            input,
            output: layers.iter().map(|layer| layer.scales().len()).sum(),
        }
    }

    /// Columns of a panel.
    pub(in crate::cpu) const fn width() -> usize {
        WIDTH
    }

    /// The matrix row-major, as it is after rounding: `high`, or `high + low`, or whole numbers times
    /// their scales.
    pub(in crate::cpu) fn unpack(&self) -> Vec<f32> {
        let form = match &self.kind {
            Kind::Bfloat16(form) => *form,
            Kind::Bytes(columns) => return bytes::unpack(self, &columns.scales),
        };
        let mut weights = vec![0.0; self.input * self.output];
        let parts = form.parts();
        for (depth, row) in weights.chunks_exact_mut(self.output.max(1)).enumerate() {
            for (column, weights) in row.chunks_mut(SIDE).enumerate() {
                let panel = self.panel(column / PAIR);
                let step = &panel[depth / DEPTH * PAIR * parts..][..PAIR * parts];
                for tile in step.iter().skip(column % PAIR).step_by(PAIR) {
                    let halves = tile.row(depth % DEPTH / 2).chunks_exact(2);
                    for (weight, halves) in weights.iter_mut().zip(halves) {
                        *weight += widen(halves[depth % 2]);
                    }
                }
            }
        }
        weights
    }

    /// In which numbers they are kept.
    pub(in crate::cpu) fn precision(&self) -> Precision {
        match self.kind {
            Kind::Bfloat16(Form::Split) => Precision::Float32,
            Kind::Bfloat16(Form::Single) => Precision::Bfloat16,
            Kind::Bytes(_) => Precision::Int8,
        }
    }

    /// What the tiles take.
    pub(in crate::cpu) fn bytes(&self) -> usize {
        let columns = self.columns().map_or(0, Columns::bytes);
        size_of_val(&*self.tiles) + columns
    }

    pub(super) fn numbers(&self) -> Numbers {
        match self.kind {
            Kind::Bfloat16(form) => Numbers::Bfloat16(form),
            Kind::Bytes(_) => Numbers::Bytes,
        }
    }

    /// Of whole numbers.
    pub(super) fn columns(&self) -> Option<&Columns> {
        match &self.kind {
            Kind::Bfloat16(_) => None,
            Kind::Bytes(columns) => Some(columns),
        }
    }

    pub(super) fn input(&self) -> usize {
        self.input
    }

    pub(super) fn output(&self) -> usize {
        self.output
    }

    pub(super) fn tiles(&self) -> &[Tile] {
        &self.tiles
    }

    /// The tiles of a panel.
    pub(super) fn panel(&self, panel: usize) -> &[Tile] {
        let of_panel = self.tiles_of_panel();
        &self.tiles[panel * of_panel..][..of_panel]
    }

    /// Tiles that 16 rows of the input become.
    pub(super) fn tiles_of_rows(&self) -> usize {
        self.input.div_ceil(self.numbers().depth()) * self.numbers().parts()
    }

    fn tiles_of_panel(&self) -> usize {
        PAIR * self.tiles_of_rows()
    }
}

/// Panels that a task fills: enough of them that sharing out costs nothing.
const TOGETHER: usize = 8;

/// Fills some panels, a tile's depth at a time; two inputs lie in one row of a tile.
struct Fill<'a> {
    matrices: Matrices<'a>,
    first_panel: usize,
    form: Form,
    tiles: &'a mut [Tile],
}

impl Vectorized for Fill<'_> {
    type Output = ();

    // Plain loops over rows of tiles: the compiler makes vector instructions of them.
    #[inline(always)]
    fn run<S: Simd, const ROWS: usize>(self, _: S) {
        let input = self.matrices.input();
        let step = PAIR * self.form.parts();
        let of_panel = input.div_ceil(DEPTH) * step;
        for (index, panel) in self.tiles.chunks_exact_mut(of_panel).enumerate() {
            let first = (self.first_panel + index) * WIDTH;
            let mut block = [[0.0; WIDTH]; DEPTH];
            for (depth, tiles) in panel.chunks_exact_mut(step).enumerate() {
                let inputs = depth * DEPTH..input.min((depth + 1) * DEPTH);
                let missing = inputs.len()..DEPTH;
                let block_values = block.as_flattened_mut();
                self.matrices.copy_block(inputs, first, block_values, WIDTH);
                block[missing].fill([0.0; WIDTH]);
                for (row, pair) in block.as_chunks::<2>().0.iter().enumerate() {
                    let parts = pair.each_ref().map(|columns| self.form.round(columns));
                    for (index, tile) in tiles.iter_mut().enumerate() {
                        let (part, column) = (index / PAIR, index % PAIR * SIDE);
                        let even = &parts[0][part][column..][..SIDE];
                        let odd = &parts[1][part][column..][..SIDE];
                        let places = tile.row_mut(row).chunks_exact_mut(2);
                        for ((pair, even), odd) in places.zip(even).zip(odd) {
                            pair[0] = *even;
                            pair[1] = *odd;
                        }
                    }
                }
            }
        }
    }
}
