//! Input rows packed for the micro-kernel: `MR` rows side by side, as a micro-panel `[depth][row]`.
//!
//! A micro-kernel multiplies `MR` rows at once and needs the same element of each together. Packing is one pass over rows
//! that are then multiplied with dozens of panels of weights.

use std::marker::PhantomData;
use std::ops::Range;

use bytemuck::Pod;
use pulp::Simd;
use rayon::prelude::*;

use crate::simd::arch::Vectorized;
use crate::simd::transpose::{MOST_ROWS, interleave};

/// Rows of the input, `stride` elements apart, with `depth` elements each.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    pub values: &'a [f32],
    pub stride: usize,
    pub depth: usize,
}

impl<'a> Rows<'a> {
    #[inline(always)]
    pub(crate) fn row(&self, index: usize) -> &'a [f32] {
        &self.values[index * self.stride..][..self.depth]
    }

    /// Without the first `rows`.
    #[inline(always)]
    pub(crate) fn after(self, rows: usize) -> Self {
        Self {
            values: &self.values[rows * self.stride..],
            ..self
        }
    }
}

/// Transposed rows: the columns of a matrix with `count` columns.
#[derive(Clone, Copy)]
pub(crate) struct Columns<'a> {
    pub values: &'a [f32],
    pub count: usize,
}

/// Neighbours in a row that one instruction multiplies together.
pub(crate) trait Group: Pod + Send + Sync {
    /// Number of neighbours.
    const SIZE: usize;

    /// Packs the first `height` rows side by side, `[group][row]`. The last group of a row is filled up with 0. After the
    /// last group zeros may be written, as far as `places` goes.
    fn pack<S: Simd>(simd: S, rows: Rows<'_>, height: usize, places: &mut [Self]);
}

impl Group for f32 {
    const SIZE: usize = 1;

    #[inline(always)]
    fn pack<S: Simd>(simd: S, rows: Rows<'_>, height: usize, places: &mut [Self]) {
        let mut of_tile = [&[][..]; MOST_ROWS];
        for (row, values) in of_tile[..height].iter_mut().enumerate() {
            *values = bytemuck::cast_slice(rows.row(row));
        }
        let places = bytemuck::cast_slice_mut(places);
        interleave(simd, &of_tile[..height], height, places);
    }
}

/// Rows in micro-panels, one after another, each `[group][row]`.
pub(crate) struct PackedRows<G> {
    groups: Vec<G>,
    micro_panels: Vec<MicroPanel>,
    /// Groups of a row.
    in_row: usize,
}

/// Rows that a micro-kernel multiplies together.
#[derive(Clone, Copy)]
pub(crate) struct MicroPanel {
    pub first_row: usize,
    /// Number of rows.
    pub height: usize,
    /// Index of its first group.
    start: usize,
}

impl<G: Group> PackedRows<G> {
    /// The first `count` of `rows` in micro-panels of up to `tallest` rows, of equal height as far as possible: one row takes
    /// almost as long as six.
    #[inline(always)]
    pub(crate) fn pack<S: Simd>(simd: S, rows: Rows<'_>, count: usize, tallest: usize) -> Self {
        let mut packed = Self::zeroed(count, rows.depth.div_ceil(G::SIZE), tallest);
        // Not a closure for each micro-panel: the compiler would not use the wide instructions in it.
        for micro_panel in &packed.micro_panels {
            // Includes the places of later micro-panels, which are filled later.
            let places = &mut packed.groups[micro_panel.start..];
            G::pack(
                simd,
                rows.after(micro_panel.first_row),
                micro_panel.height,
                places,
            );
        }
        packed
    }

    /// Zeros for `count` rows of `in_row` groups.
    #[inline(always)]
    fn zeroed(count: usize, in_row: usize, tallest: usize) -> Self {
        let mut micro_panels = Vec::with_capacity(count.div_ceil(tallest));
        let mut first_row = 0;
        while first_row < count {
            let rest = count - first_row;
            let height = rest.div_ceil(rest.div_ceil(tallest));
            micro_panels.push(MicroPanel {
                first_row,
                height,
                start: first_row * in_row,
            });
            first_row += height;
        }
        Self {
            groups: vec![G::zeroed(); count * in_row],
            micro_panels,
            in_row,
        }
    }

    #[inline(always)]
    pub(crate) fn micro_panels(&self) -> &[MicroPanel] {
        &self.micro_panels
    }

    /// The groups of a micro-panel, and all after them.
    #[inline(always)]
    pub(crate) fn groups(&self, micro_panel: MicroPanel) -> &[G] {
        &self.groups[micro_panel.start..][..micro_panel.height * self.in_row]
    }
}

impl PackedRows<f32> {
    /// As [`pack`](Self::pack), for transposed rows `[depth][row]`, from row `first` on.
    #[inline(always)]
    pub(crate) fn pack_columns(
        columns: Columns<'_>,
        first: usize,
        count: usize,
        tallest: usize,
    ) -> Self {
        let depth = columns.values.len() / columns.count.max(1);
        let mut packed = Self::zeroed(count, depth, tallest);
        for micro_panel in &packed.micro_panels {
            let lines = columns.values.chunks_exact(columns.count);
            let places = packed.groups[micro_panel.start..].chunks_exact_mut(micro_panel.height);
            for (places, line) in places.zip(lines) {
                places
                    .copy_from_slice(&line[first + micro_panel.first_row..][..micro_panel.height]);
            }
        }
        packed
    }
}

/// Rows of the input in any layout.
pub(crate) trait Input<G>: Copy + Sync {
    /// Whether one thread packs all of them where the panels are shared out.
    const BY_ONE_THREAD: bool;

    /// Packs a k-block (`k_block`) of some rows of `depth` floats in micro-panels of up to `tallest` rows.
    fn pack<S: Simd>(
        self,
        simd: S,
        rows: Range<usize>,
        depth: usize,
        k_block: Range<usize>,
        tallest: usize,
    ) -> PackedRows<G>;
}

/// Row-major.
#[derive(Clone, Copy)]
pub(crate) struct RowMajor<'a>(pub(crate) &'a [f32]);

impl<G: Group> Input<G> for RowMajor<'_> {
    const BY_ONE_THREAD: bool = true;

    #[inline(always)]
    fn pack<S: Simd>(
        self,
        simd: S,
        rows: Range<usize>,
        depth: usize,
        k_block: Range<usize>,
        tallest: usize,
    ) -> PackedRows<G> {
        let source = Rows {
            values: &self.0[rows.start * depth + k_block.start..],
            stride: depth,
            depth: k_block.len(),
        };
        PackedRows::pack(simd, source, rows.len(), tallest)
    }
}

impl Input<f32> for Columns<'_> {
    /// A batch has as many as it has tokens.
    const BY_ONE_THREAD: bool = false;

    #[inline(always)]
    fn pack<S: Simd>(
        self,
        _: S,
        rows: Range<usize>,
        _: usize,
        k_block: Range<usize>,
        tallest: usize,
    ) -> PackedRows<f32> {
        let Self { values, count } = self;
        let values = &values[k_block.start * count..k_block.end * count];
        PackedRows::pack_columns(Columns { values, count }, rows.start, rows.len(), tallest)
    }
}

/// Packs rows of the input in micro-panels of this processor's height.
pub(crate) struct Pack<I, G> {
    pub(crate) input: I,
    pub(crate) rows: Range<usize>,
    /// Floats of a whole row.
    pub(crate) depth: usize,
    pub(crate) k_block: Range<usize>,
    pub(crate) group: PhantomData<G>,
}

impl<G, I: Input<G>> Vectorized for Pack<I, G> {
    type Output = PackedRows<G>;

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize>(self, simd: S) -> PackedRows<G> {
        (self.input).pack(simd, self.rows, self.depth, self.k_block, ROWS)
    }
}

/// The rows of a transposed matrix.
pub(crate) fn transposed(columns: &[f32], rows: usize) -> Vec<f32> {
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
pub(crate) mod tests {
    use std::fmt::Debug;
    use std::marker::PhantomData;

    use super::*;
    use crate::simd::arch::{dispatch, every};
    use crate::tests::numbers;

    struct Pack<'a, G>(Rows<'a>, usize, PhantomData<G>);

    impl<G: Group> Vectorized for Pack<'_, G> {
        /// The groups of every micro-panel, and its number of rows.
        type Output = Vec<(Vec<G>, usize)>;

        #[inline(always)]
        fn run<S: Simd, const ROWS: usize>(self, simd: S) -> Self::Output {
            let packed = PackedRows::<G>::pack(simd, self.0, self.1, ROWS);
            let micro_panels = packed.micro_panels().iter();
            micro_panels
                .map(|micro_panel| (packed.groups(*micro_panel).to_vec(), micro_panel.height))
                .collect()
        }
    }

    /// Checks every group of packed rows of integers below 256 against `expected`, which gets the rest of the row from
    /// that group on.
    pub(crate) fn check_packed_rows<G: Group + Debug + PartialEq>(
        depths: &[usize],
        expected: impl Fn(&[f32]) -> G + Sync,
    ) {
        every::set_of_instructions(|| {
            for &depth in depths {
                for count in (0..14).chain([24, 25, 48]) {
                    let stride = depth + 3;
                    let value = |place: usize| (place % 256) as f32;
                    let values: Vec<f32> = (0..count * stride).map(value).collect();
                    let rows = Rows {
                        values: &values,
                        stride,
                        depth,
                    };
                    let mut first_row = 0;
                    for (groups, height) in dispatch(Pack::<G>(rows, count, PhantomData)) {
                        assert_eq!(groups.len(), height * depth.div_ceil(G::SIZE));
                        for (place, found) in groups.iter().enumerate() {
                            let row = rows.row(first_row + place % height);
                            let expected = expected(&row[place / height * G::SIZE..]);
                            assert_eq!(*found, expected, "{count} rows of {depth}");
                        }
                        first_row += height;
                    }
                    assert_eq!(first_row, count);
                }
            }
            Ok::<_, ()>(())
        })
        .unwrap();
    }

    #[test]
    fn packed_rows_stand_side_by_side_in_their_tiles() {
        check_packed_rows::<f32>(&[1, 7, 8, 15, 16, 17, 33, 64], |row| row[0]);
    }

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
