//! Packed weights as tiles, in the order in which the products read them.

use pulp::Simd;
use rayon::prelude::*;

use super::byte_tiles;
use super::tiles::{DEPTH, Form, PAIR, SIDE, Tile, TileFormat, WIDTH};
use crate::columns::Arrangement;
use crate::float::matrices::Matrices;
use crate::int8::matrix::Int8Matrix;
use crate::int8::panels::{Columns, rows_of};
use crate::pages::Pages;
use crate::precision::Precision;
use crate::simd::arch::{Vectorized, dispatch};
use crate::simd::bf16::{nearest_pairs, split_pairs, upcast};

/// A matrix `[input, output]`, cut into panels of [`WIDTH`] columns.
///
/// A panel is stored depth after depth: for every [`TileFormat::depth`] rows of the matrix the two tiles of `high`, then,
/// if the numbers are split, the two of `low`. Columns and depths that the matrix does not have are 0.
#[derive(Debug)]
pub(crate) struct TileWeights {
    tiles: Pages<Tile>,
    kind: Kind,
    input: usize,
    /// Columns of all matrices, and their order.
    columns: usize,
    arrangement: Arrangement,
}

#[derive(Debug)]
enum Kind {
    Bfloat16(Form),
    /// int8, with the scales and sums of the columns.
    Int8(Columns),
}

impl TileWeights {
    /// Packs matrices side by side.
    pub(crate) fn pack(matrices: Matrices<'_>, form: Form) -> Self {
        let mut weights = Self {
            tiles: Pages::zeroed(0),
            kind: Kind::Bfloat16(form),
            input: matrices.input(),
            columns: matrices.columns(),
            arrangement: matrices.arrangement(),
        };
        let of_panel = weights.tiles_of_panel();
        let panels = weights.arrangement.panels(weights.columns, WIDTH);
        weights.tiles = Pages::zeroed(panels * of_panel);
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

    /// Packs int8 matrices side by side.
    pub(crate) fn pack_int8(
        layers: &[&Int8Matrix],
        input: usize,
        arrangement: Arrangement,
    ) -> Self {
        let rows = rows_of(layers, input);
        Self {
            tiles: byte_tiles::pack(&arrangement.arrange(&rows, WIDTH, &[]), input),
            kind: Kind::Int8(Columns::of(layers, WIDTH, arrangement)),
            input,
            columns: rows.len(),
            arrangement,
        }
    }

    /// Columns of a panel.
    pub(crate) const fn width() -> usize {
        WIDTH
    }

    /// The matrix row-major, after rounding: `high`, or `high + low`, or dequantized int8.
    pub(crate) fn unpack(&self) -> Vec<f32> {
        let form = match &self.kind {
            Kind::Bfloat16(form) => *form,
            Kind::Int8(columns) => return self.unpack_int8(&columns.scales),
        };
        let in_step = PAIR * form.parts();
        let weight = |place: usize| {
            let (depth, column) = (place / self.columns, self.place(place % self.columns));
            let (panel, column) = (self.panel(column / WIDTH), column % WIDTH);
            let (step, depth) = (depth / DEPTH, depth % DEPTH);
            let parts = panel[step * in_step..][..in_step].chunks_exact(PAIR);
            let part = |tiles: &[Tile]| {
                upcast(tiles[column / SIDE].row(depth / 2)[column % SIDE * 2 + depth % 2])
            };
            parts.map(part).fold(-0.0, |sum, part| sum + part)
        };
        (0..self.input * self.columns).map(weight).collect()
    }

    fn unpack_int8(&self, scales: &[f32]) -> Vec<f32> {
        let weight = |place: usize| {
            let (depth, column) = (place / self.columns, self.place(place % self.columns));
            let panel = self.panel(column / WIDTH);
            f32::from(byte_tiles::weight(panel, depth, column % WIDTH)) * scales[column]
        };
        (0..self.input * self.columns).map(weight).collect()
    }

    /// The place of a column of the matrices in all panels.
    fn place(&self, column: usize) -> usize {
        self.arrangement.place(column, self.columns, WIDTH)
    }

    /// The precision of the weights.
    pub(crate) fn precision(&self) -> Precision {
        match self.kind {
            Kind::Bfloat16(Form::Split) => Precision::Float32,
            Kind::Bfloat16(Form::Single) => Precision::Bfloat16,
            Kind::Int8(_) => Precision::Int8,
        }
    }

    /// Memory, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        let columns = self.columns().map_or(0, Columns::bytes);
        size_of_val(&*self.tiles) + columns
    }

    /// How float32 weights became bfloat16; `None` for int8.
    pub(crate) fn form(&self) -> Option<Form> {
        match self.kind {
            Kind::Bfloat16(form) => Some(form),
            Kind::Int8(_) => None,
        }
    }

    pub(crate) fn format(&self) -> TileFormat {
        match self.kind {
            Kind::Bfloat16(form) => TileFormat::Bfloat16(form),
            Kind::Int8(_) => TileFormat::Int8,
        }
    }

    /// Scales and sums of int8 columns.
    pub(crate) fn columns(&self) -> Option<&Columns> {
        match &self.kind {
            Kind::Bfloat16(_) => None,
            Kind::Int8(columns) => Some(columns),
        }
    }

    #[cfg(test)]
    pub(crate) fn input(&self) -> usize {
        self.input
    }

    #[cfg(test)]
    pub(crate) fn output(&self) -> usize {
        self.arrangement.outputs(self.columns)
    }

    #[cfg(test)]
    pub(crate) fn arrangement(&self) -> Arrangement {
        self.arrangement
    }

    pub(crate) fn tiles(&self) -> &[Tile] {
        &self.tiles
    }

    /// The tiles of a panel.
    pub(crate) fn panel(&self, panel: usize) -> &[Tile] {
        let of_panel = self.tiles_of_panel();
        &self.tiles[panel * of_panel..][..of_panel]
    }

    /// Tiles that 16 rows of the input become.
    pub(crate) fn tiles_of_rows(&self) -> usize {
        self.steps() * self.format().parts()
    }

    fn tiles_of_panel(&self) -> usize {
        self.format().tiles_of_panel(self.steps())
    }

    /// The depth in tiles.
    fn steps(&self) -> usize {
        self.input.div_ceil(self.format().depth())
    }
}

/// Panels that a task packs: enough to make scheduling cheap.
const TOGETHER: usize = 8;

/// Packs some panels, a tile's depth at a time; two inputs share a row of a tile.
struct Fill<'a> {
    matrices: Matrices<'a>,
    first_panel: usize,
    form: Form,
    tiles: &'a mut [Tile],
}

impl Vectorized for Fill<'_> {
    type Output = ();

    // Plain loops over rows of tiles: the compiler vectorizes them.
    #[inline(always)]
    fn run<S: Simd, const ROWS: usize>(self, _: S) {
        let input = self.matrices.input();
        let step = PAIR * self.form.parts();
        let of_panel = input.div_ceil(DEPTH) * step;
        for (index, panel) in self.tiles.chunks_exact_mut(of_panel).enumerate() {
            let mut block = [[0.0; WIDTH]; DEPTH];
            for (depth, tiles) in panel.chunks_exact_mut(step).enumerate() {
                let inputs = depth * DEPTH..input.min((depth + 1) * DEPTH);
                let missing = inputs.len()..DEPTH;
                let block_values = block.as_flattened_mut();
                self.matrices
                    .copy_block(inputs, self.first_panel + index, block_values, WIDTH);
                block[missing].fill([0.0; WIDTH]);
                let (highs, lows) = tiles.split_at_mut(PAIR);
                for (row, [even, odd]) in block.as_chunks::<2>().0.iter().enumerate() {
                    let halves = even.as_chunks().0.iter().zip(odd.as_chunks().0);
                    for (column, (even, odd)) in halves.enumerate() {
                        let high = match self.form {
                            Form::Single => nearest_pairs(even, odd),
                            Form::Split => {
                                let [high, low] = split_pairs(even, odd);
                                *lows[column].row_places_mut(row) = low;
                                high
                            }
                        };
                        *highs[column].row_places_mut(row) = high;
                    }
                }
            }
        }
    }
}
