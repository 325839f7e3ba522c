//! Dense layers in whole numbers of eight bits.
//!
//! Each row of the input is rounded to 256 steps between its smallest and its largest number, each
//! output's weights to 255 steps about 0. All products and sums of these are exact, so every body
//! gives the same on every processor, to the last bit of the sums; then they are scaled, and the rest
//! is float32.
//!
//! # Layout
//!
//! Panels of as many columns as two registers have sums. A panel is `[pair][column][2]` bytes: two neighbours of
//! the depth stand together, for every column of the panel; odd depths end with a weight of 0, and the
//! last panel is filled up with columns of 0.

mod matrix;
mod rows;
#[cfg(test)]
mod tests;
mod tile;

use std::ops::Range;

use rayon::prelude::*;

pub use matrix::Int8Matrix;
use rows::{QuantizedRows, Tile};
use tile::{Pairs, REGISTERS, WithPairs};

use super::linear::{Activation, by_panels, few_rows};
use super::math::gelu;

/// The most floats of a panel's row: two registers of AVX-512.
const WIDEST: usize = 32;

/// Rows of the input that one task takes at once, a multiple of all tile heights: their numbers and
/// what comes out of them stay in the second-level cache.
const BLOCK: usize = 48;

/// The panels of some layers side by side.
#[derive(Debug)]
pub(super) struct Int8Panels {
    weights: Vec<i8>,
    /// Padded with zeros to whole panels.
    scales: Vec<f32>,
    input: usize,
    /// Columns of a panel.
    width: usize,
}

impl Int8Panels {
    /// The outputs of all `layers`, which share `input`, one behind the other.
    pub(super) fn pack(layers: &[&Int8Matrix], input: usize) -> Self {
        Self::with_width(layers, input, tile::panel_width())
    }

    fn with_width(layers: &[&Int8Matrix], input: usize, width: usize) -> Self {
        let outputs: usize = layers.iter().map(|layer| layer.scales().len()).sum();
        let mut scales: Vec<f32> = layers
            .iter()
            .flat_map(|layer| layer.scales())
            .copied()
            .collect();
        scales.resize(outputs.next_multiple_of(width), 0.0);
        let panel = 2 * width * input.div_ceil(2);
        let mut weights = vec![0; outputs.div_ceil(width) * panel];
        let rows = layers
            .iter()
            .flat_map(|layer| layer.values().chunks_exact(input.max(1)));
        for (output, row) in rows.enumerate() {
            let place = &mut weights[output / width * panel + 2 * (output % width)..];
            for (pair, values) in row.chunks(2).enumerate() {
                place[pair * 2 * width..][..values.len()].copy_from_slice(values);
            }
        }
        Self {
            weights,
            scales,
            input,
            width,
        }
    }

    /// `[input, output]`, row-major, as float32.
    pub(super) fn unpack(&self, output: usize) -> Vec<f32> {
        let (width, panel) = (self.width, self.panel_bytes());
        let weight = |place: usize| {
            let (depth, output) = (place / output, place % output);
            let column = output / width * panel + 2 * (output % width);
            let value = self.weights[column + depth / 2 * 2 * width + depth % 2];
            f32::from(value) * self.scales[output]
        };
        (0..self.input * output).map(weight).collect()
    }

    /// Columns of a panel.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// What they take.
    pub(super) fn bytes(&self) -> usize {
        self.weights.len() + size_of_val(self.scales.as_slice())
    }

    fn panel_bytes(&self) -> usize {
        2 * self.width * self.input.div_ceil(2)
    }
}

/// As [`linear`](super::linear::linear), with the panels taken out of the weights. `bias` is as long
/// as the padded scales.
pub(super) fn linear(
    input: &[f32],
    panels: &Int8Panels,
    bias: &[f32],
    activation: Activation,
    columns: usize,
    output: &mut [f32],
) {
    let depth = panels.input;
    let work =
        |rows: &QuantizedRows, range: Range<usize>, columns: Range<usize>, output: &mut [f32]| {
            tile::dispatch(Product {
                rows,
                panels,
                bias,
                activation,
                range,
                columns,
                output,
            });
        };
    let count = columns.div_ceil(panels.width);
    if few_rows(input.len() / depth) {
        let rows = quantized(input, depth);
        by_panels(
            rows.count(),
            [count, panels.width, columns],
            output,
            |range, columns, output| work(&rows, range, columns, output),
        );
        return;
    }
    let blocks = input.par_chunks(BLOCK * depth);
    blocks
        .zip(output.par_chunks_mut(BLOCK * columns))
        .for_each(|(input, output)| {
            work(&quantized(input, depth), 0..count, 0..columns, output);
        });
}

fn quantized(values: &[f32], width: usize) -> QuantizedRows {
    struct Quantize<'a>(&'a [f32], usize);
    impl WithPairs for Quantize<'_> {
        type Output = QuantizedRows;

        #[inline(always)]
        fn run<P: Pairs, const ROWS: usize>(self, _: P) -> QuantizedRows {
            QuantizedRows::quantize(self.0, self.1, ROWS)
        }
    }
    tile::dispatch(Quantize(values, width))
}

/// All rows times some panels.
struct Product<'a> {
    rows: &'a QuantizedRows,
    panels: &'a Int8Panels,
    bias: &'a [f32],
    activation: Activation,
    /// The panels.
    range: Range<usize>,
    /// Columns of the product that they hold.
    columns: Range<usize>,
    /// Rows of `columns.len()` floats.
    output: &'a mut [f32],
}

impl WithPairs for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn run<P: Pairs, const ROWS: usize>(mut self, pairs: P) {
        let size = self.panels.panel_bytes();
        for panel in self.range.clone() {
            let weights = &self.panels.weights[panel * size..][..size];
            for &tile in self.rows.tiles() {
                macro_rules! tile_of {
                    ($($rows:literal)*) => {
                        match tile.height {
                            $($rows => self.tile::<P, $rows>(pairs, tile, panel, weights),)*
                            _ => self.tile::<P, ROWS>(pairs, tile, panel, weights),
                        }
                    };
                }
                tile_of!(1 2 3 4 5 6 7 8 9 10 11);
            }
        }
    }
}

impl Product<'_> {
    #[inline(always)]
    fn tile<P: Pairs, const ROWS: usize>(
        &mut self,
        pairs: P,
        tile: Tile,
        panel: usize,
        weights: &[i8],
    ) {
        let sums = tile::multiply::<P, ROWS>(pairs, self.rows.pairs(tile), weights);
        let width = REGISTERS * P::LANES;
        let bias = &self.bias[panel * width..][..width];
        let scales = &self.panels.scales[panel * width..][..width];
        let first = panel * width - self.columns.start;
        let count = width.min(self.columns.len() - first);
        let output = self
            .output
            .chunks_exact_mut(self.columns.len())
            .skip(tile.first_row);
        for ((row, sums), output) in sums.iter().enumerate().zip(output) {
            let mut values = [0.0; WIDEST];
            for (sums, values) in sums.iter().zip(values.chunks_exact_mut(P::LANES)) {
                pairs.store(*sums, values);
            }
            let row_scale = self.rows.scale(tile.first_row + row);
            for ((value, scale), bias) in values.iter_mut().zip(scales).zip(bias) {
                // In this order no product of the two scales can vanish.
                *value = (*value * scale).mul_add(row_scale, *bias);
            }
            if self.activation == Activation::Gelu {
                for value in &mut values[..width] {
                    *value = gelu(*value);
                }
            }
            output[first..first + count].copy_from_slice(&values[..count]);
        }
    }
}
