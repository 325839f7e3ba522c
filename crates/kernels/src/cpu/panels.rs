//! A weight matrix in the order in which the products read it, packed once.
//!
//! # Strategy
//!
//! The columns are cut into panels of two registers, and a panel is `[depth][width]`: a [tile](super::tile) reads it
//! from its first byte to its last, in order, whatever else the matrix holds. The last panel is filled up with
//! columns of 0, so that no product has an edge to mind. Layers that share their input (queries, keys, values) are one
//! matrix with one pass over the input.
//!
//! Weights kept as bfloat16 lie in pairs that one instruction each makes float32 ([`Bf16Pair`]). Those for a matrix unit
//! or for instructions that multiply bfloat16 ([`amx`]) and those of eight bits ([`int8`](super::int8)) have orders of
//! their own. Packing reads the matrix
//! once, all threads side by side, a cache line of each row at a time, and there is one copy: what was packed can be
//! [unpacked](PackedLinear::unpack).

use std::sync::Arc;

use bytemuck::{Pod, TransparentWrapper, Zeroable};
use pulp::Simd;
use rayon::prelude::*;

use super::amx::{self, TileWeights};
use super::int8::{Int8Matrix, Int8Panels};
use super::matrices::{Matrices, Order};
use super::pages::Pages;
use super::prefetch::Ahead;
use super::simd;
use super::tile::{PanelPart, REGISTERS, WIDEST, add_row};
use crate::precision::Precision;

/// What a panel `[depth][width]` is made of.
pub(super) trait Element: Pod + Send + Sync {
    /// Elements of a panel's row.
    fn in_row<S: Simd>() -> usize;

    /// A panel's row in registers, as float32.
    fn load<S: Simd>(simd: S, row: &[Self]) -> [S::f32s; REGISTERS];

    /// The floats of a panel's row, as they are used.
    fn widen(row: &[Self], floats: &mut [f32]);

    /// A panel's row of these floats.
    fn narrow(floats: &[f32], row: &mut [Self]);
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
        mut ahead: Ahead<'_>,
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

    fn widen(row: &[Self], floats: &mut [f32]) {
        floats.copy_from_slice(row);
    }

    fn narrow(floats: &[f32], row: &mut [Self]) {
        row.copy_from_slice(floats);
    }
}

/// Two bfloat16, the upper halves of two float32: in the lower half of the bits one that goes to the
/// first register, in the upper half one for the same lane of the second. Each then takes a single
/// instruction to become a float32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, TransparentWrapper, Zeroable)]
#[repr(transparent)]
pub(super) struct Bf16Pair(u32);

/// Of the bits of a float32: those of a bfloat16.
pub(super) const UPPER_HALF: u32 = 0xffff_0000;

/// The bfloat16 in the lower halves as float32, and those in the upper halves.
#[inline(always)]
fn widen_pairs<S: Simd>(simd: S, pairs: S::u32s) -> [S::f32s; 2] {
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
        widen_pairs(simd, registers[0])
    }

    fn widen(row: &[Self], floats: &mut [f32]) {
        let (first, second) = floats.split_at_mut(row.len());
        for ((pair, first), second) in row.iter().zip(first).zip(second) {
            *first = f32::from_bits(pair.0 << 16);
            *second = f32::from_bits(pair.0 & UPPER_HALF);
        }
    }

    fn narrow(floats: &[f32], row: &mut [Self]) {
        let (first, second) = floats.split_at(row.len());
        for ((pair, first), second) in row.iter_mut().zip(first).zip(second) {
            *pair = Self(bfloat16(*first) >> 16 | bfloat16(*second));
        }
    }
}

/// Rounds to the nearest float32 whose lower half is 0, halves to even; not-a-number stays so.
#[inline(always)]
pub(super) fn bfloat16(value: f32) -> u32 {
    let bits = value.to_bits();
    if value.is_nan() {
        // Its payload may lie in the lower half alone.
        return (bits & UPPER_HALF) | 0x0040_0000;
    }
    let half_to_even = 0x7fff + ((bits >> 16) & 1);
    bits.wrapping_add(half_to_even) & UPPER_HALF
}

/// The weights and the bias of a dense layer (or of several side by side that share their input),
/// packed for [`linear`](super::linear::linear). Cheap to clone.
#[derive(Clone, Debug)]
pub struct PackedLinear(Arc<Packed>);

#[derive(Debug)]
struct Packed {
    panels: Panels,
    /// Padded with zeros to whole panels.
    bias: Vec<f32>,
    input: usize,
    output: usize,
    width: usize,
}

#[derive(Debug)]
pub(super) enum Panels {
    Float32(Pages<f32>),
    Bfloat16(Pages<Bf16Pair>),
    /// Of any precision, for a matrix unit; of bfloat16 also for the instruction that multiplies it.
    Tiles(TileWeights),
    Int8(Int8Panels),
}

impl PackedLinear {
    /// Packs matrices `[input, output]`, row-major, each with its bias `[output]`; their outputs come
    /// one behind the other.
    ///
    /// Matrices of more than [`Int8Matrix::MAX_INPUTS`] stay in float32 where eight bits are asked
    /// for: their sums would not fit 32 bits.
    ///
    /// # Panics
    ///
    /// When the matrices differ in `input`, or a bias does not fit its matrix.
    #[must_use]
    pub fn pack(layers: &[(&[f32], &[f32])], precision: Precision) -> Self {
        Self::pack_matrices(Matrices::new(layers, Order::ByInput), precision)
    }

    /// As [`pack`](Self::pack), of matrices `[output, input]`, row-major, as PyTorch's checkpoints have them.
    ///
    /// # Panics
    ///
    /// As [`pack`](Self::pack).
    #[must_use]
    pub fn pack_by_output(layers: &[(&[f32], &[f32])], precision: Precision) -> Self {
        Self::pack_matrices(Matrices::new(layers, Order::ByOutput), precision)
    }

    fn pack_matrices(matrices: Matrices<'_>, precision: Precision) -> Self {
        let input = matrices.input();
        if let Some(form) = amx::form(precision) {
            let panels = Panels::Tiles(TileWeights::pack(matrices, form));
            return Self::assemble(panels, matrices.biases(), input, TileWeights::width());
        }
        let width = simd::panel_width();
        let panels = match precision {
            Precision::Int8 if (1..=Int8Matrix::MAX_INPUTS).contains(&input) => {
                return Self::quantize(matrices);
            }
            // Float16 is for tensors: packed it loses nothing.
            Precision::Float32 | Precision::Float16 | Precision::Int8 => {
                Panels::Float32(cut(matrices, width, width))
            }
            Precision::Bfloat16 => Panels::Bfloat16(cut(matrices, width, width / REGISTERS)),
        };
        Self::assemble(panels, matrices.biases(), input, width)
    }

    fn quantize(matrices: Matrices<'_>) -> Self {
        let quantized: Vec<(Int8Matrix, &[f32])> = matrices
            .layers()
            .iter()
            .map(|(weight, bias)| {
                let matrix = match matrices.order() {
                    Order::ByInput => Int8Matrix::quantize_transposed(weight, bias.len()),
                    Order::ByOutput => Int8Matrix::quantize(weight, matrices.input()),
                };
                (matrix, *bias)
            })
            .collect();
        let layers: Vec<(&Int8Matrix, &[f32])> = quantized
            .iter()
            .map(|(matrix, bias)| (matrix, *bias))
            .collect();
        Self::pack_int8(&layers)
    }

    /// Packs matrices that are quantised already, each with its bias; their outputs come one behind
    /// the other.
    ///
    /// # Panics
    ///
    /// When the matrices differ in `input` or have more than [`Int8Matrix::MAX_INPUTS`], or a bias does not fit its
    /// matrix.
    #[must_use]
    pub fn pack_int8(layers: &[(&Int8Matrix, &[f32])]) -> Self {
        let input = layers.first().map_or(0, |(matrix, _)| matrix.input());
        assert!(input <= Int8Matrix::MAX_INPUTS, "sums of 32 bits");
        for (matrix, bias) in layers {
            assert_eq!(
                (matrix.input(), matrix.scales().len()),
                (input, bias.len()),
                "a matrix and its bias"
            );
        }
        let matrices: Vec<&Int8Matrix> = layers.iter().map(|(matrix, _)| *matrix).collect();
        let biases = layers.iter().map(|(_, bias)| *bias);
        if amx::wanted() {
            let panels = Panels::Tiles(TileWeights::pack_int8(&matrices, input));
            return Self::assemble(panels, biases, input, TileWeights::width());
        }
        let panels = Int8Panels::pack(&matrices, input);
        let width = panels.width();
        Self::assemble(Panels::Int8(panels), biases, input, width)
    }

    fn assemble<'a>(
        panels: Panels,
        biases: impl Iterator<Item = &'a [f32]>,
        input: usize,
        width: usize,
    ) -> Self {
        let mut bias: Vec<f32> = biases.flatten().copied().collect();
        let output = bias.len();
        bias.resize(output.next_multiple_of(width), 0.0);
        Self(Arc::new(Packed {
            panels,
            bias,
            input,
            output,
            width,
        }))
    }

    /// In which numbers the weights are kept.
    #[must_use]
    pub fn precision(&self) -> Precision {
        match &self.0.panels {
            Panels::Float32(_) => Precision::Float32,
            Panels::Bfloat16(_) => Precision::Bfloat16,
            Panels::Tiles(tiles) => tiles.precision(),
            Panels::Int8(_) => Precision::Int8,
        }
    }

    /// Width of the rows that go in.
    #[must_use]
    pub fn input(&self) -> usize {
        self.0.input
    }

    /// Width of the rows that come out.
    #[must_use]
    pub fn output(&self) -> usize {
        self.0.output
    }

    /// The weights, `[input, output]` row-major, and the bias, as they are after rounding: those kept
    /// as float32 come back to the bit, or, packed for a matrix unit, within `2^-17` of themselves.
    #[must_use]
    pub fn unpack(&self) -> (Vec<f32>, Vec<f32>) {
        let weights = match &self.0.panels {
            Panels::Float32(panels) => self.join(panels),
            Panels::Bfloat16(panels) => self.join(panels),
            Panels::Tiles(tiles) => tiles.unpack(),
            Panels::Int8(panels) => panels.unpack(self.0.output),
        };
        (weights, self.0.bias[..self.0.output].to_vec())
    }

    fn join<E: Element>(&self, panels: &[E]) -> Vec<f32> {
        let Packed {
            input,
            output,
            width,
            ..
        } = *self.0;
        let mut weights = vec![0.0; input * output];
        let mut floats = vec![0.0; width];
        let in_row = panels.len() / (input * output.div_ceil(width)).max(1);
        for (index, row) in panels.chunks_exact(in_row.max(1)).enumerate() {
            let (panel, depth) = (index / input, index % input);
            E::widen(row, &mut floats);
            let place = &mut weights[depth * output + panel * width..];
            let count = width.min(output - panel * width);
            place[..count].copy_from_slice(&floats[..count]);
        }
        weights
    }

    /// What the packed weights take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match &self.0.panels {
            Panels::Float32(panels) => size_of_val(&**panels),
            Panels::Bfloat16(panels) => size_of_val(&**panels),
            Panels::Tiles(tiles) => tiles.bytes(),
            Panels::Int8(panels) => panels.bytes(),
        }
    }

    pub(super) fn panels(&self) -> &Panels {
        &self.0.panels
    }

    pub(super) fn bias(&self) -> &[f32] {
        &self.0.bias
    }

    pub(super) fn width(&self) -> usize {
        self.0.width
    }
}

/// Inputs whose weights are taken together: a cache line of floats.
const DEPTHS: usize = 16;

/// Panels of `width` columns, each `[input][in_row]`; the last is filled up with zeros.
fn cut<E: Element>(matrices: Matrices<'_>, width: usize, in_row: usize) -> Pages<E> {
    let panel = matrices.input() * in_row;
    let mut panels = Pages::zeroed(matrices.output().div_ceil(width) * panel);
    panels
        .par_chunks_exact_mut(panel.max(1))
        .enumerate()
        .for_each(|(index, panel)| {
            let mut block = [0.0; DEPTHS * WIDEST];
            for (part, rows) in panel.chunks_mut(DEPTHS * in_row).enumerate() {
                let first = part * DEPTHS;
                let inputs = first..first + rows.len() / in_row;
                matrices.copy_block(inputs, index * width, &mut block, width);
                let rows = rows.chunks_exact_mut(in_row);
                for (row, floats) in rows.zip(block.chunks_exact(width)) {
                    E::narrow(floats, row);
                }
            }
        });
    panels
}
