//! Four neighbours of eight bits at a time, on processors without an instruction for it.
//!
//! # Strategy
//!
//! AVX2's product of bytes (`vpmaddubsw`) adds two products in 16 bits, and cuts off what does not fit:
//! two of 255 * 127 do not. But a sum of 255 times two weights fits whenever their magnitudes come to
//! [128](LARGEST_PAIR) at most, and that is how [weights are rounded](super::matrix): for the few
//! neighbours that are both large, all steps of their output are a little wider. So the product is
//! exact here as with every other body. A second instruction (`vpmaddwd` with ones) adds pairs to 32
//! bits.
//!
//! Compared with numbers widened to 16 bits (one `vpmaddwd` for every pair) there are as many
//! multiplications, but half as many additions, loads and broadcasts beside them, and nothing to widen.

use std::arch::x86_64::{__m256i, __m512i};

use pulp::x86::{V3, V4};
use rayon::prelude::*;

use super::matrix::LARGEST_PAIR;
use super::rows::Grouping;
use super::tile::DotProduct;

/// Whether no pair of neighbours in these `rows` can be cut off.
pub(super) fn fit(rows: &[&[i8]]) -> bool {
    let fits = |pair: &[i8]| {
        let sum: u16 = pair
            .iter()
            .map(|weight| u16::from(weight.unsigned_abs()))
            .sum();
        f32::from(sum) <= LARGEST_PAIR
    };
    rows.par_iter().all(|row| row.chunks(2).all(fits))
}

/// The products of bytes among the instructions of `S`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bytes<S>(pub(super) S);

impl DotProduct for Bytes<V3> {
    type Numbers = __m256i;
    type Sums = __m256i;

    const LANES: usize = 8;

    const GROUPING: Grouping = Grouping::Fours;

    #[inline(always)]
    fn zero(self) -> __m256i {
        self.0.zero()
    }

    #[inline(always)]
    fn start(self, zero_point: i32, weight_sums: &[i32]) -> __m256i {
        let weight_sums: __m256i = pulp::cast(weight_sums.as_chunks::<8>().0[0]);
        let zero_points = self.splat(zero_point);
        self.0.avx2._mm256_mullo_epi32(zero_points, weight_sums)
    }

    #[inline(always)]
    fn weights(self, bytes: &[i8]) -> __m256i {
        pulp::cast(bytes.as_chunks::<32>().0[0])
    }

    #[inline(always)]
    fn splat(self, group: i32) -> __m256i {
        self.0.splat(group)
    }

    #[inline(always)]
    fn add_products(self, sums: __m256i, numbers: __m256i, weights: __m256i) -> __m256i {
        let avx2 = self.0.avx2;
        let pairs = avx2._mm256_maddubs_epi16(numbers, weights);
        let fours = avx2._mm256_madd_epi16(pairs, self.0.avx._mm256_set1_epi16(1));
        avx2._mm256_add_epi32(sums, fours)
    }

    #[inline(always)]
    fn store(self, sums: __m256i, floats: &mut [f32]) {
        self.0.store(sums, floats);
    }
}

impl DotProduct for Bytes<V4> {
    type Numbers = __m512i;
    type Sums = __m512i;

    const LANES: usize = 16;

    const GROUPING: Grouping = Grouping::Fours;

    #[inline(always)]
    fn zero(self) -> __m512i {
        self.0.zero()
    }

    #[inline(always)]
    fn start(self, zero_point: i32, weight_sums: &[i32]) -> __m512i {
        let weight_sums: __m512i = pulp::cast(weight_sums.as_chunks::<16>().0[0]);
        let zero_points = self.splat(zero_point);
        self.0.avx512f._mm512_mullo_epi32(zero_points, weight_sums)
    }

    #[inline(always)]
    fn weights(self, bytes: &[i8]) -> __m512i {
        pulp::cast(bytes.as_chunks::<64>().0[0])
    }

    #[inline(always)]
    fn splat(self, group: i32) -> __m512i {
        self.0.splat(group)
    }

    #[inline(always)]
    fn add_products(self, sums: __m512i, numbers: __m512i, weights: __m512i) -> __m512i {
        let avx512bw = self.0.avx512bw;
        let pairs = avx512bw._mm512_maddubs_epi16(numbers, weights);
        let fours = avx512bw._mm512_madd_epi16(pairs, self.0.avx512f._mm512_set1_epi16(1));
        self.0.avx512f._mm512_add_epi32(sums, fours)
    }

    #[inline(always)]
    fn store(self, sums: __m512i, floats: &mut [f32]) {
        self.0.store(sums, floats);
    }
}
