//! Packed weights, and the linear layer over them: the one `match` over weight formats.
//!
//! Layers that share their input (queries, keys, values) are packed as one matrix, with one pass over the input. Each format
//! has its own order: panels of float32 or bfloat16 ([`float`](super::float)), tiles for AMX or for the bfloat16 dot product
//! ([`bf16`](super::bf16)), groups of bytes ([`int8`]). Packing reads the matrix once, with all threads, a cache line of
//! each row at a time. There is one copy of the weights, because packed weights can be [unpacked](PackedLinear::unpack).

mod pack;

use std::sync::Arc;

use super::activation::Activation;
use super::amx::{self, detect};
use super::bf16::dot_product::Bf16DotProduct;
use super::bf16::tiles::Form;
use super::bf16::weights::TileWeights;
use super::columns::Arrangement;
use super::float::panels::{Bf16Pair, Element};
use super::float::rows::{Columns, RowMajor, transposed};
use super::int8;
use super::int8::panels::Int8Panels;
use super::pages::Pages;
use super::schedule::{Layer, few_rows, nearest_block, rows_of_block};
use crate::precision::Precision;

/// The packed weights and the bias of a linear layer, or of several side by side that share their input, for [`linear`].
///
/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct PackedLinear(Arc<Packed>);

#[derive(Debug)]
struct Packed {
    panels: Panels,
    /// In the order of the panels, with zeros where a column is missing.
    bias: Vec<f32>,
    input: usize,
    /// Columns of all matrices, and their order.
    columns: usize,
    arrangement: Arrangement,
    width: usize,
}

#[derive(Debug)]
pub(super) enum Panels {
    Float32(Pages<f32>),
    Bfloat16(Pages<Bf16Pair>),
    /// Of any precision, for AMX; of bfloat16 also for the dot product of AVX512-BF16.
    Tiles(TileWeights),
    Int8(Int8Panels),
}

impl PackedLinear {
    /// The precision in which the weights are stored.
    #[must_use]
    pub fn precision(&self) -> Precision {
        match &self.0.panels {
            Panels::Float32(_) => Precision::Float32,
            Panels::Bfloat16(_) => Precision::Bfloat16,
            Panels::Tiles(tiles) => tiles.precision(),
            Panels::Int8(_) => Precision::Int8,
        }
    }

    /// Width of the input rows.
    #[must_use]
    pub fn input(&self) -> usize {
        self.0.input
    }

    /// Width of the output rows.
    #[must_use]
    pub fn output(&self) -> usize {
        self.0.arrangement.outputs(self.0.columns)
    }

    /// Whether the layer is [gated](Self::pack_gated).
    #[must_use]
    pub fn is_gated(&self) -> bool {
        self.0.arrangement == Arrangement::Gated
    }

    /// The weights, `[input, output]` row-major, and the bias, after rounding. Of a gated layer, `[input, 2 * output]` and
    /// `[2 * output]`: both matrices side by side.
    ///
    /// float32 weights come back bit for bit or, packed for AMX, within `2^-17` of themselves.
    #[must_use]
    pub fn unpack(&self) -> (Vec<f32>, Vec<f32>) {
        let weights = match &self.0.panels {
            Panels::Float32(panels) => self.join(panels),
            Panels::Bfloat16(panels) => self.join(panels),
            Panels::Tiles(tiles) => tiles.unpack(),
            Panels::Int8(panels) => panels.unpack(self.0.columns),
        };
        let place = |column| {
            self.0
                .arrangement
                .place(column, self.0.columns, self.0.width)
        };
        let bias = (0..self.0.columns).map(|column| self.0.bias[place(column)]);
        (weights, bias.collect())
    }

    fn join<E: Element>(&self, panels: &[E]) -> Vec<f32> {
        let Packed {
            input,
            columns,
            arrangement,
            width,
            ..
        } = *self.0;
        let mut weights = vec![0.0; input * columns];
        let mut floats = vec![0.0; width];
        let in_row = panels.len() / (input * arrangement.panels(columns, width)).max(1);
        for (index, row) in panels.chunks_exact(in_row.max(1)).enumerate() {
            let (panel, depth) = (index / input, index % input);
            E::upcast(row, &mut floats);
            let row = &mut weights[depth * columns..][..columns];
            for (range, place) in arrangement.parts(panel, columns, width) {
                let floats = &floats[place..][..range.len()];
                row[range].copy_from_slice(floats);
            }
        }
        weights
    }

    /// Memory of the packed weights, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match &self.0.panels {
            Panels::Float32(panels) => size_of_val(&**panels),
            Panels::Bfloat16(panels) => size_of_val(&**panels),
            Panels::Tiles(tiles) => tiles.bytes(),
            Panels::Int8(panels) => panels.bytes(),
        }
    }

    /// The layer without its weights.
    pub(super) fn layer(&self, activation: Activation) -> Layer<'_> {
        Layer {
            input: self.0.input,
            output: self.output(),
            width: self.0.width,
            bias: &self.0.bias,
            arrangement: self.0.arrangement,
            activation,
        }
    }

    pub(super) fn panels(&self) -> &Panels {
        &self.0.panels
    }
}

/// Rows wanted in a block that passes through several layers. Its intermediate rows, up to 12 KiB each, mostly stay in a
/// second-level cache of 1 MiB.
const ROWS_OF_LAYERS: usize = 48;

/// `activation(input * weights + bias)`.
///
/// `input` holds rows of [`PackedLinear::input`] floats and `output` as many rows of
/// [`PackedLinear::output`].
///
/// # Panics
///
/// When the slices do not hold the same number of whole rows.
pub fn linear(input: &[f32], weights: &PackedLinear, activation: Activation, output: &mut [f32]) {
    let rows = rows_of(input, weights.input());
    assert_eq!(rows, rows_of(output, weights.output()), "rows in and out");
    if rows == 0 {
        return;
    }
    let layer = weights.layer(activation);
    match weights.panels() {
        Panels::Tiles(tiles) => match bf16_dot_product(tiles) {
            Some(dot) => dot.linear(input, rows, tiles.tiles(), layer, output),
            None => amx::linear::linear(input, rows, tiles, layer, output),
        },
        Panels::Int8(panels) => int8::linear::linear(input, panels, layer, output),
        Panels::Float32(panels) => layer.multiply(RowMajor(input), rows, &**panels, output),
        Panels::Bfloat16(panels) => layer.multiply(RowMajor(input), rows, &**panels, output),
    }
}

/// As [`linear`], for a block of rows on this thread only.
pub(super) fn linear_of_block(
    input: &[f32],
    weights: &PackedLinear,
    activation: Activation,
    output: &mut [f32],
) {
    let layer = weights.layer(activation);
    let rows = 0..rows_of(output, layer.output);
    let input_rows = RowMajor(input);
    match weights.panels() {
        Panels::Tiles(tiles) => match bf16_dot_product(tiles) {
            Some(dot) => dot.linear_of_block(input, tiles.tiles(), layer, output),
            None => amx::linear::linear_of_block(input, tiles, layer, output),
        },
        Panels::Int8(panels) => int8::linear::linear_of_block(input, panels, layer, output),
        Panels::Float32(panels) => layer.multiply_block(input_rows, rows, &**panels, output),
        Panels::Bfloat16(panels) => layer.multiply_block(input_rows, rows, &**panels, output),
    }
}

/// Rows of a block, where several layers with such weights follow each other block by block.
///
/// `None` for a few rows: then each layer is better shared out by its weights.
pub(super) fn rows_of_blocks(weights: &PackedLinear, rows: usize) -> Option<usize> {
    match weights.panels() {
        Panels::Tiles(tiles) if bf16_dot_product(tiles).is_none() => {
            amx::linear::rows_of_blocks(rows)
        }
        _ if few_rows(rows) => None,
        _ => Some(rows_of_block(rows, ROWS_OF_LAYERS)),
    }
}

/// Rows wanted in a block that passes through several layers with such weights.
pub(super) fn rows_of_layers(weights: &PackedLinear) -> usize {
    match weights.panels() {
        Panels::Tiles(tiles) if bf16_dot_product(tiles).is_none() => amx::linear::ROWS_OF_LAYERS,
        _ => ROWS_OF_LAYERS,
    }
}

/// Rows of a block, where some rows pass through several layers with such weights on one thread.
pub(super) fn block_of_layers(weights: &PackedLinear, rows: usize) -> usize {
    match weights.panels() {
        Panels::Tiles(tiles) if bf16_dot_product(tiles).is_none() => {
            amx::linear::block_of_layers(rows)
        }
        _ => nearest_block(rows, ROWS_OF_LAYERS),
    }
}

/// `columns^T * weights + bias`, for a transposed input `[PackedLinear::input][row]`.
///
/// `output` holds the rows.
///
/// # Panics
///
/// When the slices do not fit each other.
pub(super) fn linear_of_columns(columns: &[f32], weights: &PackedLinear, output: &mut [f32]) {
    let rows = rows_of(output, weights.output());
    assert_eq!(columns.len(), rows * weights.input(), "rows in and out");
    if rows == 0 {
        return;
    }
    let input = Columns {
        values: columns,
        count: rows,
    };
    let layer = weights.layer(Activation::Identity);
    match weights.panels() {
        Panels::Float32(panels) => layer.multiply(input, rows, &**panels, output),
        Panels::Bfloat16(panels) => layer.multiply(input, rows, &**panels, output),
        // These convert rows into their own tiles or groups.
        Panels::Tiles(_) | Panels::Int8(_) => {
            let input = transposed(columns, rows);
            linear(&input, weights, Activation::Identity, output);
        }
    }
}

fn rows_of(values: &[f32], width: usize) -> usize {
    assert_eq!(values.len() % width.max(1), 0, "whole rows");
    values.len() / width.max(1)
}

/// The dot product of bfloat16, if it multiplies these weights.
fn bf16_dot_product(weights: &TileWeights) -> Option<Bf16DotProduct> {
    match weights.form() {
        Some(Form::Single) if !detect::wanted() => Bf16DotProduct::fast(),
        _ => None,
    }
}
