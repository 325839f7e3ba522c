//! Rows of the input as whole numbers, each with a scale of its own.
//!
//! # Strategy
//!
//! Two passes over a row that is in the cache: one finds its smallest and its largest number, the other rounds
//! ([`QuantizationParameters`]). What is rounded goes straight to the place where a [tile](super::tile) reads it: the neighbours that an
//! instruction multiplies together are one `i32`, so that it can be broadcast in one load, and the rows of a tile stand
//! side by side, `[group][row]`, as those of floats do.

use pulp::Simd;

use super::quantization::QuantizationParameters;
use crate::cpu::simd::transpose::{MOST_ROWS, interleave};

/// Neighbours of the depth that are multiplied together for a sum of 32 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cpu) enum Grouping {
    /// Two numbers of 16 bits.
    Pairs,
    /// Four of eight bits, unsigned: less their row's zero point.
    #[cfg_attr(
        not(target_arch = "x86_64"),
        allow(dead_code, reason = "only tests multiply bytes elsewhere")
    )]
    Fours,
}

impl Grouping {
    /// How many neighbours.
    pub(in crate::cpu) const fn size(self) -> usize {
        match self {
            Self::Pairs => 2,
            Self::Fours => 4,
        }
    }
}

/// Rows of the input as whole numbers; see [`quantize`](Self::quantize).
pub(in crate::cpu) struct QuantizedRows {
    /// Tile after tile, each `[group][row]`: neighbours in a row are one element, the first in its
    /// first bytes, because that is what is multiplied together. The last group of a row is
    /// filled up with 0.
    groups: Vec<i32>,
    #[cfg(test)]
    grouping: Grouping,
    tiles: Vec<Tile>,
    scales: Vec<f32>,
    /// What was taken off the numbers: with [`Grouping::Fours`].
    zero_points: Vec<i32>,
}

/// Some rows that are multiplied together.
#[derive(Clone, Copy)]
pub(in crate::cpu) struct Tile {
    pub(in crate::cpu) first_row: usize,
    /// Rows.
    pub(in crate::cpu) height: usize,
    /// Where its groups begin.
    start: usize,
}

impl QuantizedRows {
    /// Rows of `width` floats in their [`QuantizationParameters`], in tiles of up to `tallest`.
    #[inline(always)]
    pub(in crate::cpu) fn quantize<S: Simd>(
        simd: S,
        values: &[f32],
        width: usize,
        tallest: usize,
        grouping: Grouping,
    ) -> Self {
        let (in_row, count) = (width.div_ceil(grouping.size()), values.len() / width);
        let mut this = Self {
            groups: vec![0; count * in_row],
            #[cfg(test)]
            grouping,
            tiles: Vec::with_capacity(count.div_ceil(tallest)),
            scales: Vec::with_capacity(count),
            zero_points: Vec::with_capacity(count),
        };
        let mut groups = vec![0u32; tallest * in_row];
        let mut first_row = 0;
        while first_row < count {
            // Tiles of the same height, as far as that goes: a tile of one row takes almost as long
            // as one of six.
            let rest = count - first_row;
            let height = rest.div_ceil(rest.div_ceil(tallest));
            let start = first_row * in_row;
            this.tiles.push(Tile {
                first_row,
                height,
                start,
            });
            for (row, groups) in groups.chunks_exact_mut(in_row).take(height).enumerate() {
                let values = &values[(first_row + row) * width..][..width];
                let steps = QuantizationParameters::of(simd, values);
                this.scales.push(steps.scale());
                this.zero_points.push(steps.zero_point());
                match grouping {
                    Grouping::Pairs => {
                        steps.signed(values, bytemuck::cast_slice_mut(groups));
                    }
                    Grouping::Fours => {
                        steps.unsigned(values, bytemuck::cast_slice_mut(groups));
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
            // With the places of the tiles behind it, which are filled later.
            let places = bytemuck::cast_slice_mut(&mut this.groups[start..]);
            interleave(simd, &of_tile[..height], height, places);
            first_row += height;
        }
        this
    }

    pub(in crate::cpu) fn tiles(&self) -> &[Tile] {
        &self.tiles
    }

    /// From the tile's first group on.
    #[inline(always)]
    pub(in crate::cpu) fn groups(&self, tile: Tile) -> &[i32] {
        &self.groups[tile.start..]
    }

    /// Of the tile's rows.
    #[inline(always)]
    pub(in crate::cpu) fn zero_points(&self, tile: Tile) -> &[i32] {
        &self.zero_points[tile.first_row..][..tile.height]
    }

    #[inline(always)]
    pub(in crate::cpu) fn scale(&self, row: usize) -> f32 {
        self.scales[row]
    }
}

#[cfg(test)]
impl QuantizedRows {
    /// How many.
    pub(in crate::cpu) fn count(&self) -> usize {
        self.scales.len()
    }

    /// One of them.
    pub(in crate::cpu) fn number(&self, row: usize, place: usize) -> i32 {
        let within = |tile: &&Tile| (tile.first_row..tile.first_row + tile.height).contains(&row);
        let tile = self.tiles.iter().find(within).unwrap();
        let size = self.grouping.size();
        let group = self.groups(*tile)[place / size * tile.height + row - tile.first_row];
        match self.grouping {
            Grouping::Pairs => i32::from(bytemuck::cast::<i32, [i16; 2]>(group)[place % size]),
            Grouping::Fours => {
                i32::from(bytemuck::cast::<i32, [u8; 4]>(group)[place % size])
                    + self.zero_points[row]
            }
        }
    }
}
