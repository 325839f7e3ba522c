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

use super::rows::Group;
use crate::cpu::activation::Activation;
use crate::cpu::prefetch::Prefetch;
use crate::cpu::simd::arch::{REGISTERS, WIDEST};
use crate::cpu::simd::math::gelu;

/// What a panel consists of, and how it is multiplied.
pub(in crate::cpu) trait PanelPart: Pod + Send + Sync {
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
        ahead: Prefetch<'_>,
        sums: &mut [[S::f32s; REGISTERS]; ROWS],
    );
}

/// A tile of `ROWS` rows, `[group][row]`, times a panel: for each row the panel's columns in registers.
/// On the way it asks for what is needed after it.
#[inline(always)]
pub(in crate::cpu) fn multiply<S: Simd, const ROWS: usize, P: PanelPart>(
    instructions: P::Instructions,
    simd: S,
    rows: &[P::Group],
    panel: &[P],
    ahead: Prefetch<'_>,
) -> [[S::f32s; REGISTERS]; ROWS] {
    let mut sums = [[simd.splat_f32s(0.0); REGISTERS]; ROWS];
    let groups = rows.as_chunks::<ROWS>().0;
    P::add_products(instructions, simd, panel, groups, ahead, &mut sums);
    sums
}

/// Adds to every row's sums the products of its element with the weights.
#[inline(always)]
pub(in crate::cpu) fn add_row<S: Simd, const ROWS: usize>(
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
pub(in crate::cpu) fn floats<S: Simd>(sums: &[S::f32s; REGISTERS]) -> &[f32] {
    bytemuck::cast_slice(sums)
}

/// A row of a panel's width, as far as it goes; the rest is 0.
#[inline(always)]
pub(in crate::cpu) fn load<S: Simd>(values: &[f32]) -> [S::f32s; REGISTERS] {
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
pub(in crate::cpu) fn epilogue<S: Simd>(
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
