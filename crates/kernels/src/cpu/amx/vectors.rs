//! Products over tiles by the vector units of processors that multiply bfloat16 (AVX512-BF16: Cooper Lake, Zen 4,
//! Sapphire Rapids and later).
//!
//! # Strategy
//!
//! A row of a tile of weights is what `vpdpbf16ps` wants: for 16 columns two neighbours of the depth. So the tiles serve
//! these processors too, and those with a matrix unit where there are only a few rows: then reading the weights takes the
//! time, and the unit's loads are slower at that. The products themselves are those of any
//! [panel](crate::cpu::tile): 12 rows by 32 columns of sums in registers.
//!
//! - Rounded weights are multiplied two neighbours at a time ([`Rounded`]): `vpdpbf16ps` does twice the products of an
//!   instruction of float32. The rows are rounded as for the matrix unit, the sums are float32.
//! - Of split weights the two parts are added up, which gives them as float32 ([`Halves`]): two instructions for each
//!   part of 16 numbers and one for the sum, beside up to twelve that multiply. The rows stay float32.
//! - Whole numbers are [multiplied as without tiles](crate::cpu::int8).

#![allow(
    unsafe_code,
    reason = "pulp has no name for these instructions: a type stands for having them"
)]

use std::arch::x86_64::{__m512, __m512bh, __m512i, _mm512_dpbf16_ps};

use bytemuck::{Pod, TransparentWrapper, Zeroable};
use pulp::x86::V4;
use pulp::{Arch, Simd};

use super::Form;
use super::tiles::{DEPTH, PAIR, SIDE, Tile};
use crate::cpu::linear::{Layer, Panelled, RowMajor};
use crate::cpu::prefetch::Ahead;
use crate::cpu::simd::{self, Vectorized};
use crate::cpu::tile::{Group, REGISTERS, Weights, add_row};

/// Stands for the instructions.
#[derive(Clone, Copy, Debug)]
pub(in crate::cpu) struct Vectors(V4);

impl Vectors {
    /// If this processor has them.
    pub(in crate::cpu) fn detect() -> Option<Self> {
        match simd::arch() {
            Arch::V4(simd) if is_x86_feature_detected!("avx512bf16") => Some(Self(simd)),
            _ => None,
        }
    }

    /// `rows` of the input times tiles of bfloat16.
    pub(super) fn linear(
        self,
        form: Form,
        input: &[f32],
        rows: usize,
        tiles: &[Tile],
        layer: Layer<'_>,
        output: &mut [f32],
    ) {
        let input = RowMajor(input);
        match form {
            Form::Single => {
                let tiles = Rounded::wrap_slice(tiles);
                layer.multiply(
                    input,
                    rows,
                    Panels {
                        tiles,
                        vectors: self,
                    },
                    output,
                );
            }
            Form::Split => {
                let tiles = Halves::wrap_slice(tiles);
                layer.multiply(
                    input,
                    rows,
                    Panels {
                        tiles,
                        vectors: self,
                    },
                    output,
                );
            }
        }
    }

    fn vectorize<W: Vectorized>(self, work: W) -> W::Output {
        #[target_feature(
            enable = "avx2,fma,bmi1,bmi2,lzcnt,popcnt,avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512bf16"
        )]
        fn run<W: Vectorized>(simd: V4, work: W) -> W::Output {
            work.run::<V4, 12>(simd)
        }
        // SAFETY: there is a `Vectors` only where there are the instructions.
        unsafe { run(self.0, work) }
    }
}

/// Tiles of `W`.
#[derive(Clone, Copy)]
struct Panels<'a, W> {
    tiles: &'a [W],
    vectors: Vectors,
}

impl<W: Weights> Panelled for Panels<'_, W> {
    type Weights = W;

    fn weights(&self) -> &[W] {
        self.tiles
    }

    fn dispatch<T: Vectorized>(self, work: T) -> T::Output {
        self.vectors.vectorize(work)
    }
}

/// Two neighbours in a row, rounded to bfloat16.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(transparent)]
struct RoundedPair(u32);

impl Group for RoundedPair {
    const SIZE: usize = 2;

    #[inline(always)]
    fn put<'a>(row: &[f32], mut places: impl Iterator<Item = &'a mut Self>) {
        for line in row.chunks(DEPTH) {
            let mut floats = [0.0; DEPTH];
            floats[..line.len()].copy_from_slice(line);
            let [rounded, _] = Form::Single.round(&floats);
            let pairs: [Self; SIDE] = pulp::cast(rounded);
            let pairs = &pairs[..line.len().div_ceil(Self::SIZE)];
            for (pair, place) in pairs.iter().zip(places.by_ref()) {
                *place = *pair;
            }
        }
    }
}

/// A tile of weights that are rounded.
#[derive(Clone, Copy, Pod, TransparentWrapper, Zeroable)]
#[repr(transparent)]
struct Rounded(Tile);

/// A tile of one part of weights that are split.
#[derive(Clone, Copy, Pod, TransparentWrapper, Zeroable)]
#[repr(transparent)]
struct Halves(Tile);

/// Tiles for so many inputs.
fn tiles_for(inputs: usize, form: Form) -> usize {
    inputs.div_ceil(DEPTH) * PAIR * form.parts()
}

/// Bytes of a row of the tiles of a step.
const fn row_bytes(form: Form) -> usize {
    size_of::<Tile>() / SIDE * PAIR * form.parts()
}

impl Weights for Rounded {
    type Group = RoundedPair;

    const ALIGNMENT: usize = DEPTH;

    fn in_panel<S: Simd>(inputs: usize) -> usize {
        tiles_for(inputs, Form::Single)
    }

    #[inline(always)]
    fn bytes_of_group<S: Simd>() -> usize {
        row_bytes(Form::Single)
    }

    #[inline(always)]
    fn add_products<S: Simd, const ROWS: usize>(
        _: S,
        panel: &[Self],
        groups: &[[RoundedPair; ROWS]],
        mut ahead: Ahead<'_>,
        sums: &mut [[S::f32s; REGISTERS]; ROWS],
    ) {
        let mut registers: [[__m512; REGISTERS]; ROWS] = sums.map(|row| row.map(pulp::cast));
        let steps = Self::peel_slice(panel).as_chunks::<PAIR>().0;
        for (tiles, groups) in steps.iter().zip(groups.chunks(SIDE)) {
            for (index, group) in groups.iter().enumerate() {
                ahead.step(row_bytes(Form::Single));
                let weights: [__m512i; PAIR] =
                    tiles.each_ref().map(|tile| pulp::cast(*tile.row(index)));
                for (sums, pair) in registers.iter_mut().zip(group) {
                    let pair: __m512i = pulp::cast([pair.0; SIDE]);
                    for (sum, weights) in sums.iter_mut().zip(weights) {
                        *sum = dot_product(*sum, pair, weights);
                    }
                }
            }
        }
        *sums = registers.map(|row| row.map(pulp::cast));
    }
}

/// `sums + pair * weights`, both products of every lane. Called where the instruction may be used: a panel of
/// [`Rounded`] comes with [`Vectors`].
#[inline(always)]
fn dot_product(sums: __m512, pair: __m512i, weights: __m512i) -> __m512 {
    // SAFETY: any bits are 32 bfloat16; the instruction is there, as said above.
    unsafe {
        let [pair, weights] =
            [pair, weights].map(|bits| std::mem::transmute::<__m512i, __m512bh>(bits));
        _mm512_dpbf16_ps(sums, pair, weights)
    }
}

/// The upper of two bfloat16 in 32 bits.
const UPPER: u32 = 0xffff_0000;

impl Weights for Halves {
    type Group = [f32; 2];

    const ALIGNMENT: usize = DEPTH;

    fn in_panel<S: Simd>(inputs: usize) -> usize {
        tiles_for(inputs, Form::Split)
    }

    #[inline(always)]
    fn bytes_of_group<S: Simd>() -> usize {
        row_bytes(Form::Split)
    }

    #[inline(always)]
    fn add_products<S: Simd, const ROWS: usize>(
        simd: S,
        panel: &[Self],
        groups: &[[[f32; 2]; ROWS]],
        mut ahead: Ahead<'_>,
        sums: &mut [[S::f32s; REGISTERS]; ROWS],
    ) {
        let steps = Self::peel_slice(panel).as_chunks::<{ 2 * PAIR }>().0;
        for (tiles, groups) in steps.iter().zip(groups.chunks(SIDE)) {
            let [high, low] = [[&tiles[0], &tiles[1]], [&tiles[2], &tiles[3]]];
            for (index, group) in groups.iter().enumerate() {
                ahead.step(row_bytes(Form::Split));
                let bits = |tile: &&Tile| -> S::u32s { pulp::cast(*tile.row(index)) };
                let (high, low) = (high.each_ref().map(bits), low.each_ref().map(bits));
                let even = |pair| {
                    simd.transmute_f32s_u32s(simd.wrapping_dyn_shl_u32s(pair, simd.splat_u32s(16)))
                };
                let odd =
                    |pair| simd.transmute_f32s_u32s(simd.and_u32s(pair, simd.splat_u32s(UPPER)));
                let first =
                    std::array::from_fn(|tile| simd.add_f32s(even(high[tile]), even(low[tile])));
                add_row(simd, group.map(|pair| pair[0]), first, sums);
                let second =
                    std::array::from_fn(|tile| simd.add_f32s(odd(high[tile]), odd(low[tile])));
                add_row(simd, group.map(|pair| pair[1]), second, sums);
            }
        }
    }
}
