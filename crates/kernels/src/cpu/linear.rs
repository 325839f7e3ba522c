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
//! Weights that are packed for a matrix unit have a way of their own: see [`amx`].

use std::ops::Range;

use pulp::Simd;
use rayon::prelude::*;

use super::amx;
use super::int8;
use super::math::gelu;
use super::panels::{Element, PackedLinear, Panels};
use super::prefetch::Ahead;
use super::simd::{Vectorized, dispatch};
use super::tile::{Columns, PackedRows, REGISTERS, Rows, Tile, WIDEST, floats, multiply};

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
    let floats = Floats {
        input: Input::Rows(input),
        rows,
        weights,
        activation,
    };
    match weights.panels() {
        Panels::Tiles(tiles) => amx::linear(input, tiles, weights.bias(), activation, output),
        Panels::Int8(panels) => int8::linear(
            input,
            panels,
            weights.bias(),
            activation,
            weights.output(),
            output,
        ),
        Panels::Float32(panels) => floats.over_panels(panels, output),
        Panels::Bfloat16(panels) => floats.over_panels(panels, output),
    }
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
    let floats = Floats {
        input: Input::Columns(Columns {
            values: columns,
            count: rows,
        }),
        rows,
        weights,
        activation: Activation::Identity,
    };
    match weights.panels() {
        Panels::Float32(panels) => floats.over_panels(panels, output),
        Panels::Bfloat16(panels) => floats.over_panels(panels, output),
        // These convert rows on the way into tiles of their own.
        Panels::Tiles(_) | Panels::Int8(_) => {
            let input = transposed(columns, rows);
            linear(&input, weights, Activation::Identity, output);
        }
    }
}

/// The rows of what lies as columns.
fn transposed(columns: &[f32], rows: usize) -> Vec<f32> {
    let depth = columns.len() / rows;
    let mut values = vec![0.0; columns.len()];
    values
        .par_chunks_mut(depth.max(1) * TRANSPOSED_ROWS)
        .enumerate()
        .for_each(|(block, values)| {
            for (depth_index, line) in columns.chunks_exact(rows).enumerate() {
                let line = &line[block * TRANSPOSED_ROWS..];
                for (row, value) in values.chunks_exact_mut(depth).zip(line) {
                    row[depth_index] = *value;
                }
            }
        });
    values
}

/// Rows that are transposed together: a cache line of each column.
const TRANSPOSED_ROWS: usize = 16;

/// Where the rows of the input are.
#[derive(Clone, Copy)]
enum Input<'a> {
    Rows(&'a [f32]),
    Columns(Columns<'a>),
}

impl Input<'_> {
    /// A part of some rows of `depth` floats in tiles of this processor's height.
    fn pack(self, rows: Range<usize>, depth: usize, part: Range<usize>) -> PackedRows {
        struct Pack<'a> {
            input: Input<'a>,
            rows: Range<usize>,
            depth: usize,
            part: Range<usize>,
        }
        impl Vectorized for Pack<'_> {
            type Output = PackedRows;

            #[inline(always)]
            fn run<S: Simd, const ROWS: usize>(self, _: S) -> PackedRows {
                let Self {
                    input,
                    rows,
                    depth,
                    part,
                } = self;
                match input {
                    Input::Rows(values) => {
                        let source = Rows {
                            values: &values[rows.start * depth + part.start..],
                            stride: depth,
                            depth: part.len(),
                        };
                        PackedRows::pack(source, rows.len(), ROWS)
                    }
                    Input::Columns(Columns { values, count }) => {
                        let values = &values[part.start * count..part.end * count];
                        let columns = Columns { values, count };
                        PackedRows::pack_columns(columns, rows.start, rows.len(), ROWS)
                    }
                }
            }
        }
        dispatch(Pack {
            input: self,
            rows,
            depth,
            part,
        })
    }
}

/// A dense layer whose panels are of floats.
struct Floats<'a> {
    input: Input<'a>,
    rows: usize,
    weights: &'a PackedLinear,
    activation: Activation,
}

impl Floats<'_> {
    /// Over `elements`, the panels of the weights.
    fn over_panels<E: Element>(&self, elements: &[E], output: &mut [f32]) {
        let Self {
            input,
            rows,
            weights,
            activation,
        } = *self;
        let depth = weights.input();
        let work = |rows: &PackedRows, part, panels, columns, output: &mut [f32]| {
            dispatch(Product {
                rows,
                weights,
                elements,
                activation,
                part,
                panels,
                output,
                columns,
            });
        };
        let panels = weights.output().div_ceil(weights.width());
        // Columns are a batch's tokens deep: packing all of their rows takes all threads.
        if few_rows(rows) && matches!(input, Input::Rows(_)) {
            let packed: Vec<(Range<usize>, PackedRows)> = parts(depth)
                .map(|part| (part.clone(), input.pack(0..rows, depth, part)))
                .collect();
            by_panels(
                rows,
                [panels, weights.width(), weights.output()],
                output,
                |panels, columns, output| {
                    for (part, packed) in &packed {
                        work(
                            packed,
                            part.clone(),
                            panels.clone(),
                            columns.clone(),
                            output,
                        );
                    }
                },
            );
            return;
        }
        let share = rows.div_ceil(rayon::current_num_threads());
        // A multiple of both tile heights.
        let block = (BLOCK_FLOATS / depth.clamp(1, MOST_DEPTH)).clamp(24, share.max(24)) / 12 * 12;
        output
            .par_chunks_mut(block * weights.output())
            .enumerate()
            .for_each(|(index, output)| {
                let first = index * block;
                let rows = first..rows.min(first + block);
                for part in parts(depth) {
                    let packed = input.pack(rows.clone(), depth, part.clone());
                    work(&packed, part, 0..panels, 0..weights.output(), output);
                }
            });
    }
}

/// The depth in parts of like size; one, be it empty, at least.
fn parts(depth: usize) -> impl Iterator<Item = Range<usize>> {
    let count = depth.div_ceil(MOST_DEPTH).max(1);
    let size = depth.div_ceil(count);
    (0..count).map(move |index| depth.min(index * size)..depth.min((index + 1) * size))
}

/// Whether the panels are shared out, and not the rows.
pub(super) fn few_rows(rows: usize) -> bool {
    rows < FEWEST_ROWS * rayon::current_num_threads()
}

fn rows_of(values: &[f32], width: usize) -> usize {
    assert_eq!(values.len() % width.max(1), 0, "whole rows");
    values.len() / width.max(1)
}

/// Every thread computes some columns of all rows aside, then they are put in their places.
///
/// `compute` is given panels, the columns that they hold, and room for rows of these columns alone.
pub(super) fn by_panels(
    rows: usize,
    [panels, width, columns]: [usize; 3],
    output: &mut [f32],
    compute: impl Fn(Range<usize>, Range<usize>, &mut [f32]) + Sync,
) {
    let share = panels.div_ceil(rayon::current_num_threads());
    if share == panels {
        compute(0..panels, 0..columns, output);
        return;
    }
    let parts: Vec<(Range<usize>, Vec<f32>)> = (0..panels.div_ceil(share))
        .into_par_iter()
        .map(|part| {
            let panels = part * share..panels.min((part + 1) * share);
            let columns = panels.start * width..columns.min(panels.end * width);
            let mut output = vec![0.0; rows * columns.len()];
            compute(panels, columns.clone(), &mut output);
            (columns, output)
        })
        .collect();
    for (part_columns, part) in parts {
        for (row, values) in output
            .chunks_exact_mut(columns)
            .zip(part.chunks_exact(part_columns.len()))
        {
            row[part_columns.clone()].copy_from_slice(values);
        }
    }
}

/// A part of the depth of all rows times some panels.
struct Product<'a, E> {
    rows: &'a PackedRows,
    weights: &'a PackedLinear,
    /// The panels of `weights`.
    elements: &'a [E],
    activation: Activation,
    /// What `rows` hold of the depth.
    part: Range<usize>,
    panels: Range<usize>,
    /// Rows of `columns.len()` floats, which hold the sums of the parts before.
    output: &'a mut [f32],
    /// Columns of the product that the panels hold.
    columns: Range<usize>,
}

impl<E: Element> Vectorized for Product<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize>(mut self, simd: S) {
        let in_row = E::in_row::<S>();
        let (size, start) = (self.weights.input() * in_row, self.part.start * in_row);
        let of_part = self.part.len() * in_row;
        for panel in self.panels.clone() {
            let weights = &self.elements[panel * size + start..][..of_part];
            let next = self.elements.get((panel + 1) * size + start..);
            let next = next
                .and_then(|next| next.get(..of_part))
                .unwrap_or_default();
            let tiles = self.rows.tiles();
            for (index, &tile) in tiles.iter().enumerate() {
                let ahead = Ahead::share(next, in_row, index, tiles.len());
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

impl<E: Element> Product<'_, E> {
    #[inline(always)]
    fn tile<S: Simd, const ROWS: usize>(
        &mut self,
        simd: S,
        tile: Tile,
        panel: usize,
        weights: &[E],
        ahead: Ahead<'_, E>,
    ) {
        let sums = multiply::<S, ROWS, E>(simd, self.rows.elements(tile), weights, ahead);
        let width = REGISTERS * S::F32_LANES;
        let bias = &self.weights.bias()[panel * width..][..width];
        let (is_first, is_last) = (self.part.start == 0, self.part.end == self.weights.input());
        let first = panel * width - self.columns.start;
        let count = width.min(self.columns.len() - first);
        let output = self
            .output
            .chunks_exact_mut(self.columns.len())
            .skip(tile.first_row);
        for (sums, output) in sums.iter().zip(output) {
            let output = &mut output[first..first + count];
            let mut row = [0.0; WIDEST];
            if is_first {
                row[..width].copy_from_slice(bias);
            } else {
                row[..count].copy_from_slice(output);
            }
            for (value, sum) in row.iter_mut().zip(floats::<S>(sums)) {
                *value += sum;
            }
            if is_last && self.activation == Activation::Gelu {
                for value in &mut row[..width] {
                    *value = gelu(*value);
                }
            }
            put(&row, width, output);
        }
    }
}

/// The first values of `row`, of which `width` come from a whole panel: that many, known to the compiler, are two
/// stores, where any number would be a call.
#[inline(always)]
pub(super) fn put(row: &[f32; WIDEST], width: usize, output: &mut [f32]) {
    let count = output.len();
    if count == width {
        output.copy_from_slice(&row[..width]);
    } else {
        output.copy_from_slice(&row[..count]);
    }
}

#[cfg(test)]
mod tests {
    use pulp::{Arch, WithSimd};

    use super::*;
    use crate::cpu::tests::numbers;
    use crate::precision::Precision;

    #[test]
    fn columns_become_rows() {
        for (rows, depth) in [(1, 1), (5, 3), (16, 7), (37, 20)] {
            let columns = numbers(rows * depth, 5, 1.0);
            let found = transposed(&columns, rows);
            for (place, value) in found.iter().enumerate() {
                let (row, of_depth) = (place / depth, place % depth);
                assert_eq!(*value, columns[of_depth * rows + row], "{rows} x {depth}");
            }
        }
    }

    /// Tiles of twelve rows, whatever registers there are.
    struct Tall<W>(W);

    impl<W: Vectorized> WithSimd for Tall<W> {
        type Output = W::Output;

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> W::Output {
            self.0.run::<S, 12>(simd)
        }
    }

    /// Only some processors have registers for tall tiles: a height that was forgotten broke these
    /// alone.
    #[test]
    fn tiles_of_every_height_give_the_same() {
        let (weight, bias) = (numbers(9 * 70, 1, 1.0), numbers(70, 2, 1.0));
        for precision in [Precision::Float32, Precision::Bfloat16] {
            let weights = PackedLinear::pack(&[(&weight, &bias)], precision);
            match weights.panels() {
                Panels::Float32(panels) => heights_agree(&weights, panels),
                Panels::Bfloat16(panels) => heights_agree(&weights, panels),
                Panels::Tiles(_) | Panels::Int8(_) => {}
            }
        }
    }

    fn heights_agree<E: Element>(weights: &PackedLinear, elements: &[E]) {
        for rows in 0..=40 {
            let input = numbers(rows * 9, 3, 1.0);
            let product = |rows, output| Product {
                rows,
                weights,
                elements,
                activation: Activation::Identity,
                part: 0..9,
                panels: 0..70_usize.div_ceil(weights.width()),
                output,
                columns: 0..70,
            };
            let (mut tall, mut usual) = (vec![0.0; rows * 70], vec![0.0; rows * 70]);
            let source = Rows {
                values: &input,
                stride: 9,
                depth: 9,
            };
            let in_tall = PackedRows::pack(source, rows, 12);
            Arch::new().dispatch(Tall(product(&in_tall, &mut tall)));
            let in_usual = Input::Rows(&input).pack(0..rows, 9, 0..9);
            dispatch(product(&in_usual, &mut usual));
            assert_eq!(tall, usual, "{} bytes, {rows} rows", size_of::<E>());
        }
    }
}
