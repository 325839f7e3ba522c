//! The rows that go into a dense layer, wherever they are, on their way into tiles.

use std::marker::PhantomData;
use std::ops::Range;

use pulp::Simd;
use rayon::prelude::*;

use super::simd::Vectorized;
use super::tile::{Columns, Group, PackedRows, Rows};

/// Rows of the input, wherever they are.
pub(super) trait Input<G>: Copy + Sync {
    /// Whether all of them are packed by one thread where the panels are shared out.
    const BY_ONE_THREAD: bool;

    /// A part of some rows of `depth` floats in tiles of up to `tallest`.
    fn pack<S: Simd>(
        self,
        simd: S,
        rows: Range<usize>,
        depth: usize,
        part: Range<usize>,
        tallest: usize,
    ) -> PackedRows<G>;
}

/// One after the other.
#[derive(Clone, Copy)]
pub(super) struct RowMajor<'a>(pub(super) &'a [f32]);

impl<G: Group> Input<G> for RowMajor<'_> {
    const BY_ONE_THREAD: bool = true;

    #[inline(always)]
    fn pack<S: Simd>(
        self,
        simd: S,
        rows: Range<usize>,
        depth: usize,
        part: Range<usize>,
        tallest: usize,
    ) -> PackedRows<G> {
        let source = Rows {
            values: &self.0[rows.start * depth + part.start..],
            stride: depth,
            depth: part.len(),
        };
        PackedRows::pack(simd, source, rows.len(), tallest)
    }
}

impl Input<f32> for Columns<'_> {
    /// They are as long as a batch has tokens.
    const BY_ONE_THREAD: bool = false;

    #[inline(always)]
    fn pack<S: Simd>(
        self,
        _: S,
        rows: Range<usize>,
        _: usize,
        part: Range<usize>,
        tallest: usize,
    ) -> PackedRows<f32> {
        let Self { values, count } = self;
        let values = &values[part.start * count..part.end * count];
        PackedRows::pack_columns(Columns { values, count }, rows.start, rows.len(), tallest)
    }
}

/// Rows of the input in tiles of this processor's height.
pub(super) struct Pack<I, G> {
    pub(super) input: I,
    pub(super) rows: Range<usize>,
    /// Floats of a whole row.
    pub(super) depth: usize,
    pub(super) part: Range<usize>,
    pub(super) group: PhantomData<G>,
}

impl<G, I: Input<G>> Vectorized for Pack<I, G> {
    type Output = PackedRows<G>;

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize>(self, simd: S) -> PackedRows<G> {
        (self.input).pack(simd, self.rows, self.depth, self.part, ROWS)
    }
}

/// The rows of what lies as columns.
pub(super) fn transposed(columns: &[f32], rows: usize) -> Vec<f32> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::tests::numbers;

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
}
