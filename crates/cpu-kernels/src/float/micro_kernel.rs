//! The micro-kernel: `MR` rows of the input times one panel of `NR` columns of the weights, in registers.
//!
//! # Strategy
//!
//! `MR` is the const parameter `ROWS`, and `NR` is [`REGISTERS`] SIMD registers. The kernel keeps `MR x NR` sums in
//! registers and walks the depth once. For each depth it loads one row of the panel and multiplies it with one element of
//! each input row. (Where an instruction multiplies neighbours of the depth, a step takes a group of them: [`PanelPart`].)
//!
//! The input elements are packed as a micro-panel, `[depth][row]` ([`rows`](super::rows)). Read from unpacked rows they
//! took a pointer each, and with six pointers the sums had no registers left: a third of the speed with AVX2.
//!
//! The shape fills the register file: `MR * REGISTERS` sums, `REGISTERS` for the panel's row, and one for the input element.
//!
//! | registers | MR x registers | NR | sums |
//! | --- | --- | --- | --- |
//! | AVX-512: 32 of 16 SIMD lanes | 12 x 2 | 32 | 24 |
//! | AVX2: 16 of 8 SIMD lanes | 6 x 2 | 16 | 12 |
//! | NEON: 32 of 4 SIMD lanes | 12 x 2 | 8 | 24 |
//!
//! The registers are explicit (through `pulp`, one source for all instruction sets). The compiler spilled the sums of
//! plain loops over arrays to memory, at a third of the speed.

use bytemuck::Pod;
use pulp::Simd;

use super::rows::Group;
use crate::activation::Activation;
use crate::prefetch::Prefetch;
use crate::simd::activations::gelu;
use crate::simd::arch::{REGISTERS, WIDEST};

/// The element type of a panel, and how a micro-kernel multiplies it.
pub(crate) trait PanelPart: Pod + Send + Sync {
    /// The group of input elements that it multiplies.
    type Group: Group;

    /// Proof that the processor has the instructions beyond those of [`Simd`].
    type Instructions: Copy + Sync;

    /// A k-block begins at a multiple of this number of inputs, which are whole groups.
    const ALIGNMENT: usize;

    /// Number of elements of a panel for a number of inputs.
    fn in_panel<S: Simd>(inputs: usize) -> usize;

    /// Bytes of a panel that one group multiplies.
    #[inline(always)]
    fn bytes_of_group<S: Simd>() -> usize {
        let groups = Self::ALIGNMENT / Self::Group::SIZE;
        Self::in_panel::<S>(Self::ALIGNMENT) * size_of::<Self>() / groups
    }

    /// Adds the products of a panel with a micro-panel of as many groups.
    fn add_products<S: Simd, const ROWS: usize>(
        instructions: Self::Instructions,
        simd: S,
        panel: &[Self],
        groups: &[[Self::Group; ROWS]],
        ahead: Prefetch<'_>,
        sums: &mut [[S::f32s; REGISTERS]; ROWS],
    );
}

/// A micro-panel, `[group][row]`, times a panel: for each row the sums of the panel's columns. Prefetches the next weights.
#[inline(always)]
pub(crate) fn multiply<S: Simd, const ROWS: usize, P: PanelPart>(
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
pub(crate) fn add_row<S: Simd, const ROWS: usize>(
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

/// The columns of one row of sums as floats: the first `REGISTERS * S::F32_LANES`.
#[inline(always)]
pub(crate) fn floats<S: Simd>(sums: &[S::f32s; REGISTERS]) -> &[f32] {
    bytemuck::cast_slice(sums)
}

/// A row of a panel's width from `values`; missing values are 0.
#[inline(always)]
pub(crate) fn load<S: Simd>(values: &[f32]) -> [S::f32s; REGISTERS] {
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

/// The epilogue: GELU, if that is the activation, and store of a row of sums, as far as `output` has columns. Other activations
/// [follow](super::finish).
///
/// Whole registers are stored: a copy of a length that the compiler does not know would be a call.
#[inline(always)]
pub(crate) fn epilogue<S: Simd>(
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
        // Not `copy_from_slice`: the compiler merges it with the other branch into a call.
        for (place, value) in places.iter_mut().zip(row) {
            *place = value;
        }
    } else {
        output.copy_from_slice(&floats::<S>(&row)[..output.len()]);
    }
}
