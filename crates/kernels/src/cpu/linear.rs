//! Dense layers over packed weights.
//!
//! # Strategy
//!
//! Rows of the input are taken in blocks, so that a block stays in the second-level cache while every
//! panel of the weights passes over it once, and a panel stays there while the tiles of the block go
//! over it. Blocks are shared out over the threads. A few rows (one text) are too few to share:
//! there the panels are shared out, because reading the weights is what takes the time.
//!
//! A depth of thousands is cut into parts, whose sums are added up in the output: a block of such rows would have few
//! of them, and every panel would come from far away for those few. The cuts depend on the depth alone, and so do the
//! sums: a row gives the same bits in whatever company.
//!
//! Where one layer follows another, a block passes through both: see [`encoder_layer`](super::encoder_layer()).
//!
//! Weights that are packed for a matrix unit have a way of their own: see [`amx`].

use std::marker::PhantomData;
use std::ops::Range;

use pulp::Simd;
use rayon::prelude::*;

use super::amx;
use super::input::{Input, Pack, RowMajor, transposed};
use super::int8;
use super::panels::{Element, PackedLinear, Panels};
use super::prefetch::Ahead;
use super::simd::{Vectorized, dispatch};
use super::threads::threads;
use super::tile::{Columns, PackedRows, PanelPart, REGISTERS, Tile, load, multiply, put};

/// What follows a dense layer's sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// Nothing.
    Identity,
    /// The exact GELU, `x * (1 + erf(x / sqrt(2))) / 2`.
    Gelu,
}

/// Floats of the input in a block: 256 KiB, half of the second-level cache of common servers.
const BLOCK_FLOATS: usize = 64 * 1024;

/// The most of the depth that is summed up at once: a panel's part, 64 KiB with AVX2, and a block that meets it.
const MOST_DEPTH: usize = 1024;

/// Rows that are wanted in a block that passes through several layers: what they make of it, up to 12 KiB a row, stays for the most
/// part in a second-level cache of a mebibyte.
const ROWS_OF_LAYERS: usize = 48;

/// With fewer rows than this for every thread, the panels are shared out instead.
const FEWEST_ROWS: usize = 24;

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
    let layer = Layer::new(weights, activation);
    match weights.panels() {
        Panels::Tiles(tiles) => amx::linear(input, tiles, layer, output),
        Panels::Int8(panels) => int8::linear(input, panels, layer, output),
        Panels::Float32(panels) => layer.multiply(RowMajor(input), rows, &**panels, output),
        Panels::Bfloat16(panels) => layer.multiply(RowMajor(input), rows, &**panels, output),
    }
}

/// As [`linear`], of a block of rows that is not shared out: by this thread alone.
pub(super) fn linear_of_block(
    input: &[f32],
    weights: &PackedLinear,
    activation: Activation,
    output: &mut [f32],
) {
    let layer = Layer::new(weights, activation);
    let rows = 0..rows_of(output, layer.output);
    let input_rows = RowMajor(input);
    match weights.panels() {
        Panels::Tiles(tiles) => amx::linear_of_block(input, tiles, layer, output),
        Panels::Int8(panels) => int8::linear_of_block(input, panels, layer, output),
        Panels::Float32(panels) => layer.multiply_block(input_rows, rows, &**panels, output),
        Panels::Bfloat16(panels) => layer.multiply_block(input_rows, rows, &**panels, output),
    }
}

/// Rows of a block, where several layers with such weights follow each other block by block; `None` where these are few
/// rows, of which every layer is better shared out by its weights.
pub(super) fn rows_of_blocks(weights: &PackedLinear, rows: usize) -> Option<usize> {
    match weights.panels() {
        Panels::Tiles(tiles) if amx::by_unit(tiles) => amx::rows_of_blocks(rows),
        _ if few_rows(rows) => None,
        _ => Some(rows_of_block(rows, ROWS_OF_LAYERS)),
    }
}

/// Rows that are wanted in a block that passes through several layers with such weights.
pub(super) fn rows_of_layers(weights: &PackedLinear) -> usize {
    match weights.panels() {
        Panels::Tiles(tiles) if amx::by_unit(tiles) => amx::ROWS_OF_LAYERS,
        _ => ROWS_OF_LAYERS,
    }
}

/// Rows of a block, where some rows pass through several layers with such weights on one thread.
pub(super) fn block_of_layers(weights: &PackedLinear, rows: usize) -> usize {
    match weights.panels() {
        Panels::Tiles(tiles) if amx::by_unit(tiles) => amx::block_of_layers(rows),
        _ => nearest_block(rows, ROWS_OF_LAYERS),
    }
}

/// Rows of a block, when some rows are cut into blocks of `wanted` as nearly as can be: every block reads all weights.
pub(super) fn nearest_block(rows: usize, wanted: usize) -> usize {
    rows.div_ceil(((rows + wanted / 2) / wanted).max(1))
}

/// `columns^T * weights + bias`, for an input that lies transposed, `[PackedLinear::input][row]`: `output`
/// holds the rows.
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
    let layer = Layer::new(weights, Activation::Identity);
    match weights.panels() {
        Panels::Float32(panels) => layer.multiply(input, rows, &**panels, output),
        Panels::Bfloat16(panels) => layer.multiply(input, rows, &**panels, output),
        // These convert rows on the way into tiles of their own.
        Panels::Tiles(_) | Panels::Int8(_) => {
            let input = transposed(columns, rows);
            linear(&input, weights, Activation::Identity, output);
        }
    }
}

/// The panels of a layer, and the instructions that multiply them.
pub(super) trait Panelled: Copy + Sync {
    type Part: PanelPart;

    fn parts(&self) -> &[Self::Part];

    fn instructions(self) -> <Self::Part as PanelPart>::Instructions;

    /// Does `work` with the instructions.
    fn dispatch<W: Vectorized>(self, work: W) -> W::Output;
}

impl<E: Element> Panelled for &[E] {
    type Part = E;

    fn parts(&self) -> &[E] {
        self
    }

    fn instructions(self) {}

    #[inline(always)]
    fn dispatch<W: Vectorized>(self, work: W) -> W::Output {
        dispatch(work)
    }
}

/// A dense layer but for its weights.
#[derive(Clone, Copy)]
pub(super) struct Layer<'a> {
    pub(super) input: usize,
    pub(super) output: usize,
    /// Columns of a panel.
    pub(super) width: usize,
    /// Padded to whole panels.
    pub(super) bias: &'a [f32],
    pub(super) activation: Activation,
}

impl<'a> Layer<'a> {
    fn new(weights: &'a PackedLinear, activation: Activation) -> Self {
        Self {
            input: weights.input(),
            output: weights.output(),
            width: weights.width(),
            bias: weights.bias(),
            activation,
        }
    }

    pub(super) fn panels(self) -> usize {
        self.output.div_ceil(self.width)
    }

    /// `rows` of the input times the panels.
    pub(super) fn multiply<P: Panelled, I: Input<<P::Part as PanelPart>::Group>>(
        self,
        input: I,
        rows: usize,
        panels: P,
        output: &mut [f32],
    ) {
        let depth = self.input;
        if few_rows(rows) && I::BY_ONE_THREAD {
            let packed: Vec<_> = parts(depth, P::Part::ALIGNMENT)
                .map(|part| (part.clone(), self.pack(input, 0..rows, part, panels)))
                .collect();
            by_panels(self, output, |range, columns, output| {
                for (part, packed) in &packed {
                    let (part, range) = (part.clone(), range.clone());
                    self.add_part(packed, part, panels, range, columns.clone(), output);
                }
            });
            return;
        }
        let block = rows_of_block(rows, BLOCK_FLOATS / depth.clamp(1, MOST_DEPTH));
        output
            .par_chunks_mut(block * self.output)
            .enumerate()
            .for_each(|(index, output)| {
                let first = index * block;
                self.multiply_block(input, first..rows.min(first + block), panels, output);
            });
    }

    /// Some rows of the input times the panels, by this thread alone: `output` has these rows.
    pub(super) fn multiply_block<P: Panelled, I: Input<<P::Part as PanelPart>::Group>>(
        self,
        input: I,
        rows: Range<usize>,
        panels: P,
        output: &mut [f32],
    ) {
        let mut output: Vec<_> = output.chunks_exact_mut(self.output).collect();
        for part in parts(self.input, P::Part::ALIGNMENT) {
            let packed = self.pack(input, rows.clone(), part.clone(), panels);
            let (range, columns) = (0..self.panels(), 0..self.output);
            self.add_part(&packed, part, panels, range, columns, &mut output);
        }
    }

    fn pack<P: Panelled, I: Input<<P::Part as PanelPart>::Group>>(
        self,
        input: I,
        rows: Range<usize>,
        part: Range<usize>,
        panels: P,
    ) -> PackedRows<<P::Part as PanelPart>::Group> {
        panels.dispatch(Pack {
            input,
            rows,
            depth: self.input,
            part,
            group: PhantomData,
        })
    }

    /// Adds the product of a part of the depth with some panels.
    fn add_part<P: Panelled>(
        self,
        rows: &PackedRows<<P::Part as PanelPart>::Group>,
        part: Range<usize>,
        panels: P,
        range: Range<usize>,
        columns: Range<usize>,
        output: &mut [&mut [f32]],
    ) {
        panels.dispatch(Product {
            rows,
            layer: self,
            weights: panels.parts(),
            instructions: panels.instructions(),
            part,
            panels: range,
            output,
            columns,
        });
    }
}

/// The depth in parts of like size, multiples of `alignment` (of which [`MOST_DEPTH`] is one) but for the last; one, be it
/// empty, at least.
fn parts(depth: usize, alignment: usize) -> impl Iterator<Item = Range<usize>> {
    let count = depth.div_ceil(MOST_DEPTH).max(1);
    let size = depth.div_ceil(count).next_multiple_of(alignment);
    (0..count).map(move |index| depth.min(index * size)..depth.min((index + 1) * size))
}

/// Rows of a block, `most` at most. Every thread gets as many blocks, of like size, unless these had fewer rows than
/// are shared out at all: a block of one row takes almost as long as one of a tile's height.
pub(super) fn rows_of_block(rows: usize, most: usize) -> usize {
    let blocks = rows.div_ceil(most).next_multiple_of(threads());
    rows.div_ceil(blocks).max(FEWEST_ROWS.min(most))
}

/// Whether the panels are shared out, and not the rows.
pub(super) fn few_rows(rows: usize) -> bool {
    rows < FEWEST_ROWS * threads()
}

fn rows_of(values: &[f32], width: usize) -> usize {
    assert_eq!(values.len() % width.max(1), 0, "whole rows");
    values.len() / width.max(1)
}

/// Every thread computes some columns of all rows.
///
/// `compute` is given panels, the columns that they hold, and of every row the places of these columns.
pub(super) fn by_panels(
    layer: Layer<'_>,
    output: &mut [f32],
    compute: impl Fn(Range<usize>, Range<usize>, &mut [&mut [f32]]) + Sync,
) {
    let (panels, columns) = (layer.panels(), layer.output);
    let share = panels.div_ceil(threads());
    let mut parts: Vec<Vec<_>> = (0..panels.div_ceil(share)).map(|_| Vec::new()).collect();
    for row in output.chunks_exact_mut(columns) {
        for (part, places) in parts.iter_mut().zip(row.chunks_mut(share * layer.width)) {
            part.push(places);
        }
    }
    parts
        .into_par_iter()
        .enumerate()
        .for_each(|(part, mut output)| {
            let panels = part * share..panels.min((part + 1) * share);
            let columns = panels.start * layer.width..columns.min(panels.end * layer.width);
            compute(panels, columns, &mut output);
        });
}

/// A part of the depth of all rows times some panels.
struct Product<'a, 'b, P: PanelPart> {
    rows: &'a PackedRows<P::Group>,
    layer: Layer<'a>,
    /// All panels of the layer.
    weights: &'a [P],
    instructions: P::Instructions,
    /// What `rows` hold of the depth.
    part: Range<usize>,
    panels: Range<usize>,
    /// Of every row `columns`, which hold the sums of the parts before.
    output: &'a mut [&'b mut [f32]],
    /// Columns of the product that the panels hold.
    columns: Range<usize>,
}

impl<P: PanelPart> Vectorized for Product<'_, '_, P> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize>(mut self, simd: S) {
        let size = P::in_panel::<S>(self.layer.input);
        let start = P::in_panel::<S>(self.part.start);
        let of_part = P::in_panel::<S>(self.part.end) - start;
        for panel in self.panels.clone() {
            let weights = &self.weights[panel * size + start..][..of_part];
            let next = self.weights.get((panel + 1) * size + start..);
            let next = next
                .and_then(|next| next.get(..of_part))
                .unwrap_or_default();
            let tiles = self.rows.tiles();
            for (index, &tile) in tiles.iter().enumerate() {
                let ahead = Ahead::share(next, P::bytes_of_group::<S>(), index, tiles.len());
                macro_rules! tile_of {
                    ($($rows:literal)*) => {
                        match tile.height {
                            $($rows => self.tile::<S, $rows>(simd, tile, panel, weights, ahead),)*
                            _ => self.tile::<S, ROWS>(simd, tile, panel, weights, ahead),
                        }
                    };
                }
                tile_of!(1 2 3 4 5 6 7 8 9 10 11);
            }
        }
    }
}

impl<P: PanelPart> Product<'_, '_, P> {
    #[inline(always)]
    fn tile<S: Simd, const ROWS: usize>(
        &mut self,
        simd: S,
        tile: Tile,
        panel: usize,
        weights: &[P],
        ahead: Ahead<'_>,
    ) {
        let groups = self.rows.groups(tile);
        let sums = multiply::<S, ROWS, P>(self.instructions, simd, groups, weights, ahead);
        let width = REGISTERS * S::F32_LANES;
        let bias = load::<S>(&self.layer.bias[panel * width..][..width]);
        let (is_first, is_last) = (self.part.start == 0, self.part.end == self.layer.input);
        let activation = if is_last {
            self.layer.activation
        } else {
            Activation::Identity
        };
        let first = panel * width - self.columns.start;
        let count = width.min(self.columns.len() - first);
        let output = &mut self.output[tile.first_row..];
        for (sums, output) in sums.iter().zip(output) {
            let output = &mut output[first..first + count];
            let start = if is_first { bias } else { load::<S>(output) };
            let row = std::array::from_fn(|index| simd.add_f32s(start[index], sums[index]));
            put::<S>(row, activation, output);
        }
    }
}

#[cfg(test)]
mod tests;
