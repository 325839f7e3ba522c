//! The innermost product: a few rows of the input times one panel of the weights.
//!
//! # Strategy
//!
//! A weight matrix `[depth, output]` is cut into panels of some columns, and a panel is stored row
//! after row: `[depth][width]`. A tile keeps `ROWS x width` sums in registers and walks the depth
//! once: it loads one row of the panel, and multiplies it with one element of each input row. The
//! input is read as it lies (row-major), so nothing of it is packed.
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

use pulp::Simd;

use super::panels::Element;

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

/// The first `ROWS` of `input` times a panel: for each row the panel's columns in registers.
#[inline(always)]
pub(super) fn multiply<S: Simd, const ROWS: usize, E: Element>(
    simd: S,
    input: Rows<'_>,
    panel: &[E],
) -> [[S::f32s; REGISTERS]; ROWS] {
    let rows: [&[f32]; ROWS] = std::array::from_fn(|row| input.row(row));
    let mut sums = [[simd.splat_f32s(0.0); REGISTERS]; ROWS];
    let panel = panel.chunks_exact(E::in_row::<S>());
    for (depth, weights) in panel.enumerate().take(input.depth) {
        let weights = E::load(simd, weights);
        for row in 0..ROWS {
            let element = simd.splat_f32s(rows[row][depth]);
            for register in 0..REGISTERS {
                sums[row][register] =
                    simd.mul_add_e_f32s(element, weights[register], sums[row][register]);
            }
        }
    }
    sums
}

/// The columns of one row of a tile as floats: the first `REGISTERS * S::F32_LANES`.
#[inline(always)]
pub(super) fn floats<S: Simd>(sums: &[S::f32s; REGISTERS]) -> &[f32] {
    bytemuck::cast_slice(sums)
}
