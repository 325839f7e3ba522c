//! Weight matrices of float32 or bfloat16 in panels of `NR` columns, in the order in which the micro-kernel reads them.
//!
//! `NR` is two SIMD registers. A panel is `[depth][NR]`: the [micro-kernel](super::micro_kernel) reads it from its first
//! byte to its last. The last panel is filled up with columns of 0, so that no product has an edge to handle.

use bytemuck::{Pod, TransparentWrapper, Zeroable};
use pulp::Simd;
use rayon::prelude::*;

use super::matrices::Matrices;
use super::micro_kernel::{PanelPart, add_row};
use crate::pages::Pages;
use crate::prefetch::Prefetch;
use crate::simd::arch::{REGISTERS, WIDEST};
use crate::simd::bf16::{UPPER_HALF, bfloat16};

/// The element type of a panel `[depth][NR]`.
pub(crate) trait Element: Pod + Send + Sync {
    /// Elements of a panel's row.
    fn in_row<S: Simd>() -> usize;

    /// A panel's row in registers, as float32.
    fn load<S: Simd>(simd: S, row: &[Self]) -> [S::f32s; REGISTERS];

    /// Upcasts a panel's row to floats.
    fn upcast(row: &[Self], floats: &mut [f32]);

    /// Rounds floats to a panel's row.
    fn round(floats: &[f32], row: &mut [Self]);
}

impl<E: Element> PanelPart for E {
    type Group = f32;
    type Instructions = ();

    const ALIGNMENT: usize = 1;

    #[inline(always)]
    fn in_panel<S: Simd>(inputs: usize) -> usize {
        inputs * E::in_row::<S>()
    }

    #[inline(always)]
    fn add_products<S: Simd, const ROWS: usize>(
        (): (),
        simd: S,
        panel: &[Self],
        rows: &[[f32; ROWS]],
        mut ahead: Prefetch<'_>,
        sums: &mut [[S::f32s; REGISTERS]; ROWS],
    ) {
        for (weights, elements) in panel.chunks_exact(E::in_row::<S>()).zip(rows) {
            ahead.step();
            add_row(simd, *elements, E::load(simd, weights), sums);
        }
    }
}

impl Element for f32 {
    #[inline(always)]
    fn in_row<S: Simd>() -> usize {
        REGISTERS * S::F32_LANES
    }

    #[inline(always)]
    fn load<S: Simd>(_: S, row: &[Self]) -> [S::f32s; REGISTERS] {
        let (registers, _) = S::as_simd_f32s(row);
        [registers[0], registers[1]]
    }

    fn upcast(row: &[Self], floats: &mut [f32]) {
        floats.copy_from_slice(row);
    }

    fn round(floats: &[f32], row: &mut [Self]) {
        row.copy_from_slice(floats);
    }
}

/// Two bfloat16. The lower half of the bits goes to the first register of a panel's row, the upper half to the same SIMD
/// lane of the second. One instruction upcasts each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, TransparentWrapper, Zeroable)]
#[repr(transparent)]
pub(crate) struct Bf16Pair(u32);

/// Upcasts the lower halves, and the upper halves.
#[inline(always)]
fn upcast_pairs<S: Simd>(simd: S, pairs: S::u32s) -> [S::f32s; 2] {
    let lower = simd.wrapping_dyn_shl_u32s(pairs, simd.splat_u32s(16));
    let upper = simd.and_u32s(pairs, simd.splat_u32s(UPPER_HALF));
    [lower, upper].map(|bits| simd.transmute_f32s_u32s(bits))
}

impl Element for Bf16Pair {
    #[inline(always)]
    fn in_row<S: Simd>() -> usize {
        S::F32_LANES
    }

    #[inline(always)]
    fn load<S: Simd>(simd: S, row: &[Self]) -> [S::f32s; REGISTERS] {
        let (registers, _) = S::as_simd_u32s(Self::peel_slice(row));
        upcast_pairs(simd, registers[0])
    }

    fn upcast(row: &[Self], floats: &mut [f32]) {
        let (first, second) = floats.split_at_mut(row.len());
        for ((pair, first), second) in row.iter().zip(first).zip(second) {
            *first = f32::from_bits(pair.0 << 16);
            *second = f32::from_bits(pair.0 & UPPER_HALF);
        }
    }

    fn round(floats: &[f32], row: &mut [Self]) {
        let (first, second) = floats.split_at(row.len());
        for ((pair, first), second) in row.iter_mut().zip(first).zip(second) {
            *pair = Self(bfloat16(*first) >> 16 | bfloat16(*second));
        }
    }
}

/// Inputs whose weights are packed together: a cache line of floats.
const DEPTHS: usize = 16;

/// Packs panels of `width` columns, each `[input][in_row]`; the last is filled up with zeros.
pub(crate) fn cut<E: Element>(matrices: Matrices<'_>, width: usize, in_row: usize) -> Pages<E> {
    let panel = matrices.input() * in_row;
    let mut panels =
        Pages::zeroed(matrices.arrangement().panels(matrices.columns(), width) * panel);
    panels
        .par_chunks_exact_mut(panel.max(1))
        .enumerate()
        .for_each(|(index, panel)| {
            let mut block = [0.0; DEPTHS * WIDEST];
            for (part, rows) in panel.chunks_mut(DEPTHS * in_row).enumerate() {
                let first = part * DEPTHS;
                let inputs = first..first + rows.len() / in_row;
                matrices.copy_block(inputs, index, &mut block, width);
                let rows = rows.chunks_exact_mut(in_row);
                for (row, floats) in rows.zip(block.chunks_exact(width)) {
                    E::round(floats, row);
                }
            }
        });
    panels
}
