//! Whole numbers of eight bits as tiles, and what their sums stand for.

use pulp::Simd;
use rayon::prelude::*;

use super::tiles::{PAIR, ROW_BYTES, SIDE, Tile, WIDTH};
use super::weights::TileWeights;
use crate::cpu::int8::{Columns, Int8Matrix, Steps, rows_of, scaled};
use crate::cpu::pages::Pages;
use crate::cpu::simd::Vectorized;

/// Neighbours of the depth that stand side by side in a tile of weights.
const GROUP: usize = 4;

/// The tiles of `layers`, which share `input`, side by side; see [`TileWeights`].
pub(super) fn pack(layers: &[&Int8Matrix], input: usize) -> Pages<Tile> {
    let columns = rows_of(layers, input);
    let of_panel = PAIR * input.div_ceil(ROW_BYTES);
    let mut tiles = Pages::<Tile>::zeroed(columns.len().div_ceil(WIDTH) * of_panel);
    tiles
        .par_chunks_mut(of_panel.max(1))
        .zip(columns.par_chunks(WIDTH))
        .for_each(|(tiles, columns)| {
            for (column, weights) in columns.iter().enumerate() {
                let tiles = tiles.iter_mut().skip(column / SIDE).step_by(PAIR);
                for (tile, weights) in tiles.zip(weights.chunks(ROW_BYTES)) {
                    for (row, group) in weights.chunks(GROUP).enumerate() {
                        let place = &mut tile.bytes_mut(row)[column % SIDE * GROUP..];
                        place[..group.len()].copy_from_slice(bytemuck::cast_slice(group));
                    }
                }
            }
        });
    tiles
}

/// `[input, output]`, row-major, as float32.
pub(super) fn unpack(weights: &TileWeights, scales: &[f32]) -> Vec<f32> {
    let output = weights.output();
    let weight = |place: usize| {
        let (depth, output) = (place / output, place % output);
        let column = output % WIDTH;
        let tile = &weights.panel(output / WIDTH)[depth / ROW_BYTES * PAIR + column / SIDE];
        let row = tile.bytes(depth % ROW_BYTES / GROUP);
        let value = row[column % SIDE * GROUP + depth % GROUP].cast_signed();
        f32::from(value) * scales[output]
    };
    (0..weights.input() * output).map(weight).collect()
}

/// Up to 16 rows, rounded to whole numbers and made unsigned; rows and depths that are missing become 0.
pub(super) struct Conversion<'a> {
    pub(super) input: &'a [f32],
    pub(super) depth: usize,
    pub(super) tiles: &'a mut [Tile],
    /// What is found of every row.
    pub(super) steps: &'a mut [Steps],
}

impl Vectorized for Conversion<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize>(self, simd: S) {
        let rows = self.input.chunks_exact(self.depth);
        for missing in rows.len()..SIDE {
            for tile in &mut *self.tiles {
                *tile.bytes_mut(missing) = [0; ROW_BYTES];
            }
        }
        for (row, (values, steps)) in rows.zip(self.steps).enumerate() {
            *steps = Steps::of(simd, values);
            for (tile, values) in self.tiles.iter_mut().zip(values.chunks(ROW_BYTES)) {
                let bytes = tile.bytes_mut(row);
                steps.unsigned(values, bytes);
                bytes[values.len()..].fill(0);
            }
        }
    }
}

/// What the sums of some rows and a panel's columns stand for.
pub(super) struct Scaling<'a> {
    scales: &'a [f32; WIDTH],
    weight_sums: &'a [i32; WIDTH],
    steps: &'a [Steps],
}

impl<'a> Scaling<'a> {
    /// Of this panel's columns.
    pub(super) fn new(columns: &'a Columns, panel: usize, steps: &'a [Steps]) -> Self {
        Self {
            scales: &columns.scales.as_chunks().0[panel],
            weight_sums: &columns.weight_sums.as_chunks().0[panel],
            steps,
        }
    }

    /// Makes numbers of the sums of one of the rows, and adds the bias.
    #[inline(always)]
    pub(super) fn apply(&self, row: usize, sums: &mut [f32; WIDTH], bias: &[f32; WIDTH]) {
        let steps = self.steps[row];
        let whole: [i32; WIDTH] = bytemuck::cast(*sums);
        let columns = self.scales.iter().zip(self.weight_sums).zip(bias);
        for ((value, sum), ((scale, weight_sum), bias)) in sums.iter_mut().zip(whole).zip(columns) {
            // What the zero point has taken off; that of a row that is not finite may be anything.
            let sum = sum.wrapping_add(steps.zero_point().wrapping_mul(*weight_sum));
            *value = scaled(sum as f32, *scale, steps.scale(), *bias);
        }
    }
}
