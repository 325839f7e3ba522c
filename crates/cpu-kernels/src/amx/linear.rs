//! A linear layer on AMX: conversion of the input, scheduling, epilogue.

use std::cell::Cell;
use std::ops::Range;

use pulp::Simd;
use rayon::prelude::*;

use super::blocks::{Block, blocks, one_behind};
use super::int8_rows::{self, Scaling};
use super::multiply::{Multiply, Pass, Sums};
use super::with_unit;
use crate::activation::Activation;
use crate::bf16::tiles::{DEPTH, Form, SIDE, Tile, TileFormat, WIDTH};
use crate::bf16::weights::TileWeights;
use crate::columns::Arrangement;
use crate::int8::quantization::QuantizationParameters;
use crate::schedule::{self, Layer, nearest_block, rows_of_block};
use crate::scratch::with_scratch;
use crate::simd::arch::{Vectorized, dispatch};
use crate::threads::threads;

/// Bytes of a block's input tiles: half of the second-level cache of processors with AMX, which is 2 MiB a core. The other
/// half has room for a panel of weights.
const BLOCK_BYTES: usize = 1024 * 1024;

/// Rows wanted in a block that passes through several layers. The intermediate rows, 3 MiB in the widest layer, and their
/// tiles exceed the second-level cache. With fewer rows all weights would come from further away for too few rows.
/// Estimated, not measured on a processor with AMX.
pub(crate) const ROWS_OF_LAYERS: usize = 256;

/// With fewer rows than this for every thread (and no more than a block), the weights are shared out: each thread reads a part
/// of them, and reading takes the time.
const FEWEST_ROWS: usize = 96;

/// [`linear`] for a block of rows on this thread only.
pub(crate) fn linear_of_block(
    input: &[f32],
    weights: &TileWeights,
    layer: Layer<'_>,
    output: &mut [f32],
) {
    Tiled { weights, layer }.block(input, output);
}

/// Rows of a block that passes through several layers; `None` where each layer is better shared out by its weights.
pub(crate) fn rows_of_blocks(rows: usize) -> Option<usize> {
    let block = rows_of_block(rows, ROWS_OF_LAYERS).next_multiple_of(SIDE);
    (rows > FEWEST_ROWS * threads()).then_some(block)
}

/// Rows of a block that passes through several layers on one thread: whole AMX tiles except for the last.
pub(crate) fn block_of_layers(rows: usize) -> usize {
    nearest_block(rows, ROWS_OF_LAYERS).next_multiple_of(SIDE)
}

/// `activation(input * weights + bias)` for whole rows, by AMX or its emulation.
pub(crate) fn linear(
    input: &[f32],
    rows: usize,
    weights: &TileWeights,
    layer: Layer<'_>,
    output: &mut [f32],
) {
    let of_row = weights.tiles_of_rows() * size_of::<Tile>() / SIDE;
    let most = (BLOCK_BYTES / of_row.max(1)).max(WIDTH) / WIDTH * WIDTH;
    let tiled = Tiled { weights, layer };
    if rows <= most.min(FEWEST_ROWS * threads()) {
        tiled.by_panels(input, rows, output);
    } else {
        let block = rows_of_block(rows, most).next_multiple_of(SIDE);
        tiled.by_rows(input, block, output);
    }
}

thread_local! {
    /// Scratch for rows of the input.
    static ROWS: Cell<Vec<Tile>> = const { Cell::new(Vec::new()) };
}

#[derive(Clone, Copy)]
struct Tiled<'a> {
    weights: &'a TileWeights,
    layer: Layer<'a>,
}

impl Tiled<'_> {
    /// Every thread computes all columns of some blocks of rows.
    fn by_rows(self, input: &[f32], block: usize, output: &mut [f32]) {
        input
            .par_chunks(block * self.layer.input)
            .zip(output.par_chunks_mut(block * self.layer.output))
            .for_each(|(input, output)| self.block(input, output));
    }

    /// All columns of a block of rows, on this thread.
    fn block(self, input: &[f32], output: &mut [f32]) {
        let depth = self.layer.input;
        let of_rows = self.weights.tiles_of_rows();
        let rows = input.len() / depth;
        let mut parameters = vec![QuantizationParameters::ZERO; rows];
        with_scratch(&ROWS, rows.div_ceil(SIDE) * of_rows, |tiles| {
            let groups = tiles.chunks_exact_mut(of_rows);
            let rows = input.chunks(SIDE * depth).zip(parameters.chunks_mut(SIDE));
            for (tiles, (input, parameters)) in groups.zip(rows) {
                self.convert(input, tiles, parameters);
            }
            let panels = 0..self.layer.panels();
            let mut output: Vec<_> = output.chunks_exact_mut(self.layer.output).collect();
            self.multiply(tiles, &parameters, panels, &mut output);
        });
    }

    /// N-split: every thread computes some columns of all rows; see [`schedule::by_panels`].
    fn by_panels(self, input: &[f32], rows: usize, output: &mut [f32]) {
        let depth = self.layer.input;
        let of_rows = self.weights.tiles_of_rows();
        let mut parameters = vec![QuantizationParameters::ZERO; rows];
        with_scratch(&ROWS, rows.div_ceil(SIDE) * of_rows, |tiles| {
            tiles
                .par_chunks_exact_mut(of_rows)
                .zip(input.par_chunks(SIDE * depth))
                .zip(parameters.par_chunks_mut(SIDE))
                .for_each(|((tiles, input), parameters)| self.convert(input, tiles, parameters));
            let (tiles, parameters) = (&*tiles, parameters.as_slice());
            schedule::by_panels(self.layer, output, |panels, _, output| {
                self.multiply(tiles, parameters, panels, output);
            });
        });
    }

    /// Converts up to 16 rows of the input to tiles, with their quantization parameters if the weights are int8.
    fn convert(self, input: &[f32], tiles: &mut [Tile], parameters: &mut [QuantizationParameters]) {
        let depth = self.layer.input;
        match self.weights.format() {
            TileFormat::Bfloat16(form) => dispatch(Conversion {
                input,
                depth,
                form,
                tiles,
            }),
            TileFormat::Int8 => dispatch(int8_rows::Conversion {
                input,
                depth,
                tiles,
                parameters,
            }),
        }
    }

    /// The product of the tiles of `parameters.len()` rows with some panels; `output` has only the columns of these panels.
    fn multiply(
        self,
        tiles: &[Tile],
        parameters: &[QuantizationParameters],
        panels: Range<usize>,
        output: &mut [&mut [f32]],
    ) {
        with_unit(|unit| self.multiply_by(unit, tiles, parameters, panels, output));
    }

    fn multiply_by(
        self,
        unit: &mut dyn Multiply,
        tiles: &[Tile],
        parameters: &[QuantizationParameters],
        panels: Range<usize>,
        output: &mut [&mut [f32]],
    ) {
        let of_rows = self.weights.tiles_of_rows();
        let (start, stored) = (panels.start, self.layer.stored());
        let multiply = |unit: &mut dyn Multiply, block: Block, sums: &mut Sums| {
            let input = block.rows(tiles, of_rows);
            let weights = self.weights.panel(block.panel);
            let pass = if block.pair == 0 {
                Pass::First
            } else {
                Pass::Later
            };
            unit.multiply(self.weights.format(), pass, &input, weights, sums);
        };
        let follow = |Block { panel, pair }: Block, sums: &mut Sums| {
            let rows = pair * WIDTH..parameters.len().min((pair + 1) * WIDTH);
            let parameters = &parameters[rows.clone()];
            dispatch(Finish {
                sums,
                scaling: (self.weights.columns())
                    .map(|columns| Scaling::new(columns, panel, parameters)),
                bias: &self.layer.bias.as_chunks().0[panel],
                arrangement: self.layer.arrangement,
                activation: self.layer.activation,
                output: &mut output[rows],
                first: (panel - start) * stored,
            });
        };
        one_behind(
            unit,
            blocks(panels, parameters.len().div_ceil(SIDE)),
            multiply,
            follow,
        );
    }
}

/// Rounds or splits up to 16 rows; missing rows and depths become 0.
struct Conversion<'a> {
    input: &'a [f32],
    depth: usize,
    form: Form,
    tiles: &'a mut [Tile],
}

impl Vectorized for Conversion<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize>(self, _: S) {
        let rows = self.input.chunks_exact(self.depth);
        for missing in rows.len()..SIDE {
            for tile in &mut *self.tiles {
                *tile.row_mut(missing) = [0; DEPTH];
            }
        }
        for (row, values) in rows.enumerate() {
            self.form.write(values, self.tiles, row);
        }
    }
}

/// The epilogue: dequantization or bias, activation, product with the other half of a gated panel, and store.
struct Finish<'a, 'b> {
    sums: &'a mut Sums,
    /// Dequantization of int8 sums.
    scaling: Option<Scaling<'a>>,
    bias: &'a [f32; WIDTH],
    arrangement: Arrangement,
    activation: Activation,
    output: &'a mut [&'b mut [f32]],
    /// Index of the panel's first column in these rows.
    first: usize,
}

impl Vectorized for Finish<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize>(self, _: S) {
        for (row, (sums, output)) in self.sums.0.iter_mut().zip(self.output).enumerate() {
            if let Some(scaling) = &self.scaling {
                scaling.apply(row, sums, self.bias);
            } else {
                for (sum, bias) in sums.iter_mut().zip(self.bias) {
                    *sum += bias;
                }
            }
            let output = &mut output[self.first..];
            match self.arrangement {
                Arrangement::InOrder => {
                    self.activation.apply(sums);
                    store(sums, output);
                }
                Arrangement::Gated => {
                    let ([gates, factors], _) = sums.as_chunks_mut::<SIDE>() else {
                        continue;
                    };
                    self.activation.apply(gates);
                    for (gate, factor) in gates.iter_mut().zip(factors) {
                        *gate *= *factor;
                    }
                    store(gates, output);
                }
            }
        }
    }
}

/// Stores values, as far as `output` has columns.
#[inline(always)]
fn store<const N: usize>(values: &[f32; N], output: &mut [f32]) {
    // A copy of a length that the compiler does not know would be a call.
    if let Some(places) = output.first_chunk_mut::<N>() {
        *places = *values;
    } else {
        let count = output.len();
        output.copy_from_slice(&values[..count]);
    }
}
