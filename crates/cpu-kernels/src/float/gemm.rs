//! The float GEMM: blocks of rows times panels of weights.
//!
//! # Strategy
//!
//! Rows of the input are taken in blocks (`MC` rows), so that a block stays in the second-level cache while every panel of
//! the weights (`NR` columns) passes over it once, and a panel stays there while the micro-panels of the block (`MR` rows)
//! go over it. Blocks are shared out over the threads. A few rows (one sequence) are too few to share: then the panels are
//! shared out (an N-split), because reading the weights is what takes the time.
//!
//! A depth of thousands is cut into k-blocks of at most [`KC`], whose sums are added up in the output: a block of such rows
//! would have few of them, and every panel would come from far away for those few. The cuts depend on the depth only, and
//! so do the sums: a row gives the same bits in any batch.

use std::marker::PhantomData;
use std::ops::Range;

use pulp::Simd;
use rayon::prelude::*;

use super::micro_kernel::{PanelPart, epilogue, load, multiply};
use super::panels::Element;
use super::rows::{Input, MicroPanel, Pack, PackedRows};
use crate::activation::Activation;
use crate::columns::Arrangement;
use crate::prefetch::Prefetch;
use crate::schedule::{Layer, by_panels, few_rows, rows_of_block};
use crate::simd::arch::{REGISTERS, Vectorized, dispatch};

/// Floats of a block, which determine `MC`: 256 KiB, half of the second-level cache of common servers.
const BLOCK_FLOATS: usize = 64 * 1024;

/// `KC`: the largest k-block. A panel's share of it is 64 KiB with AVX2.
const KC: usize = 1024;

/// The panels of a layer, and the instructions that multiply them.
pub(crate) trait WeightPanels: Copy + Sync {
    type Part: PanelPart;

    fn parts(&self) -> &[Self::Part];

    fn instructions(self) -> <Self::Part as PanelPart>::Instructions;

    /// Does `work` with the instructions.
    fn dispatch<W: Vectorized>(self, work: W) -> W::Output;
}

impl<E: Element> WeightPanels for &[E] {
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

impl Layer<'_> {
    /// Multiplies `rows` of the input with the panels, on all threads.
    pub(crate) fn multiply<P: WeightPanels, I: Input<<P::Part as PanelPart>::Group>>(
        self,
        input: I,
        rows: usize,
        panels: P,
        output: &mut [f32],
    ) {
        let depth = self.input;
        if few_rows(rows) && I::BY_ONE_THREAD {
            let packed: Vec<_> = self
                .k_blocks(P::Part::ALIGNMENT)
                .map(|k_block| (k_block.clone(), self.pack(input, 0..rows, k_block, panels)))
                .collect();
            by_panels(self, output, |range, columns, output| {
                for (k_block, packed) in &packed {
                    let (k_block, range) = (k_block.clone(), range.clone());
                    self.add_k_block(packed, k_block, panels, range, columns.clone(), output);
                }
            });
            return;
        }
        let block = rows_of_block(rows, BLOCK_FLOATS / depth.clamp(1, KC));
        output
            .par_chunks_mut(block * self.output)
            .enumerate()
            .for_each(|(index, output)| {
                let first = index * block;
                self.multiply_block(input, first..rows.min(first + block), panels, output);
            });
    }

    /// Multiplies some rows of the input with the panels, on this thread only: `output` has these rows.
    pub(crate) fn multiply_block<P: WeightPanels, I: Input<<P::Part as PanelPart>::Group>>(
        self,
        input: I,
        rows: Range<usize>,
        panels: P,
        output: &mut [f32],
    ) {
        let mut output: Vec<_> = output.chunks_exact_mut(self.output).collect();
        for k_block in self.k_blocks(P::Part::ALIGNMENT) {
            let packed = self.pack(input, rows.clone(), k_block.clone(), panels);
            let (range, columns) = (0..self.panels(), 0..self.output);
            self.add_k_block(&packed, k_block, panels, range, columns, &mut output);
        }
    }

    /// The k-blocks of the depth. A gated layer has one: its output has no room for the sums of both halves.
    fn k_blocks(self, alignment: usize) -> impl Iterator<Item = Range<usize>> {
        let largest = match self.arrangement {
            Arrangement::InOrder => KC,
            Arrangement::Gated => self.input.max(KC),
        };
        k_blocks(self.input, alignment, largest)
    }

    fn pack<P: WeightPanels, I: Input<<P::Part as PanelPart>::Group>>(
        self,
        input: I,
        rows: Range<usize>,
        k_block: Range<usize>,
        panels: P,
    ) -> PackedRows<<P::Part as PanelPart>::Group> {
        panels.dispatch(Pack {
            input,
            rows,
            depth: self.input,
            k_block,
            group: PhantomData,
        })
    }

    /// Adds the product of a k-block with some panels.
    fn add_k_block<P: WeightPanels>(
        self,
        rows: &PackedRows<<P::Part as PanelPart>::Group>,
        k_block: Range<usize>,
        panels: P,
        range: Range<usize>,
        columns: Range<usize>,
        output: &mut [&mut [f32]],
    ) {
        let multiply = |layer: Self, range, columns, output: &mut [&mut [f32]]| {
            panels.dispatch(Product {
                rows,
                layer,
                weights: panels.parts(),
                instructions: panels.instructions(),
                k_block: k_block.clone(),
                panels: range,
                output,
                columns,
            });
        };
        if k_block.end == self.input {
            self.in_panels(range, columns, output, multiply);
        } else {
            multiply(self, range, columns, output);
        }
    }
}

/// The k-blocks of a depth, of similar size up to `largest`: multiples of `alignment`, which divides [`KC`], except the last.
/// There is at least one, which may be empty.
fn k_blocks(depth: usize, alignment: usize, largest: usize) -> impl Iterator<Item = Range<usize>> {
    let count = depth.div_ceil(largest).max(1);
    let size = depth.div_ceil(count).next_multiple_of(alignment);
    (0..count).map(move |index| depth.min(index * size)..depth.min((index + 1) * size))
}

/// The product of a k-block of all rows with some panels.
struct Product<'a, 'b, P: PanelPart> {
    rows: &'a PackedRows<P::Group>,
    layer: Layer<'a>,
    /// All panels of the layer.
    weights: &'a [P],
    instructions: P::Instructions,
    /// The depths in `rows`.
    k_block: Range<usize>,
    panels: Range<usize>,
    /// `columns` of every row, which hold the sums of the k-blocks before.
    output: &'a mut [&'b mut [f32]],
    /// Columns of the product that the panels cover.
    columns: Range<usize>,
}

impl<P: PanelPart> Vectorized for Product<'_, '_, P> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize>(mut self, simd: S) {
        let size = P::in_panel::<S>(self.layer.input);
        let start = P::in_panel::<S>(self.k_block.start);
        let of_k_block = P::in_panel::<S>(self.k_block.end) - start;
        for panel in self.panels.clone() {
            let weights = &self.weights[panel * size + start..][..of_k_block];
            let next = self.weights.get((panel + 1) * size + start..);
            let next = next
                .and_then(|next| next.get(..of_k_block))
                .unwrap_or_default();
            let micro_panels = self.rows.micro_panels();
            for (index, &micro_panel) in micro_panels.iter().enumerate() {
                let ahead =
                    Prefetch::share(next, P::bytes_of_group::<S>(), index, micro_panels.len());
                macro_rules! micro_kernel_of {
                    ($($rows:literal)*) => {
                        match micro_panel.height {
                            $($rows => self.micro_kernel::<S, $rows>(simd, micro_panel, panel, weights, ahead),)*
                            _ => self.micro_kernel::<S, ROWS>(simd, micro_panel, panel, weights, ahead),
                        }
                    };
                }
                micro_kernel_of!(1 2 3 4 5 6 7 8 9 10 11);
            }
        }
    }
}

impl<P: PanelPart> Product<'_, '_, P> {
    #[inline(always)]
    fn micro_kernel<S: Simd, const ROWS: usize>(
        &mut self,
        simd: S,
        micro_panel: MicroPanel,
        panel: usize,
        weights: &[P],
        ahead: Prefetch<'_>,
    ) {
        let groups = self.rows.groups(micro_panel);
        let sums = multiply::<S, ROWS, P>(self.instructions, simd, groups, weights, ahead);
        let width = REGISTERS * S::F32_LANES;
        let bias = load::<S>(&self.layer.bias[panel * width..][..width]);
        let (is_first, is_last) = (
            self.k_block.start == 0,
            self.k_block.end == self.layer.input,
        );
        let activation = if is_last {
            self.layer.activation
        } else {
            Activation::Identity
        };
        let first = panel * width - self.columns.start;
        let count = width.min(self.columns.len() - first);
        let output = &mut self.output[micro_panel.first_row..];
        for (sums, output) in sums.iter().zip(output) {
            let output = &mut output[first..first + count];
            let start = if is_first { bias } else { load::<S>(output) };
            let row = std::array::from_fn(|index| simd.add_f32s(start[index], sums[index]));
            epilogue::<S>(row, activation, output);
        }
    }
}

#[cfg(test)]
mod tests;
