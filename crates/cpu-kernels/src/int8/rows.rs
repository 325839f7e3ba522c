//! Quantized input rows in micro-panels, each row with its own scale and zero point.
//!
//! Two passes over a row in the cache: one finds its smallest and its largest number, the other rounds
//! ([`QuantizationParameters`]). The integers go to micro-panels `[group][row]`: the neighbours that an instruction
//! multiplies together are one `i32`, so that one load broadcasts them, and the rows are side by side, as those of floats.

use pulp::Simd;

use super::quantization::QuantizationParameters;
use crate::simd::transpose::{MOST_ROWS, interleave};

/// Neighbours of the depth that are multiplied together for a sum of 32 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DotProductWidth {
    /// Two numbers of 16 bits.
    Two,
    /// Four of 8 bits, unsigned: less their row's zero point.
    #[cfg_attr(
        not(target_arch = "x86_64"),
        allow(dead_code, reason = "only tests multiply bytes elsewhere")
    )]
    Four,
}

impl DotProductWidth {
    /// Number of neighbours.
    pub(crate) const fn size(self) -> usize {
        match self {
            Self::Two => 2,
            Self::Four => 4,
        }
    }
}

/// Quantized rows of the input; see [`quantize`](Self::quantize).
pub(crate) struct QuantizedRows {
    /// Micro-panel after micro-panel, each `[group][row]`. Neighbours in a row are one element, the first in its first
    /// bytes. The last group of a row is filled up with 0.
    groups: Vec<i32>,
    dot_width: DotProductWidth,
    micro_panels: Vec<MicroPanel>,
    scales: Vec<f32>,
    /// The zero points, which [`DotProductWidth::Four`] subtracts.
    zero_points: Vec<i32>,
}

/// Rows that a micro-kernel multiplies together.
#[derive(Clone, Copy)]
pub(crate) struct MicroPanel {
    pub(crate) first_row: usize,
    /// Number of rows.
    pub(crate) height: usize,
    /// Index of its first group.
    start: usize,
}

impl QuantizedRows {
    /// Quantizes rows of `width` floats, in micro-panels of up to `tallest` rows.
    #[inline(always)]
    pub(crate) fn quantize<S: Simd>(
        simd: S,
        values: &[f32],
        width: usize,
        tallest: usize,
        dot_width: DotProductWidth,
    ) -> Self {
        let (in_row, count) = (width.div_ceil(dot_width.size()), values.len() / width);
        let mut this = Self {
            groups: vec![0; count * in_row],
            dot_width,
            micro_panels: Vec::with_capacity(count.div_ceil(tallest)),
            scales: Vec::with_capacity(count),
            zero_points: Vec::with_capacity(count),
        };
        let mut groups = vec![0u32; tallest * in_row];
        let mut first_row = 0;
        while first_row < count {
            // Of equal height, as far as possible: one row takes almost as long as six.
            let rest = count - first_row;
            let height = rest.div_ceil(rest.div_ceil(tallest));
            let start = first_row * in_row;
            this.micro_panels.push(MicroPanel {
                first_row,
                height,
                start,
            });
            for (row, groups) in groups.chunks_exact_mut(in_row).take(height).enumerate() {
                let values = &values[(first_row + row) * width..][..width];
                let parameters = QuantizationParameters::of(simd, values);
                this.scales.push(parameters.scale());
                this.zero_points.push(parameters.zero_point());
                match dot_width {
                    DotProductWidth::Two => {
                        parameters.signed(values, bytemuck::cast_slice_mut(groups));
                    }
                    DotProductWidth::Four => {
                        parameters.unsigned(values, bytemuck::cast_slice_mut(groups));
                    }
                }
            }
            let mut of_tile = [&[][..]; MOST_ROWS];
            for (row, groups) in of_tile[..height]
                .iter_mut()
                .zip(groups.chunks_exact(in_row))
            {
                *row = groups;
            }
            // Includes the places of later micro-panels, which are filled later.
            let places = bytemuck::cast_slice_mut(&mut this.groups[start..]);
            interleave(simd, &of_tile[..height], height, places);
            first_row += height;
        }
        this
    }

    pub(crate) fn micro_panels(&self) -> &[MicroPanel] {
        &self.micro_panels
    }

    /// The groups of a micro-panel, and all after them.
    #[inline(always)]
    pub(crate) fn groups(&self, micro_panel: MicroPanel) -> &[i32] {
        &self.groups[micro_panel.start..]
    }

    /// The zero points of a micro-panel's rows.
    #[inline(always)]
    pub(crate) fn zero_points(&self, micro_panel: MicroPanel) -> &[i32] {
        &self.zero_points[micro_panel.first_row..][..micro_panel.height]
    }

    #[inline(always)]
    pub(crate) fn scale(&self, row: usize) -> f32 {
        self.scales[row]
    }

    /// One of the integers of a row of this micro-panel.
    pub(crate) fn number(&self, micro_panel: MicroPanel, row: usize, place: usize) -> i32 {
        let size = self.dot_width.size();
        let group = self.groups(micro_panel)
            [place / size * micro_panel.height + row - micro_panel.first_row];
        match self.dot_width {
            DotProductWidth::Two => i32::from(bytemuck::cast::<i32, [i16; 2]>(group)[place % size]),
            DotProductWidth::Four => {
                i32::from(bytemuck::cast::<i32, [u8; 4]>(group)[place % size])
                    + self.zero_points[row]
            }
        }
    }
}

#[cfg(test)]
impl QuantizedRows {
    /// How many.
    pub(crate) fn count(&self) -> usize {
        self.scales.len()
    }

    /// The micro-panel of a row.
    pub(crate) fn micro_panel_of(&self, row: usize) -> MicroPanel {
        let within = |micro_panel: &&MicroPanel| {
            (micro_panel.first_row..micro_panel.first_row + micro_panel.height).contains(&row)
        };
        *self.micro_panels.iter().find(within).unwrap()
    }
}
