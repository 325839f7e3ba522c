//! A linear layer with int8 weights: quantized rows times panels, dequantized sums, epilogue.

use std::ops::Range;

use pulp::Simd;
use rayon::prelude::*;

use super::dot_product::{self, DotProduct, WithDotProduct};
use super::implementation::Implementation;
use super::panels::Int8Panels;
use super::rows::{MicroPanel, QuantizedRows};
use crate::float::micro_kernel::{epilogue, load};
use crate::prefetch::Prefetch;
use crate::schedule::{Layer, by_panels, few_rows, rows_of_block};
use crate::simd::arch::REGISTERS;

/// The most rows of a task: their integers and outputs stay in the second-level cache.
const BLOCK: usize = 48;

/// Dequantizes an integer sum with the scales of its column and row, and adds the bias.
#[inline(always)]
pub(crate) fn scaled(sum: f32, scale: f32, row_scale: f32, bias: f32) -> f32 {
    // In this order the product of the two scales cannot underflow.
    (sum * scale).mul_add(row_scale, bias)
}

/// [`scaled`] for a register of columns.
#[inline(always)]
pub(crate) fn scaled_registers<S: Simd>(
    simd: S,
    sums: S::f32s,
    scales: S::f32s,
    row_scale: S::f32s,
    bias: S::f32s,
) -> S::f32s {
    simd.mul_add_f32s(simd.mul_f32s(sums, scales), row_scale, bias)
}

/// As [`linear`](crate::linear), for int8 panels.
pub(crate) fn linear(input: &[f32], weights: &Int8Panels, layer: Layer<'_>, output: &mut [f32]) {
    let depth = layer.input;
    if few_rows(input.len() / depth) {
        let rows = quantized(weights.implementation, input, depth);
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

/// As [`linear`], for a block of rows on this thread only.
pub(crate) fn linear_of_block(
    input: &[f32],
    weights: &Int8Panels,
    layer: Layer<'_>,
    output: &mut [f32],
) {
    let rows = quantized(weights.implementation, input, layer.input);
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
    layer.in_panels(range, columns, output, |layer, range, columns, output| {
        weights.implementation.dispatch(Product {
            rows,
            weights,
            layer,
            range,
            columns,
            output,
        });
    });
}

fn quantized(implementation: Implementation, values: &[f32], width: usize) -> QuantizedRows {
    struct Quantize<'a>(&'a [f32], usize);
    impl WithDotProduct for Quantize<'_> {
        type Output = QuantizedRows;

        #[inline(always)]
        fn run<D: DotProduct, const ROWS: usize>(self, dot: D) -> QuantizedRows {
            QuantizedRows::quantize(dot.simd(), self.0, self.1, ROWS, D::WIDTH)
        }
    }
    implementation.dispatch(Quantize(values, width))
}

/// The product of all rows with some panels.
struct Product<'a, 'b> {
    rows: &'a QuantizedRows,
    weights: &'a Int8Panels,
    layer: Layer<'a>,
    /// The panels.
    range: Range<usize>,
    /// Columns of the product that they cover.
    columns: Range<usize>,
    /// `columns` of every row.
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
            let in_row = D::WIDTH.size() * REGISTERS * D::LANES;
            let micro_panels = self.rows.micro_panels();
            for (index, &micro_panel) in micro_panels.iter().enumerate() {
                let ahead = Prefetch::share(next, in_row, index, micro_panels.len());
                macro_rules! micro_kernel_of {
                    ($($rows:literal)*) => {
                        match micro_panel.height {
                            $($rows => self.micro_kernel::<D, $rows>(dot, micro_panel, panel, weights, ahead),)*
                            _ => self.micro_kernel::<D, ROWS>(dot, micro_panel, panel, weights, ahead),
                        }
                    };
                }
                micro_kernel_of!(1 2 3 4 5 6 7 8 9 10 11);
            }
        }
    }
}

impl Product<'_, '_> {
    #[inline(always)]
    fn micro_kernel<D: DotProduct, const ROWS: usize>(
        &mut self,
        dot: D,
        micro_panel: MicroPanel,
        panel: usize,
        weights: &[i8],
        ahead: Prefetch<'_>,
    ) {
        let width = REGISTERS * D::LANES;
        let columns = &self.weights.columns;
        let sums = dot_product::multiply::<D, ROWS>(
            dot,
            self.rows.groups(micro_panel),
            self.rows.zero_points(micro_panel),
            weights,
            &columns.weight_sums[panel * width..][..width],
            ahead,
        );
        let bias = load::<D::Simd>(&self.layer.bias[panel * width..][..width]);
        let scales = load::<D::Simd>(&columns.scales[panel * width..][..width]);
        let first = panel * width - self.columns.start;
        let count = width.min(self.columns.len() - first);
        let output = &mut self.output[micro_panel.first_row..];
        let simd = dot.simd();
        for ((row, sums), output) in sums.iter().enumerate().zip(output) {
            let row_scale = simd.splat_f32s(self.rows.scale(micro_panel.first_row + row));
            let values = std::array::from_fn(|index| {
                let sums = dot.floats(sums[index]);
                scaled_registers(simd, sums, scales[index], row_scale, bias[index])
            });
            epilogue::<D::Simd>(
                values,
                self.layer.activation,
                &mut output[first..first + count],
            );
        }
    }
}
