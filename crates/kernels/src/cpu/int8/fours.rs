//! Four neighbours of eight bits at a time, unsigned times signed.

use std::arch::x86_64::{__m256i, __m512i};

use pulp::x86::{V3, V4};
use pulp::{f32x8, f32x16};

use super::dot_product::DotProduct;
use super::rows::Grouping;

/// Products of bytes in `P`'s way, on registers of `S`.
#[derive(Clone, Copy, Debug)]
pub(in crate::cpu) struct Fours<S, P> {
    pub(in crate::cpu) simd: S,
    products: P,
}

impl<S, P> Fours<S, P> {
    pub(in crate::cpu) fn new(simd: S, products: P) -> Self {
        Self { simd, products }
    }
}

/// A way to multiply bytes in registers `R`.
pub(in crate::cpu) trait ByteProducts<S, R>: Copy {
    /// `sums + numbers * weights`, the four products of every lane.
    fn add(self, simd: S, sums: R, numbers: R, weights: R) -> R;
}

impl<P: ByteProducts<V3, __m256i>> DotProduct for Fours<V3, P> {
    type Simd = V3;
    type Numbers = __m256i;
    type Sums = __m256i;

    const GROUPING: Grouping = Grouping::Fours;

    #[inline(always)]
    fn simd(self) -> V3 {
        self.simd
    }

    #[inline(always)]
    fn zero(self) -> __m256i {
        self.simd.zero()
    }

    #[inline(always)]
    fn start(self, zero_point: i32, weight_sums: &[i32]) -> __m256i {
        let weight_sums: __m256i = pulp::cast(weight_sums.as_chunks::<8>().0[0]);
        let zero_points = self.splat(zero_point);
        self.simd.avx2._mm256_mullo_epi32(zero_points, weight_sums)
    }

    #[inline(always)]
    fn weights(self, bytes: &[i8]) -> __m256i {
        pulp::cast(bytes.as_chunks::<32>().0[0])
    }

    #[inline(always)]
    fn splat(self, group: i32) -> __m256i {
        self.simd.splat(group)
    }

    #[inline(always)]
    fn add_products(self, sums: __m256i, numbers: __m256i, weights: __m256i) -> __m256i {
        self.products.add(self.simd, sums, numbers, weights)
    }

    #[inline(always)]
    fn floats(self, sums: __m256i) -> f32x8 {
        self.simd.floats(sums)
    }
}

impl<P: ByteProducts<V4, __m512i>> DotProduct for Fours<V4, P> {
    type Simd = V4;
    type Numbers = __m512i;
    type Sums = __m512i;

    const GROUPING: Grouping = Grouping::Fours;

    #[inline(always)]
    fn simd(self) -> V4 {
        self.simd
    }

    #[inline(always)]
    fn zero(self) -> __m512i {
        self.simd.zero()
    }

    #[inline(always)]
    fn start(self, zero_point: i32, weight_sums: &[i32]) -> __m512i {
        let weight_sums: __m512i = pulp::cast(weight_sums.as_chunks::<16>().0[0]);
        let zero_points = self.splat(zero_point);
        self.simd
            .avx512f
            ._mm512_mullo_epi32(zero_points, weight_sums)
    }

    #[inline(always)]
    fn weights(self, bytes: &[i8]) -> __m512i {
        pulp::cast(bytes.as_chunks::<64>().0[0])
    }

    #[inline(always)]
    fn splat(self, group: i32) -> __m512i {
        self.simd.splat(group)
    }

    #[inline(always)]
    fn add_products(self, sums: __m512i, numbers: __m512i, weights: __m512i) -> __m512i {
        self.products.add(self.simd, sums, numbers, weights)
    }

    #[inline(always)]
    fn floats(self, sums: __m512i) -> f32x16 {
        self.simd.floats(sums)
    }
}
