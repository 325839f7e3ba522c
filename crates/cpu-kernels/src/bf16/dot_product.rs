//! The bfloat16 dot product of AMD's vector units (AVX512-BF16: Zen 4 and later).
//!
//! # Strategy
//!
//! A row of a tile of weights is the operand of `vpdpbf16ps`: for 16 columns two neighbours of the depth. So AMX's tiles
//! serve these processors, too. 12 rows by 32 columns of sums stay in registers, and a step takes two neighbours. Input rows
//! are rounded as for AMX; sums are float32. Rows of linear layers meet many panels and are packed as
//! [micro-panels](crate::float::rows); attention's rows are read in place.
//!
//! On Zen 4 the instruction does twice the products of a float32 one in the same time. Intel has it since Cooper Lake, but a
//! Xeon with AMX did 68 GOP/s with it on a thread, where float32 did 150. Without AMX, queries and titles took 1.6 and 1.7
//! times as long as in float32. On Intel, bfloat16 weights are upcast instead.

#![allow(
    unsafe_code,
    reason = "pulp has no name for these instructions: a type stands for having them"
)]

use std::arch::x86_64::{
    __cpuid, __m512, __m512bh, __m512i, _mm512_cvtne2ps_pbh, _mm512_dpbf16_ps,
};
use std::sync::LazyLock;

use bytemuck::{Pod, TransparentWrapper, Zeroable};
use pulp::x86::V4;
use pulp::{Arch, Simd};

use super::rounded_rows::{Line, RoundedPanels, RoundedProducts, RoundedRows, Rounding};
use super::tiles::{DEPTH, Form, PAIR, SIDE, Tile, WIDTH};
use crate::float::gemm::WeightPanels;
use crate::float::micro_kernel::PanelPart;
use crate::float::rows::{Group, RowMajor, Rows};
use crate::prefetch::Prefetch;
use crate::schedule::Layer;
use crate::simd::arch::{REGISTERS, Vectorized, arch};
use crate::simd::transpose::{MOST_ROWS, interleave};

/// Proof that the processor has the instructions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bf16DotProduct(V4);

impl Bf16DotProduct {
    /// If this processor has them.
    pub(crate) fn detect() -> Option<Self> {
        match arch() {
            Arch::V4(simd) if is_x86_feature_detected!("avx512bf16") => Some(Self(simd)),
            _ => None,
        }
    }

    /// If this processor has them and they are faster than those of float32: AMD's.
    pub(crate) fn fast() -> Option<Self> {
        Self::detect().filter(|_| *BY_AMD)
    }

    /// `rows` of the input times tiles of rounded weights, on all threads.
    pub(crate) fn linear(
        self,
        input: &[f32],
        rows: usize,
        tiles: &[Tile],
        layer: Layer<'_>,
        output: &mut [f32],
    ) {
        layer.multiply(RowMajor(input), rows, self.panels(tiles), output);
    }

    /// [`linear`](Self::linear) on this thread only.
    pub(crate) fn linear_of_block(
        self,
        input: &[f32],
        tiles: &[Tile],
        layer: Layer<'_>,
        output: &mut [f32],
    ) {
        let rows = 0..output.len() / layer.output;
        layer.multiply_block(RowMajor(input), rows, self.panels(tiles), output);
    }

    fn panels(self, tiles: &[Tile]) -> TilePanels<'_> {
        TilePanels {
            tiles: Rounded::wrap_slice(tiles),
            dot_product: self,
        }
    }

    pub(crate) fn vectorize<W: Vectorized>(self, work: W) -> W::Output {
        #[target_feature(
            enable = "avx2,fma,bmi1,bmi2,lzcnt,popcnt,avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512bf16"
        )]
        fn run<W: Vectorized>(simd: V4, work: W) -> W::Output {
            // `MR` of 32 registers.
            work.run::<V4, 12>(simd)
        }
        // SAFETY: there is a `Bf16DotProduct` only where there are the instructions.
        unsafe { run(self.0, work) }
    }

    /// Adds to a row's sums both products of a pair of its numbers in every SIMD lane.
    #[inline(always)]
    fn add_products(self, sums: &mut [__m512; PAIR], pair: u32, weights: [__m512i; PAIR]) {
        let pair: __m512i = pulp::cast([pair; SIDE]);
        for (sum, weights) in sums.iter_mut().zip(weights) {
            *sum = self.dot_product(*sum, pair, weights);
        }
    }

    /// `sums + pair * weights`, both products of every SIMD lane.
    #[inline(always)]
    fn dot_product(self, sums: __m512, pair: __m512i, weights: __m512i) -> __m512 {
        // SAFETY: there is a `Bf16DotProduct` only where there is the instruction, and any bits are 32 bfloat16.
        unsafe {
            let [pair, weights] =
                [pair, weights].map(|bits| std::mem::transmute::<__m512i, __m512bh>(bits));
            _mm512_dpbf16_ps(sums, pair, weights)
        }
    }
}

/// Whether AMD made the processor. Asked once: on a virtual machine CPUID takes microseconds.
static BY_AMD: LazyLock<bool> = LazyLock::new(|| {
    #[allow(
        unused_unsafe,
        reason = "CPUID is safe only in newer compilers than the oldest that builds this"
    )]
    // SAFETY: every x86-64 processor has CPUID and its leaf 0.
    let leaf = unsafe { __cpuid(0) };
    let maker = [leaf.ebx, leaf.edx, leaf.ecx].map(u32::to_le_bytes);
    maker.as_flattened() == b"AuthenticAMD"
});

impl Rounding for Bf16DotProduct {
    #[inline(always)]
    fn nearest(&self, numbers: &[f32; DEPTH]) -> [u16; DEPTH] {
        let [first, second]: [__m512; 2] = pulp::cast(*numbers);
        // SAFETY: there is a `Bf16DotProduct` only where there is the instruction.
        pulp::cast(unsafe {
            std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(second, first))
        })
    }
}

/// `MR`, the rows of sums in registers.
const HEIGHT: usize = 12;

impl RoundedProducts for Bf16DotProduct {
    const HEIGHT: usize = HEIGHT;

    /// Four micro-kernels.
    const ROWS: usize = 4 * HEIGHT;

    #[inline(always)]
    fn multiply(&mut self, rows: RoundedRows<'_>, panels: RoundedPanels<'_>, sums: &mut [f32]) {
        let pairs = rows.depth.div_ceil(2);
        let (lines, _) = rows.lines.as_chunks::<HEIGHT>();
        let (places, in_row) = (sums.as_chunks_mut::<WIDTH>().0, panels.count());
        for panel in 0..in_row {
            let columns = panels.panel(panel, rows.steps()).as_chunks().0;
            let tiles = lines.chunks_exact(rows.steps());
            for (first, lines) in (0..rows.count).step_by(HEIGHT).zip(tiles) {
                macro_rules! tile {
                    ($rows:expr) => {{
                        let sums = self.products::<{ $rows }>(lines, columns, pairs);
                        for (row, sums) in sums.iter().enumerate() {
                            places[(first + row) * in_row + panel] = pulp::cast(*sums);
                        }
                    }};
                }
                macro_rules! tile_of {
                    ($($rows:literal)*) => {
                        match rows.count - first {
                            $($rows => tile!($rows),)*
                            _ => tile!(HEIGHT),
                        }
                    };
                }
                tile_of!(1 2 3 4 5 6 7 8 9 10 11);
            }
        }
    }
}

impl Bf16DotProduct {
    /// The first `ROWS` rows of `lines` times a panel of columns, over `pairs` of the depth.
    #[inline(always)]
    fn products<const ROWS: usize>(
        self,
        lines: &[[Line; HEIGHT]],
        columns: &[[Tile; PAIR]],
        pairs: usize,
    ) -> [[__m512; PAIR]; ROWS] {
        let mut sums = [[pulp::cast([0.0f32; SIDE]); PAIR]; ROWS];
        for (step, (lines, tiles)) in lines.iter().zip(columns).enumerate() {
            for index in 0..SIDE.min(pairs - step * SIDE) {
                let columns: [__m512i; PAIR] =
                    tiles.each_ref().map(|tile| pulp::cast(*tile.row(index)));
                // Read in place: the compiler knows the distance of two rows.
                for (sums, line) in sums.iter_mut().zip(lines) {
                    self.add_products(sums, line.pairs()[index], columns);
                }
            }
        }
        sums
    }
}

/// The panels of a layer.
#[derive(Clone, Copy)]
struct TilePanels<'a> {
    tiles: &'a [Rounded],
    dot_product: Bf16DotProduct,
}

impl WeightPanels for TilePanels<'_> {
    type Part = Rounded;

    fn parts(&self) -> &[Rounded] {
        self.tiles
    }

    fn instructions(self) -> Bf16DotProduct {
        self.dot_product
    }

    fn dispatch<W: Vectorized>(self, work: W) -> W::Output {
        self.dot_product.vectorize(work)
    }
}

/// Two neighbours in a row, rounded to bfloat16.
#[derive(Clone, Copy, Debug, PartialEq, Pod, TransparentWrapper, Zeroable)]
#[repr(transparent)]
struct RoundedPair(u32);

impl Group for RoundedPair {
    const SIZE: usize = 2;

    #[inline(always)]
    fn pack<S: Simd>(simd: S, rows: Rows<'_>, height: usize, places: &mut [Self]) {
        let in_row = rows.depth.div_ceil(Self::SIZE);
        for start in (0..in_row).step_by(SIDE) {
            let mut pairs = [[0u32; SIDE]; MOST_ROWS];
            for (row, pairs) in pairs[..height].iter_mut().enumerate() {
                let line = &rows.row(row)[start * Self::SIZE..];
                let [rounded, _] = match line.first_chunk() {
                    Some(line) => Form::Single.round(line),
                    None => {
                        let mut last = [0.0; DEPTH];
                        last[..line.len()].copy_from_slice(line);
                        Form::Single.round(&last)
                    }
                };
                *pairs = pulp::cast(rounded);
            }
            let count = SIDE.min(in_row - start);
            let mut of_tile = [&[][..]; MOST_ROWS];
            for (row, pairs) in of_tile.iter_mut().zip(&pairs) {
                *row = &pairs[..count];
            }
            let places = TransparentWrapper::peel_slice_mut(&mut places[start * height..]);
            interleave(simd, &of_tile[..height], height, places);
        }
    }
}

/// A tile of weights that are rounded.
#[derive(Clone, Copy, Pod, TransparentWrapper, Zeroable)]
#[repr(transparent)]
struct Rounded(Tile);

impl PanelPart for Rounded {
    type Group = RoundedPair;
    type Instructions = Bf16DotProduct;

    const ALIGNMENT: usize = DEPTH;

    fn in_panel<S: Simd>(inputs: usize) -> usize {
        inputs.div_ceil(DEPTH) * PAIR
    }

    #[inline(always)]
    fn add_products<S: Simd, const ROWS: usize>(
        dot_product: Bf16DotProduct,
        _: S,
        panel: &[Self],
        groups: &[[RoundedPair; ROWS]],
        mut ahead: Prefetch<'_>,
        sums: &mut [[S::f32s; REGISTERS]; ROWS],
    ) {
        // Not `map`: for an array that long the compiler makes a call, and all sums go through memory.
        let mut registers: [[__m512; REGISTERS]; ROWS] =
            [[pulp::cast([0.0f32; SIDE]); REGISTERS]; ROWS];
        for (registers, sums) in registers
            .as_flattened_mut()
            .iter_mut()
            .zip(sums.as_flattened())
        {
            *registers = pulp::cast(*sums);
        }
        let steps = Self::peel_slice(panel).as_chunks::<PAIR>().0;
        for (tiles, groups) in steps.iter().zip(groups.chunks(SIDE)) {
            for (index, group) in groups.iter().enumerate() {
                ahead.step();
                let weights: [__m512i; PAIR] =
                    tiles.each_ref().map(|tile| pulp::cast(*tile.row(index)));
                for (sums, pair) in registers.iter_mut().zip(group) {
                    dot_product.add_products(sums, pair.0, weights);
                }
            }
        }
        for (sums, registers) in sums
            .as_flattened_mut()
            .iter_mut()
            .zip(registers.as_flattened())
        {
            *sums = pulp::cast(*registers);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::float::rows::tests::check_packed_rows;
    use crate::simd::bf16::UPPER_HALF;
    use crate::tests::skipped;

    /// Numbers that are too small to be normal become 0 by the instruction.
    #[test]
    fn the_instruction_rounds_to_the_nearest() {
        struct Nearest(Bf16DotProduct, [f32; DEPTH]);
        impl Vectorized for Nearest {
            type Output = [u16; DEPTH];

            #[inline(always)]
            fn run<S: Simd, const ROWS: usize>(self, _: S) -> [u16; DEPTH] {
                self.0.nearest(&self.1)
            }
        }
        let Some(dot_product) = Bf16DotProduct::detect() else {
            skipped("the instruction rounds to the nearest", "AVX512-BF16");
            return;
        };
        let some = [
            0.0,
            -0.0,
            f32::INFINITY,
            f32::NEG_INFINITY,
            f32::MAX,
            f32::MIN_POSITIVE,
        ];
        for start in 0..100_000u32 {
            let mut numbers: [f32; DEPTH] = std::array::from_fn(|lane| {
                // Every exponent, and halves between two bfloat16 among the fractions.
                let bits = (start + 31 * lane as u32).wrapping_mul(0x9e37_79b9);
                f32::from_bits(if start % 2 == 0 { bits & !0x7fff } else { bits })
            });
            numbers[start as usize % DEPTH] = some[start as usize % some.len()];
            let rounded = dot_product.vectorize(Nearest(dot_product, numbers));
            let [expected, _] = Form::Single.round(&numbers);
            for ((number, rounded), expected) in numbers.iter().zip(rounded).zip(expected) {
                if number.is_nan() {
                    assert!(f32::from_bits(u32::from(rounded) << 16).is_nan());
                } else if number.is_subnormal() {
                    assert_eq!(rounded & 0x7fff, 0, "{number}");
                } else {
                    assert_eq!(rounded, expected, "{number}");
                }
            }
        }
    }

    #[test]
    fn rows_become_pairs_to_their_last_number() {
        // Integers up to 256 are exact in bfloat16.
        check_packed_rows(&[1, 2, 31, 32, 33, 64, 65, 97], |row| {
            let second = row.get(1).map_or(0, |second| second.to_bits());
            RoundedPair(row[0].to_bits() >> 16 | (second & UPPER_HALF))
        });
    }
}
