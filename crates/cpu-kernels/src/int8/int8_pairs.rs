//! Byte-wise matmul on processors without VNNI.
//!
//! # Strategy
//!
//! AVX2's product of bytes (`vpmaddubsw`) adds two products in 16 bits and saturates: two of 255 * 127 do not fit. But 255
//! times two weights fits if their magnitudes sum to at most [128](LARGEST_PAIR), and [quantization](super::matrix) makes
//! weights so. Its steps are wider by about two fifths for it, on every processor, so that a file means the same
//! everywhere. So the product is exact, as in every other implementation. A second instruction (`vpmaddwd` with ones) adds
//! pairs to 32 bits.
//!
//! Compared with 16-bit integers (one `vpmaddwd` for every pair) there are as many multiplications, half as many additions,
//! loads and broadcasts, and no conversion of weights: 160 GOP/s instead of 127 on one thread of a Zen 3 core.

use std::arch::x86_64::{__m256i, __m512i};

use pulp::Simd;
use pulp::x86::{V3, V4};
use rayon::prelude::*;

use super::matrix::{LARGEST_PAIR, largest_pair};
use super::x86::ByteProducts;
use crate::simd::arch::{Vectorized, dispatch};

/// Proof that no pair of neighbouring weights saturates.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NonSaturating(());

impl NonSaturating {
    /// If that holds for the weights of all outputs.
    pub(crate) fn of(rows: &[&[i8]]) -> Option<Self> {
        struct Fit<'a>(&'a [i8]);
        impl Vectorized for Fit<'_> {
            type Output = bool;

            #[inline(always)]
            fn run<S: Simd, const ROWS: usize>(self, _: S) -> bool {
                largest_pair(self.0) <= LARGEST_PAIR
            }
        }
        rows.par_iter()
            .all(|row| dispatch(Fit(row)))
            .then_some(Self(()))
    }
}

impl ByteProducts<V3, __m256i> for NonSaturating {
    #[inline(always)]
    fn add(self, simd: V3, sums: __m256i, numbers: __m256i, weights: __m256i) -> __m256i {
        let pairs = simd.avx2._mm256_maddubs_epi16(numbers, weights);
        let dot_product = simd
            .avx2
            ._mm256_madd_epi16(pairs, simd.avx._mm256_set1_epi16(1));
        simd.avx2._mm256_add_epi32(sums, dot_product)
    }
}

impl ByteProducts<V4, __m512i> for NonSaturating {
    #[inline(always)]
    fn add(self, simd: V4, sums: __m512i, numbers: __m512i, weights: __m512i) -> __m512i {
        let pairs = simd.avx512bw._mm512_maddubs_epi16(numbers, weights);
        let dot_product = simd
            .avx512bw
            ._mm512_madd_epi16(pairs, simd.avx512f._mm512_set1_epi16(1));
        simd.avx512f._mm512_add_epi32(sums, dot_product)
    }
}
