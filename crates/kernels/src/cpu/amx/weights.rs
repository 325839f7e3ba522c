//! Weights as tiles, in the order in which the products read them.

use pulp::Simd;
use rayon::prelude::*;

use super::bytes;
use super::tiles::{DEPTH, PAIR, SIDE, Tile, WIDTH, widen};
use super::{Form, Numbers};
use crate::cpu::int8::{Columns, Int8Matrix};
use crate::cpu::simd::{Vectorized, dispatch};

/// A matrix `[input, output]`, cut into panels of [`WIDTH`] columns. A panel is stored depth after
/// depth: for every [`Numbers::depth`] rows of the matrix the two tiles of `high`, then, if the numbers
/// are split, the two of `low`. Columns and depths that the matrix does not have are 0.
#[derive(Debug)]
pub(in crate::cpu) struct TileWeights {
    tiles: Vec<Tile>,
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
    /// Packs matrices `[input, output]`, row-major, each with its bias, side by side.
    pub(in crate::cpu) fn pack(layers: &[(&[f32], &[f32])], input: usize, form: Form) -> Self {
        let output = layers.iter().map(|(_, bias)| bias.len()).sum::<usize>();
        let mut weights = Self {
            tiles: Vec::new(),
            kind: Kind::Bfloat16(form),
            input,
            output,
        };
        let of_panel = weights.tiles_of_panel();
        weights.tiles = vec![Tile::ZERO; weights.panels() * of_panel];
        if of_panel > 0 {
            let panels = weights.tiles.par_chunks_mut(TOGETHER * of_panel);
            panels.enumerate().for_each(|(index, tiles)| {
                dispatch(Fill {
                    layers,
                    first_panel: index * TOGETHER,
                    input,
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

    /// What the tiles take.
    pub(in crate::cpu) fn bytes(&self) -> usize {
        let columns = self.columns().map_or(0, Columns::bytes);
        size_of_val(self.tiles.as_slice()) + columns
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

    /// How many panels there are.
    pub(super) fn panels(&self) -> usize {
        self.output.div_ceil(WIDTH)
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

/// Panels that are filled together: a row of theirs is a kilobyte of the matrix.
const TOGETHER: usize = 8;

/// Fills some panels. Two rows of the matrices at a time: they lie in one row of a tile.
struct Fill<'a> {
    layers: &'a [(&'a [f32], &'a [f32])],
    first_panel: usize,
    input: usize,
    form: Form,
    tiles: &'a mut [Tile],
}

impl Vectorized for Fill<'_> {
    type Output = ();

    // Plain loops over rows of tiles: the compiler makes vector instructions of them.
    #[inline(always)]
    fn run<S: Simd, const ROWS: usize>(self, _: S) {
        let step = PAIR * self.form.parts();
        let of_panel = self.input.div_ceil(DEPTH) * step;
        for depth in (0..self.input).step_by(2) {
            for (index, panel) in self.tiles.chunks_exact_mut(of_panel).enumerate() {
                let first = (self.first_panel + index) * WIDTH;
                let mut parts = [[[0; WIDTH]; 2]; 2];
                for (depth, parts) in (depth..self.input).zip(&mut parts) {
                    let mut columns = [0.0; WIDTH];
                    copy_columns(self.layers, depth, first, &mut columns);
                    *parts = self.form.round(&columns);
                }
                let tiles = &mut panel[depth / DEPTH * step..][..step];
                for (index, tile) in tiles.iter_mut().enumerate() {
                    let (part, column) = (index / PAIR, index % PAIR * SIDE);
                    let row = tile.row_mut(depth % DEPTH / 2);
                    let even = &parts[0][part][column..][..SIDE];
                    let odd = &parts[1][part][column..][..SIDE];
                    for ((pair, even), odd) in row.chunks_exact_mut(2).zip(even).zip(odd) {
                        pair[0] = *even;
                        pair[1] = *odd;
                    }
                }
            }
        }
    }
}

/// The columns from `first` on of one row of the matrices side by side, as far as there are any.
#[inline(always)]
fn copy_columns(
    layers: &[(&[f32], &[f32])],
    depth: usize,
    first: usize,
    columns: &mut [f32; WIDTH],
) {
    let end = first + WIDTH;
    let mut start = 0;
    for (weight, bias) in layers {
        let width = bias.len();
        let (from, to) = (first.max(start), end.min(start + width));
        if from < to {
            let row = &weight[depth * width..][..width];
            columns[from - first..to - first].copy_from_slice(&row[from - start..to - start]);
        }
        start += width;
    }
}
