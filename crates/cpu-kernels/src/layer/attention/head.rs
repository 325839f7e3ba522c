//! One head of one sequence: its matrices packed for the micro-kernel, and their products.

use std::ops::Range;

use pulp::Simd;

use super::input::{Attention, Strided};
use crate::dropout::Factors;
use crate::float::micro_kernel::{floats, multiply};
use crate::float::rows::{PackedRows, Rows};
use crate::prefetch::{Prefetch, prefetch};
use crate::simd::arch::REGISTERS;
use crate::simd::transpose::{MOST_ROWS, interleave};

/// `NR`, the floats of a panel's row.
#[inline(always)]
pub(crate) fn panel_width<S: Simd>() -> usize {
    REGISTERS * S::F32_LANES
}

/// One head of one sequence.
#[derive(Clone, Copy)]
pub(crate) struct Head<'a> {
    pub attention: &'a Attention<'a>,
    /// Index of the sequence.
    pub sequence: usize,
    /// Index of the head.
    pub head: usize,
}

impl<'a> Head<'a> {
    #[inline(always)]
    pub(crate) fn range(&self) -> Range<usize> {
        self.attention.sequences[self.sequence].clone()
    }

    #[inline(always)]
    pub(crate) fn length(&self) -> usize {
        self.range().len()
    }

    /// The random numbers of this head's dropout.
    #[inline(always)]
    pub(crate) fn dropout(&self) -> Option<Factors> {
        let block = self.sequence * self.attention.heads + self.head;
        self.attention.dropout.map(|mask| mask.block(block))
    }

    /// The head's columns of the sequence's rows.
    #[inline(always)]
    pub(crate) fn rows(&self, matrix: Strided<'a>) -> Rows<'a> {
        let Attention { head_size, .. } = *self.attention;
        let first = self.range().start * matrix.stride + self.head * head_size;
        Rows {
            values: &matrix.values[first..],
            stride: matrix.stride,
            depth: head_size,
        }
    }

    /// Prefetches the next head's columns of a matrix, if there is a next one: the hardware sees no pattern in pieces of
    /// rows that are kilobytes apart.
    #[inline(always)]
    pub(crate) fn prefetch_next(&self, matrix: Strided<'_>) {
        let head = self.head + 1;
        if head < self.attention.heads {
            let next = Self { head, ..*self };
            let rows = next.rows(matrix);
            for token in 0..self.length() {
                prefetch(bytemuck::cast_slice(rows.row(token)));
            }
        }
    }
}

/// Packs `[depth]` rows of `length` tokens, transposed, in panels of [`panel_width`].
#[inline(always)]
pub(crate) fn transposed_panels<S: Simd>(simd: S, rows: Rows<'_>, length: usize) -> Vec<f32> {
    let width = panel_width::<S>();
    let mut panels = vec![0.0; length.next_multiple_of(width) * rows.depth];
    for first in (0..length).step_by(S::F32_LANES) {
        let count = S::F32_LANES.min(length - first);
        let mut tokens = [&[][..]; MOST_ROWS];
        for (index, token) in tokens[..count].iter_mut().enumerate() {
            *token = bytemuck::cast_slice(rows.row(first + index));
        }
        let place = first / width * width * rows.depth + first % width;
        let places = bytemuck::cast_slice_mut(&mut panels[place..]);
        interleave(simd, &tokens[..count], width, places);
    }
    panels
}

/// Packs `[length]` rows of the matrix in panels of `width`.
#[inline(always)]
pub(crate) fn panels(rows: Rows<'_>, length: usize, width: usize) -> Vec<f32> {
    let mut panels = vec![0.0; length * rows.depth.next_multiple_of(width)];
    for token in 0..length {
        for (panel, values) in rows.row(token).chunks(width).enumerate() {
            panels[(panel * length + token) * width..][..values.len()].copy_from_slice(values);
        }
    }
    panels
}

/// Panels of a matrix, and which of their rows are multiplied.
#[derive(Clone, Copy)]
pub(crate) struct Panels<'a> {
    pub(crate) values: &'a [f32],
    /// Rows of a panel.
    pub(crate) depth: usize,
    /// The first of the rows that are multiplied, as many as the left factor is deep.
    pub(crate) first: usize,
}

impl<'a> Panels<'a> {
    /// Panels that are multiplied whole.
    #[inline(always)]
    pub(crate) fn whole(values: &'a [f32], depth: usize) -> Self {
        Self {
            values,
            depth,
            first: 0,
        }
    }
}

/// The first `count` rows of `input` times all panels. `take` gets a panel's row at a time: the row, the first column, and
/// the floats of a panel's width.
#[inline(always)]
pub(crate) fn product<S: Simd, const ROWS: usize>(
    simd: S,
    input: Rows<'_>,
    count: usize,
    panels: Panels<'_>,
    mut take: impl FnMut(usize, usize, &[f32]),
) {
    let width = panel_width::<S>();
    let rows = PackedRows::<f32>::pack(simd, input, count, ROWS);
    let (start, size) = (panels.first * width, input.depth * width);
    let panels = panels.values.chunks_exact(panels.depth * width);
    for (panel, weights) in panels.enumerate() {
        let weights = &weights[start..start + size];
        for &micro_panel in rows.micro_panels() {
            let elements = rows.groups(micro_panel);
            macro_rules! micro_kernel {
                ($rows:expr) => {{
                    let sums =
                        multiply::<S, { $rows }, f32>((), simd, elements, weights, Prefetch::NONE);
                    for (row, sums) in sums.iter().enumerate() {
                        take(
                            micro_panel.first_row + row,
                            panel * width,
                            floats::<S>(sums),
                        );
                    }
                }};
            }
            macro_rules! micro_kernel_of {
                ($($rows:literal)*) => {
                    match micro_panel.height {
                        $($rows => micro_kernel!($rows),)*
                        _ => micro_kernel!(ROWS),
                    }
                };
            }
            micro_kernel_of!(1 2 3 4 5 6 7 8 9 10 11);
        }
    }
}
