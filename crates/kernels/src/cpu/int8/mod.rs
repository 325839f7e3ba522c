//! Dense layers in whole numbers of eight bits.
//!
//! Each row of the input is rounded to 256 steps between its smallest and its largest number, each
//! output's weights to at most 255 steps about 0, so that [no two neighbours](Int8Matrix::quantize) are
//! both large. All products and sums of these are exact, so every body gives the same on every processor,
//! to the last bit of the sums; then they are scaled, and the rest is float32.
//!
//! On Intel processors with a matrix unit its [byte tiles](super::amx) do the same; what follows is for
//! all others.
//!
//! # Layout
//!
//! Panels of as many columns as two registers have sums. A panel is `[group][column][size]` bytes: two
//! or four neighbours of the depth, as the [instructions](Body) want them, stand together, for every
//! column of the panel; the depth is filled up with weights of 0, and the last panel with columns of 0.

mod body;
#[cfg(target_arch = "x86_64")]
mod byte_pairs;
#[cfg(target_arch = "x86_64")]
mod fours;
mod matrix;
mod rows;
mod steps;
#[cfg(test)]
mod tests;
mod tile;
#[cfg(target_arch = "x86_64")]
mod vnni;

use std::ops::Range;

use pulp::Simd;
use rayon::prelude::*;

use body::{Body, WithDotProduct};
pub use matrix::Int8Matrix;
use rows::{QuantizedRows, Tile};
pub(super) use steps::Steps;
use tile::{DotProduct, REGISTERS};

use super::linear::{Layer, by_panels, few_rows, rows_of_block};
use super::pages::Pages;
use super::prefetch::Ahead;
use super::tile::{load, put};

/// The most rows of the input that one task takes at once: their numbers and what comes out of them stay in the
/// second-level cache.
const BLOCK: usize = 48;

/// The panels of some layers side by side.
#[derive(Debug)]
pub(super) struct Int8Panels {
    weights: Pages<i8>,
    columns: Columns,
    input: usize,
    /// What they are made for.
    body: Body,
}

/// What is known of each column of some layers side by side, filled up with zeros to whole panels.
#[derive(Debug)]
pub(super) struct Columns {
    /// What the weights are multiples of.
    pub(super) scales: Vec<f32>,
    /// The sum of the weights: a zero point taken off a row costs as many times that.
    pub(super) weight_sums: Vec<i32>,
}

impl Columns {
    /// The outputs of all `layers`, in panels of `width`.
    pub(super) fn of(layers: &[&Int8Matrix], width: usize) -> Self {
        let mut columns = Self {
            scales: Vec::new(),
            weight_sums: Vec::new(),
        };
        for layer in layers {
            columns.scales.extend(layer.scales());
            let rows = layer.values().chunks_exact(layer.input().max(1));
            let sum = |row: &[i8]| row.iter().map(|weight| i32::from(*weight)).sum::<i32>();
            columns.weight_sums.extend(rows.map(sum));
        }
        let outputs = columns.scales.len().next_multiple_of(width);
        columns.scales.resize(outputs, 0.0);
        columns.weight_sums.resize(outputs, 0);
        columns
    }

    /// What they take.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(self.scales.as_slice()) + size_of_val(self.weight_sums.as_slice())
    }
}

/// What a sum of whole numbers stands for, of a column and a row with these scales.
#[inline(always)]
pub(super) fn scaled(sum: f32, scale: f32, row_scale: f32, bias: f32) -> f32 {
    // In this order no product of the two scales can vanish.
    (sum * scale).mul_add(row_scale, bias)
}

/// [`scaled`], of a register of columns.
#[inline(always)]
fn scaled_registers<S: Simd>(
    simd: S,
    sums: S::f32s,
    scales: S::f32s,
    row_scale: S::f32s,
    bias: S::f32s,
) -> S::f32s {
    simd.mul_add_f32s(simd.mul_f32s(sums, scales), row_scale, bias)
}

impl Int8Panels {
    /// The outputs of all `layers`, which share `input`, one behind the other.
    pub(super) fn pack(layers: &[&Int8Matrix], input: usize) -> Self {
        let rows = rows_of(layers, input);
        Self::pack_for(Body::best(&rows), layers, &rows, input)
    }

    fn pack_for(body: Body, layers: &[&Int8Matrix], rows: &[&[i8]], input: usize) -> Self {
        let (width, grouping) = body.layout();
        let columns = Columns::of(layers, width);
        let size = grouping.size();
        let panel = size * width * input.div_ceil(size);
        let mut weights = Pages::zeroed(columns.scales.len() / width * panel);
        weights
            .par_chunks_exact_mut(panel.max(1))
            .zip(rows.par_chunks(width))
            .for_each(|(panel, rows)| {
                for (column, row) in rows.iter().enumerate() {
                    let place = &mut panel[size * column..];
                    for (group, values) in row.chunks(size).enumerate() {
                        place[group * size * width..][..values.len()].copy_from_slice(values);
                    }
                }
            });
        Self {
            weights,
            columns,
            input,
            body,
        }
    }

    /// `[input, output]`, row-major, as float32.
    pub(super) fn unpack(&self, output: usize) -> Vec<f32> {
        let ((width, grouping), panel) = (self.body.layout(), self.panel_bytes());
        let size = grouping.size();
        let weight = |place: usize| {
            let (depth, output) = (place / output, place % output);
            let column = output / width * panel + size * (output % width);
            let value = self.weights[column + depth / size * size * width + depth % size];
            f32::from(value) * self.columns.scales[output]
        };
        (0..self.input * output).map(weight).collect()
    }

    /// Columns of a panel.
    pub(super) fn width(&self) -> usize {
        self.body.layout().0
    }

    /// What they take.
    pub(super) fn bytes(&self) -> usize {
        self.weights.len() + self.columns.bytes()
    }

    fn panel_bytes(&self) -> usize {
        let (width, grouping) = self.body.layout();
        grouping.size() * width * self.input.div_ceil(grouping.size())
    }
}

/// The weights of every output.
pub(super) fn rows_of<'a>(layers: &[&'a Int8Matrix], input: usize) -> Vec<&'a [i8]> {
    let rows = |layer: &&'a Int8Matrix| layer.values().chunks_exact(input.max(1));
    layers.iter().flat_map(rows).collect()
}

/// As [`linear`](super::linear::linear), with the panels taken out of the weights.
pub(super) fn linear(input: &[f32], weights: &Int8Panels, layer: Layer<'_>, output: &mut [f32]) {
    let depth = layer.input;
    if few_rows(input.len() / depth) {
        let rows = quantized(weights.body, input, depth);
        by_panels(layer, output, |range, columns, output| {
            multiply(&rows, weights, layer, range, columns, output);
        });
        return;
    }
    let block = rows_of_block(input.len() / depth, BLOCK);
    let blocks = input.par_chunks(block * depth);
    blocks
        .zip(output.par_chunks_mut(block * layer.output))
        .for_each(|(input, output)| linear_of_block(input, weights, layer, output));
}

/// As [`linear_of_block`](super::linear::linear_of_block), with the panels taken out of the weights.
pub(super) fn linear_of_block(
    input: &[f32],
    weights: &Int8Panels,
    layer: Layer<'_>,
    output: &mut [f32],
) {
    let rows = quantized(weights.body, input, layer.input);
    let mut output: Vec<_> = output.chunks_exact_mut(layer.output).collect();
    let (range, columns) = (0..layer.panels(), 0..layer.output);
    multiply(&rows, weights, layer, range, columns, &mut output);
}

fn multiply(
    rows: &QuantizedRows,
    weights: &Int8Panels,
    layer: Layer<'_>,
    range: Range<usize>,
    columns: Range<usize>,
    output: &mut [&mut [f32]],
) {
    weights.body.dispatch(Product {
        rows,
        weights,
        layer,
        range,
        columns,
        output,
    });
}

fn quantized(body: Body, values: &[f32], width: usize) -> QuantizedRows {
    struct Quantize<'a>(&'a [f32], usize);
    impl WithDotProduct for Quantize<'_> {
        type Output = QuantizedRows;

        #[inline(always)]
        fn run<D: DotProduct, const ROWS: usize>(self, dot: D) -> QuantizedRows {
            QuantizedRows::quantize(dot.simd(), self.0, self.1, ROWS, D::GROUPING)
        }
    }
    body.dispatch(Quantize(values, width))
}

/// All rows times some panels.
struct Product<'a, 'b> {
    rows: &'a QuantizedRows,
    weights: &'a Int8Panels,
    layer: Layer<'a>,
    /// The panels.
    range: Range<usize>,
    /// Columns of the product that they hold.
    columns: Range<usize>,
    /// Of every row `columns`.
    output: &'a mut [&'b mut [f32]],
}

impl WithDotProduct for Product<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<D: DotProduct, const ROWS: usize>(mut self, dot: D) {
        let size = self.weights.panel_bytes();
        for panel in self.range.clone() {
            let (weights, rest) = self.weights.weights[panel * size..].split_at(size);
            let next = &rest[..size.min(rest.len())];
            let in_row = D::GROUPING.size() * REGISTERS * D::LANES;
            let tiles = self.rows.tiles();
            for (index, &tile) in tiles.iter().enumerate() {
                let ahead = Ahead::share(next, in_row, index, tiles.len());
                macro_rules! tile_of {
                    ($($rows:literal)*) => {
                        match tile.height {
                            $($rows => self.tile::<D, $rows>(dot, tile, panel, weights, ahead),)*
                            _ => self.tile::<D, ROWS>(dot, tile, panel, weights, ahead),
                        }
                    };
                }
                tile_of!(1 2 3 4 5 6 7 8 9 10 11);
            }
        }
    }
}

impl Product<'_, '_> {
    #[inline(always)]
    fn tile<D: DotProduct, const ROWS: usize>(
        &mut self,
        dot: D,
        tile: Tile,
        panel: usize,
        weights: &[i8],
        ahead: Ahead<'_>,
    ) {
        let width = REGISTERS * D::LANES;
        let columns = &self.weights.columns;
        let sums = tile::multiply::<D, ROWS>(
            dot,
            self.rows.groups(tile),
            self.rows.zero_points(tile),
            weights,
            &columns.weight_sums[panel * width..][..width],
            ahead,
        );
        let bias = load::<D::Simd>(&self.layer.bias[panel * width..][..width]);
        let scales = load::<D::Simd>(&columns.scales[panel * width..][..width]);
        let first = panel * width - self.columns.start;
        let count = width.min(self.columns.len() - first);
        let output = &mut self.output[tile.first_row..];
        let simd = dot.simd();
        for ((row, sums), output) in sums.iter().enumerate().zip(output) {
            let row_scale = simd.splat_f32s(self.rows.scale(tile.first_row + row));
            let values = std::array::from_fn(|index| {
                let sums = dot.floats(sums[index]);
                scaled_registers(simd, sums, scales[index], row_scale, bias[index])
            });
            put::<D::Simd>(
                values,
                self.layer.activation,
                &mut output[first..first + count],
            );
        }
    }
}
