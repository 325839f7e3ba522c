//! The innermost product: a few rows of the input times one panel of the weights.
//!
//! # Strategy
//!
//! A weight matrix `[depth, output]` is cut into panels of some columns, and a panel is stored row
//! after row: `[depth][width]` (or, where an instruction multiplies neighbours of the depth, group after group of these:
//! [`PanelPart`]). A tile keeps `ROWS x width` sums in registers and walks the depth
//! once: it loads one row of the panel, and multiplies it with one element of each input row. Those
//! elements stand side by side too (`[depth][row]`, [`PackedRows`]): read from rows that lie where
//! they were, they took a pointer each, and with six of them the sums had no registers left (on AVX2
//! a third of the speed, measured). Packing is one pass over rows that meet dozens of panels.
//!
//! The shape of a tile fills the register file: `ROWS * REGISTERS` sums, `REGISTERS` for the panel's
//! row and one for the input's element.
//!
//! | registers | tile | width | sums |
//! | --- | --- | --- | --- |
//! | AVX-512: 32 of 16 lanes | 12 x 2 | 32 | 24 |
//! | AVX2: 16 of 8 lanes | 6 x 2 | 16 | 12 |
//! | NEON: 32 of 4 lanes | 12 x 2 | 8 | 24 |
//!
//! The registers are written out (through `pulp`, one source for all instruction sets): left to the
//! compiler, plain loops over arrays spilled the sums to memory and ran at a third of this.

use bytemuck::Pod;
use pulp::Simd;

use super::linear::Activation;
use super::math::gelu;
use super::prefetch::Ahead;
use super::transpose::{MOST_ROWS, interleave};

/// Registers of a panel's row.
pub(super) const REGISTERS: usize = 2;

/// The most floats of a panel's row: two registers of AVX-512.
pub(super) const WIDEST: usize = 32;

/// Rows of the input, `stride` elements apart, of which the first `depth` count.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub values: &'a [f32],
    pub stride: usize,
    pub depth: usize,
}

impl<'a> Rows<'a> {
    #[inline(always)]
    pub(super) fn row(&self, index: usize) -> &'a [f32] {
        &self.values[index * self.stride..][..self.depth]
    }

    /// Without the first `rows`.
    #[inline(always)]
    pub(super) fn after(self, rows: usize) -> Self {
        Self {
            values: &self.values[rows * self.stride..],
            ..self
        }
    }
}

/// Rows that lie as the columns of a matrix of `count` columns.
#[derive(Clone, Copy)]
pub(super) struct Columns<'a> {
    pub values: &'a [f32],
    pub count: usize,
}

/// Neighbours in a row that a product takes together.
pub(super) trait Group: Pod + Send + Sync {
    /// How many.
    const SIZE: usize;

    /// Puts those of the first `height` rows side by side: `[group][row]`. What the last of a row lacks is 0; behind the
    /// last place, where there are more, zeros may be written.
    fn put<S: Simd>(simd: S, rows: Rows<'_>, height: usize, places: &mut [Self]);
}

impl Group for f32 {
    const SIZE: usize = 1;

    #[inline(always)]
    fn put<S: Simd>(simd: S, rows: Rows<'_>, height: usize, places: &mut [Self]) {
        let mut of_tile = [&[][..]; MOST_ROWS];
        for (row, values) in of_tile[..height].iter_mut().enumerate() {
            *values = bytemuck::cast_slice(rows.row(row));
        }
        let places = bytemuck::cast_slice_mut(places);
        interleave(simd, &of_tile[..height], height, places);
    }
}

/// Rows in tiles, one after the other, each `[group][row]`.
pub(super) struct PackedRows<G> {
    groups: Vec<G>,
    tiles: Vec<Tile>,
    /// Groups of a row.
    in_row: usize,
}

/// Some rows that are multiplied together.
#[derive(Clone, Copy)]
pub(super) struct Tile {
    pub first_row: usize,
    /// Rows.
    pub height: usize,
    /// Where its groups begin.
    start: usize,
}

impl<G: Group> PackedRows<G> {
    /// The first `count` of `rows`, in tiles of up to `tallest`, all of the same height as far as that
    /// goes: a tile of one row takes almost as long as one of six.
    #[inline(always)]
    pub(super) fn pack<S: Simd>(simd: S, rows: Rows<'_>, count: usize, tallest: usize) -> Self {
        let mut packed = Self::zeroed(count, rows.depth.div_ceil(G::SIZE), tallest);
        // Not a closure for each tile: it would not be compiled for the wide instructions.
        for tile in &packed.tiles {
            // With the places of the tiles behind it, which are filled later.
            let places = &mut packed.groups[tile.start..];
            G::put(simd, rows.after(tile.first_row), tile.height, places);
        }
        packed
    }

    /// Rows of so many groups.
    #[inline(always)]
    fn zeroed(count: usize, in_row: usize, tallest: usize) -> Self {
        let mut tiles = Vec::with_capacity(count.div_ceil(tallest));
        let mut first_row = 0;
        while first_row < count {
            let rest = count - first_row;
            let height = rest.div_ceil(rest.div_ceil(tallest));
            tiles.push(Tile {
                first_row,
                height,
                start: first_row * in_row,
            });
            first_row += height;
        }
        Self {
            groups: vec![G::zeroed(); count * in_row],
            tiles,
            in_row,
        }
    }

    #[inline(always)]
    pub(super) fn tiles(&self) -> &[Tile] {
        &self.tiles
    }

    /// The tile's groups.
    #[inline(always)]
    pub(super) fn groups(&self, tile: Tile) -> &[G] {
        &self.groups[tile.start..][..tile.height * self.in_row]
    }
}

impl PackedRows<f32> {
    /// As [`pack`](Self::pack), of rows that lie as the columns of `columns`, `[depth][row]`: those from
    /// `first` on.
    #[inline(always)]
    pub(super) fn pack_columns(
        columns: Columns<'_>,
        first: usize,
        count: usize,
        tallest: usize,
    ) -> Self {
        let depth = columns.values.len() / columns.count.max(1);
        let mut packed = Self::zeroed(count, depth, tallest);
        for tile in &packed.tiles {
            let lines = columns.values.chunks_exact(columns.count);
            let places = packed.groups[tile.start..].chunks_exact_mut(tile.height);
            for (places, line) in places.zip(lines) {
                places.copy_from_slice(&line[first + tile.first_row..][..tile.height]);
            }
        }
        packed
    }
}

/// What a panel consists of, and how it is multiplied.
pub(super) trait PanelPart: Pod + Send + Sync {
    /// What it is multiplied with.
    type Group: Group;

    /// Stands for having the instructions, beyond those of [`Simd`].
    type Instructions: Copy + Sync;

    /// A part of the depth begins at a multiple of so many inputs, which are whole groups.
    const ALIGNMENT: usize;

    /// How many parts a panel has for so many inputs.
    fn in_panel<S: Simd>(inputs: usize) -> usize;

    /// How many bytes of a panel a group meets.
    #[inline(always)]
    fn bytes_of_group<S: Simd>() -> usize {
        let groups = Self::ALIGNMENT / Self::Group::SIZE;
        Self::in_panel::<S>(Self::ALIGNMENT) * size_of::<Self>() / groups
    }

    /// Adds the products of a panel with a tile, whose rows' groups are as many as the depth has.
    fn add_products<S: Simd, const ROWS: usize>(
        instructions: Self::Instructions,
        simd: S,
        panel: &[Self],
        groups: &[[Self::Group; ROWS]],
        ahead: Ahead<'_>,
        sums: &mut [[S::f32s; REGISTERS]; ROWS],
    );
}

/// A tile of `ROWS` rows, `[group][row]`, times a panel: for each row the panel's columns in registers.
/// On the way it asks for what is needed after it.
#[inline(always)]
pub(super) fn multiply<S: Simd, const ROWS: usize, P: PanelPart>(
    instructions: P::Instructions,
    simd: S,
    rows: &[P::Group],
    panel: &[P],
    ahead: Ahead<'_>,
) -> [[S::f32s; REGISTERS]; ROWS] {
    let mut sums = [[simd.splat_f32s(0.0); REGISTERS]; ROWS];
    let groups = rows.as_chunks::<ROWS>().0;
    P::add_products(instructions, simd, panel, groups, ahead, &mut sums);
    sums
}

/// Adds to every row's sums the products of its element with the weights.
#[inline(always)]
pub(super) fn add_row<S: Simd, const ROWS: usize>(
    simd: S,
    elements: [f32; ROWS],
    weights: [S::f32s; REGISTERS],
    sums: &mut [[S::f32s; REGISTERS]; ROWS],
) {
    for row in 0..ROWS {
        let element = simd.splat_f32s(elements[row]);
        for register in 0..REGISTERS {
            sums[row][register] =
                simd.mul_add_e_f32s(element, weights[register], sums[row][register]);
        }
    }
}

/// The columns of one row of a tile as floats: the first `REGISTERS * S::F32_LANES`.
#[inline(always)]
pub(super) fn floats<S: Simd>(sums: &[S::f32s; REGISTERS]) -> &[f32] {
    bytemuck::cast_slice(sums)
}

/// A row of a panel's width, as far as it goes; the rest is 0.
#[inline(always)]
pub(super) fn load<S: Simd>(values: &[f32]) -> [S::f32s; REGISTERS] {
    let width = REGISTERS * S::F32_LANES;
    let mut padded = [0.0; WIDEST];
    let values = if values.len() == width {
        values
    } else {
        padded[..values.len()].copy_from_slice(values);
        &padded[..width]
    };
    let (registers, _) = S::as_simd_f32s(values);
    [registers[0], registers[1]]
}

/// What comes out of a row, as far as there is room; the rest is of columns that there are not.
///
/// Whole registers are stored: a number of floats that the compiler does not know would be a call.
#[inline(always)]
pub(super) fn put<S: Simd>(
    mut row: [S::f32s; REGISTERS],
    activation: Activation,
    output: &mut [f32],
) {
    if activation == Activation::Gelu {
        for value in bytemuck::cast_slice_mut::<S::f32s, f32>(&mut row) {
            *value = gelu(*value);
        }
    }
    if output.len() == REGISTERS * S::F32_LANES {
        let (places, _) = S::as_mut_simd_f32s(output);
        // Not `copy_from_slice`: the compiler joins it with the one below to a call.
        for (place, value) in places.iter_mut().zip(row) {
            *place = value;
        }
    } else {
        output.copy_from_slice(&floats::<S>(&row)[..output.len()]);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::fmt::Debug;
    use std::marker::PhantomData;

    use super::*;
    use crate::cpu::simd::{Vectorized, dispatch, every};

    struct Pack<'a, G>(Rows<'a>, usize, PhantomData<G>);

    impl<G: Group> Vectorized for Pack<'_, G> {
        /// The groups of every tile, and how many rows each has.
        type Output = Vec<(Vec<G>, usize)>;

        #[inline(always)]
        fn run<S: Simd, const ROWS: usize>(self, simd: S) -> Self::Output {
            let packed = PackedRows::<G>::pack(simd, self.0, self.1, ROWS);
            let tiles = packed.tiles().iter();
            tiles
                .map(|tile| (packed.groups(*tile).to_vec(), tile.height))
                .collect()
        }
    }

    /// Looks at every group of packed rows of whole numbers below 256: `expected` is the one of a row that begins with
    /// these.
    pub(in crate::cpu) fn check_packed_rows<G: Group + Debug + PartialEq>(
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
}
