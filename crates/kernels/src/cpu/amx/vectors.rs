//! Products over tiles by the vector units of processors that multiply bfloat16 (AVX512-BF16: Cooper Lake, Zen 4,
//! Sapphire Rapids and later).
//!
//! # Strategy
//!
//! A row of a tile of weights is what `vpdpbf16ps` wants: for 16 columns two neighbours of the depth. So the tiles serve
//! these processors too, and those with a matrix unit where there are [a few rows](super::linear). The products
//! themselves are those of any [panel](crate::cpu::tile): 12 rows by 32 columns of sums in registers.
//!
//! - Rounded weights are multiplied two neighbours at a time ([`Rounded`]): `vpdpbf16ps` does twice the products of an
//!   instruction of float32. The rows are rounded as for the matrix unit, the sums are float32.
//! - Of split weights the two parts are added up, which gives them as float32 ([`Halves`]): three instructions for each 16
//!   of them, beside up to twelve that multiply. The rows are float32 too, of as many bits as the unit uses: a row gives
//!   the same by both, but for the order of sums and the product of the two low parts.
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
use super::tiles::{DEPTH, PAIR, SIDE, Tile, split, widen};
use crate::cpu::input::RowMajor;
use crate::cpu::linear::{Layer, Panelled};
use crate::cpu::panels::widen_pairs;
use crate::cpu::prefetch::Ahead;
use crate::cpu::simd::{self, Vectorized};
use crate::cpu::tile::{Group, PanelPart, REGISTERS, add_row};

/// Stands for the instructions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Vectors(V4);

impl Vectors {
    /// If this processor has them.
    pub(super) fn detect() -> Option<Self> {
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
                let panels = self.panels(Rounded::wrap_slice(tiles));
                layer.multiply(input, rows, panels, output);
            }
            Form::Split => {
                let panels = self.panels(Halves::wrap_slice(tiles));
                layer.multiply(input, rows, panels, output);
            }
        }
    }

    fn panels<P>(self, tiles: &[P]) -> TilePanels<'_, P> {
        TilePanels {
            tiles,
            vectors: self,
        }
    }

    fn vectorize<W: Vectorized>(self, work: W) -> W::Output {
        #[target_feature(
            enable = "avx2,fma,bmi1,bmi2,lzcnt,popcnt,avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512bf16"
        )]
        fn run<W: Vectorized>(simd: V4, work: W) -> W::Output {
            // As many rows as `simd` has for 32 registers.
            work.run::<V4, 12>(simd)
        }
        // SAFETY: there is a `Vectors` only where there are the instructions.
        unsafe { run(self.0, work) }
    }

    /// `sums + pair * weights`, both products of every lane.
    #[inline(always)]
    fn dot_product(self, sums: __m512, pair: __m512i, weights: __m512i) -> __m512 {
        // SAFETY: there is a `Vectors` only where there is the instruction, and any bits are 32 bfloat16.
        unsafe {
            let [pair, weights] =
                [pair, weights].map(|bits| std::mem::transmute::<__m512i, __m512bh>(bits));
            _mm512_dpbf16_ps(sums, pair, weights)
        }
    }
}

/// The panels of a layer, in tiles of one form.
#[derive(Clone, Copy)]
struct TilePanels<'a, P> {
    tiles: &'a [P],
    vectors: Vectors,
}

impl<P: PanelPart<Instructions = Vectors>> Panelled for TilePanels<'_, P> {
    type Part = P;

    fn parts(&self) -> &[P] {
        self.tiles
    }

    fn instructions(self) -> Vectors {
        self.vectors
    }

    fn dispatch<W: Vectorized>(self, work: W) -> W::Output {
        self.vectors.vectorize(work)
    }
}

/// Two neighbours in a row, rounded to bfloat16.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
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

/// Two neighbours in a row, in as many bits as their split halves have.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(transparent)]
struct SplitPair([f32; 2]);

impl Group for SplitPair {
    const SIZE: usize = 2;

    #[inline(always)]
    fn put<'a>(row: &[f32], mut places: impl Iterator<Item = &'a mut Self>) {
        let used = |value: f32| {
            let [high, low] = split(value).map(widen);
            high + low
        };
        let (pairs, rest) = row.as_chunks::<2>();
        for (pair, place) in pairs.iter().zip(places.by_ref()) {
            *place = Self(pair.map(used));
        }
        if let (&[last], Some(place)) = (rest, places.next()) {
            *place = Self([used(last), 0.0]);
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

impl PanelPart for Rounded {
    type Group = RoundedPair;
    type Instructions = Vectors;

    const ALIGNMENT: usize = DEPTH;

    fn in_panel<S: Simd>(inputs: usize) -> usize {
        tiles_for(inputs, Form::Single)
    }

    #[inline(always)]
    fn add_products<S: Simd, const ROWS: usize>(
        vectors: Vectors,
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
                ahead.step();
                let weights: [__m512i; PAIR] =
                    tiles.each_ref().map(|tile| pulp::cast(*tile.row(index)));
                for (sums, pair) in registers.iter_mut().zip(group) {
                    let pair: __m512i = pulp::cast([pair.0; SIDE]);
                    for (sum, weights) in sums.iter_mut().zip(weights) {
                        *sum = vectors.dot_product(*sum, pair, weights);
                    }
                }
            }
        }
        *sums = registers.map(|row| row.map(pulp::cast));
    }
}

impl PanelPart for Halves {
    type Group = SplitPair;
    /// Those for their sums are `V4`'s.
    type Instructions = Vectors;

    const ALIGNMENT: usize = DEPTH;

    fn in_panel<S: Simd>(inputs: usize) -> usize {
        tiles_for(inputs, Form::Split)
    }

    #[inline(always)]
    fn add_products<S: Simd, const ROWS: usize>(
        _: Vectors,
        simd: S,
        panel: &[Self],
        groups: &[[SplitPair; ROWS]],
        mut ahead: Ahead<'_>,
        sums: &mut [[S::f32s; REGISTERS]; ROWS],
    ) {
        let steps = Self::peel_slice(panel).as_chunks::<{ 2 * PAIR }>().0;
        for ([high_0, high_1, low_0, low_1], groups) in steps.iter().zip(groups.chunks(SIDE)) {
            for (index, group) in groups.iter().enumerate() {
                ahead.step();
                let [first, second] = [[high_0, low_0], [high_1, low_1]].map(|halves| {
                    let [high, low] =
                        halves.map(|tile| widen_pairs(simd, pulp::cast(*tile.row(index))));
                    [
                        simd.add_f32s(high[0], low[0]),
                        simd.add_f32s(high[1], low[1]),
                    ]
                });
                add_row(
                    simd,
                    group.map(|pair| pair.0[0]),
                    [first[0], second[0]],
                    sums,
                );
                add_row(
                    simd,
                    group.map(|pair| pair.0[1]),
                    [first[1], second[1]],
                    sums,
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::panels::UPPER_HALF;

    fn put<G: Group>(row: &[f32]) -> Vec<G> {
        let mut groups = vec![G::zeroed(); row.len().div_ceil(G::SIZE)];
        G::put(row, groups.iter_mut());
        groups
    }

    #[test]
    fn a_row_becomes_pairs_to_its_last_number() {
        // Whole numbers up to 256 are bfloat16.
        for length in [1usize, 2, 31, 32, 33, 64, 65, 97] {
            let row: Vec<f32> = (1..=length).map(|number| number as f32).collect();
            let padded = [&row[..], &[0.0]].concat();
            let pairs = padded.as_chunks::<2>().0;
            assert_eq!(pairs.len(), length.div_ceil(2));
            let split: Vec<SplitPair> = pairs.iter().map(|pair| SplitPair(*pair)).collect();
            assert_eq!(put::<SplitPair>(&row), split);
            let rounded = |pair: &[f32; 2]| {
                RoundedPair(pair[0].to_bits() >> 16 | (pair[1].to_bits() & UPPER_HALF))
            };
            let rounded: Vec<RoundedPair> = pairs.iter().map(rounded).collect();
            assert_eq!(put::<RoundedPair>(&row), rounded);
        }
    }

    #[test]
    fn a_split_number_keeps_what_its_halves_do() {
        let value = 1.0 + 1.0 / 256.0 + 1.0 / 4_194_304.0;
        assert_eq!(
            put::<SplitPair>(&[value]),
            [SplitPair([1.0 + 1.0 / 256.0, 0.0])]
        );
    }
}
