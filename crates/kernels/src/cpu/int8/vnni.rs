//! The instruction that multiplies four neighbours of eight bits, as wide as the processor has it.
//!
//! AVX-512 VNNI (Cascade Lake, Zen 4 and later) has it on 512 bits, AVX-VNNI (Alder Lake and later) on
//! 256. The rest is as for processors without.

#![allow(
    unsafe_code,
    reason = "pulp has no name for these instructions: a type for each stands for having it"
)]

use std::arch::x86_64::{__m256i, __m512i, _mm256_dpbusd_avx_epi32, _mm512_dpbusd_epi32};

use pulp::x86::{V3, V4};

use super::body::WithDotProduct;
use super::rows::Grouping;
use super::tile::DotProduct;

/// 256 bits, on a processor that has AVX2 as well.
#[derive(Clone, Copy, Debug)]
pub(super) struct AvxVnni(V3);

/// 512 bits, on a processor that has all of AVX-512 that pulp asks for as well.
#[derive(Clone, Copy, Debug)]
pub(super) struct Avx512Vnni(V4);

impl AvxVnni {
    /// If this processor has them.
    pub(super) fn new(simd: V3) -> Option<Self> {
        is_x86_feature_detected!("avxvnni").then_some(Self(simd))
    }

    /// Does `work` with them.
    pub(super) fn vectorize<W: WithDotProduct>(self, work: W) -> W::Output {
        #[target_feature(enable = "avx2,fma,bmi1,bmi2,lzcnt,popcnt,avxvnni")]
        fn run<W: WithDotProduct>(dot: AvxVnni, work: W) -> W::Output {
            work.run::<AvxVnni, 6>(dot)
        }
        // SAFETY: there is a `V3` only where there are its instructions, and `new` has asked for
        // the last one.
        unsafe { run(self, work) }
    }
}

impl Avx512Vnni {
    /// If this processor has them.
    pub(super) fn new(simd: V4) -> Option<Self> {
        is_x86_feature_detected!("avx512vnni").then_some(Self(simd))
    }

    /// Does `work` with them.
    pub(super) fn vectorize<W: WithDotProduct>(self, work: W) -> W::Output {
        #[target_feature(
            enable = "avx2,fma,bmi1,bmi2,lzcnt,popcnt,avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512vnni"
        )]
        fn run<W: WithDotProduct>(dot: Avx512Vnni, work: W) -> W::Output {
            work.run::<Avx512Vnni, 12>(dot)
        }
        // SAFETY: there is a `V4` only where there are its instructions, and `new` has asked for
        // the last one.
        unsafe { run(self, work) }
    }
}

impl DotProduct for AvxVnni {
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
        self.0.avx._mm256_set1_epi32(group)
    }

    #[inline(always)]
    fn add_products(self, sums: __m256i, numbers: __m256i, weights: __m256i) -> __m256i {
        // SAFETY: there is an `AvxVnni` only where there is this instruction.
        unsafe { _mm256_dpbusd_avx_epi32(sums, numbers, weights) }
    }

    #[inline(always)]
    fn store(self, sums: __m256i, floats: &mut [f32]) {
        self.0.store(sums, floats);
    }
}

impl DotProduct for Avx512Vnni {
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
        self.0.avx512f._mm512_set1_epi32(group)
    }

    #[inline(always)]
    fn add_products(self, sums: __m512i, numbers: __m512i, weights: __m512i) -> __m512i {
        // SAFETY: there is an `Avx512Vnni` only where there is this instruction.
        unsafe { _mm512_dpbusd_epi32(sums, numbers, weights) }
    }

    #[inline(always)]
    fn store(self, sums: __m512i, floats: &mut [f32]) {
        self.0.store(sums, floats);
    }
}
