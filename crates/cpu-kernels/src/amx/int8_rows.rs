//! Rows quantized to bytes as AMX tiles, and the scaling of their sums.

use pulp::Simd;

use crate::bf16::tiles::{ROW_BYTES, SIDE, Tile, WIDTH};
use crate::int8::linear::scaled;
use crate::int8::panels::Columns;
use crate::int8::quantization::QuantizationParameters;
use crate::simd::arch::Vectorized;

/// Quantizes up to 16 rows to unsigned bytes; missing rows and depths become 0.
pub(crate) struct Conversion<'a> {
    pub(crate) input: &'a [f32],
    pub(crate) depth: usize,
    pub(crate) tiles: &'a mut [Tile],
    /// The parameters of every row, which it sets.
    pub(crate) parameters: &'a mut [QuantizationParameters],
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
        for (row, (values, parameters)) in rows.zip(self.parameters).enumerate() {
            *parameters = QuantizationParameters::of(simd, values);
            for (tile, values) in self.tiles.iter_mut().zip(values.chunks(ROW_BYTES)) {
                let bytes = tile.bytes_mut(row);
                parameters.unsigned(values, bytes);
                bytes[values.len()..].fill(0);
            }
        }
    }
}

/// Dequantization of the sums of some rows and a panel's columns.
pub(crate) struct Scaling<'a> {
    scales: &'a [f32; WIDTH],
    weight_sums: &'a [i32; WIDTH],
    parameters: &'a [QuantizationParameters],
}

impl<'a> Scaling<'a> {
    /// For the columns of this panel.
    pub(crate) fn new(
        columns: &'a Columns,
        panel: usize,
        parameters: &'a [QuantizationParameters],
    ) -> Self {
        Self {
            scales: &columns.scales.as_chunks().0[panel],
            weight_sums: &columns.weight_sums.as_chunks().0[panel],
            parameters,
        }
    }

    /// Dequantizes the sums of one row, and adds the bias.
    #[inline(always)]
    pub(crate) fn apply(&self, row: usize, sums: &mut [f32; WIDTH], bias: &[f32; WIDTH]) {
        let parameters = self.parameters[row];
        let whole: [i32; WIDTH] = bytemuck::cast(*sums);
        let columns = self.scales.iter().zip(self.weight_sums).zip(bias);
        for ((value, sum), ((scale, weight_sum), bias)) in sums.iter_mut().zip(whole).zip(columns) {
            // Puts the zero point back; that of a row that is not finite may be any number.
            let sum = sum.wrapping_add(parameters.zero_point().wrapping_mul(*weight_sum));
            *value = scaled(sum as f32, *scale, parameters.scale(), *bias);
        }
    }
}
