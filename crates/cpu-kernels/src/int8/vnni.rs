//! VNNI: one instruction multiplies four neighbours of 8 bits (`vpdpbusd`).
//!
//! AVX-512 VNNI (Cascade Lake, Zen 4 and later) has it on 512 bits, AVX-VNNI (Alder Lake and later) on 256.

#![allow(
    unsafe_code,
    reason = "pulp has no name for these instructions: a type for each stands for having it"
)]

use std::arch::x86_64::{__m256i, __m512i, _mm256_dpbusd_avx_epi32, _mm512_dpbusd_epi32};

use pulp::x86::{V3, V4};

use super::dot_product::WithDotProduct;
use super::x86::{ByteDotProduct, ByteProducts};

/// Proof that the processor has the instruction on 256 bits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AvxVnni(());

/// Proof that the processor has the instruction on 512 bits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx512Vnni(());

impl AvxVnni {
    /// If this processor has it.
    pub(crate) fn detect() -> Option<Self> {
        is_x86_feature_detected!("avxvnni").then_some(Self(()))
    }
}

impl Avx512Vnni {
    /// If this processor has it.
    pub(crate) fn detect() -> Option<Self> {
        is_x86_feature_detected!("avx512vnni").then_some(Self(()))
    }
}

impl ByteProducts<V3, __m256i> for AvxVnni {
    #[inline(always)]
    fn add(self, _: V3, sums: __m256i, numbers: __m256i, weights: __m256i) -> __m256i {
        // SAFETY: there is an `AvxVnni` only where there is this instruction.
        unsafe { _mm256_dpbusd_avx_epi32(sums, numbers, weights) }
    }
}

impl ByteProducts<V4, __m512i> for Avx512Vnni {
    #[inline(always)]
    fn add(self, _: V4, sums: __m512i, numbers: __m512i, weights: __m512i) -> __m512i {
        // SAFETY: there is an `Avx512Vnni` only where there is this instruction.
        unsafe { _mm512_dpbusd_epi32(sums, numbers, weights) }
    }
}

impl ByteDotProduct<V3, AvxVnni> {
    /// Does `work` with these instructions.
    pub(crate) fn vectorize<W: WithDotProduct>(self, work: W) -> W::Output {
        #[target_feature(enable = "avx2,fma,bmi1,bmi2,lzcnt,popcnt,avxvnni")]
        fn run<W: WithDotProduct>(dot_product: ByteDotProduct<V3, AvxVnni>, work: W) -> W::Output {
            work.run::<ByteDotProduct<V3, AvxVnni>, 6>(dot_product)
        }
        // SAFETY: there is a `V3` only where there are its instructions, and an `AvxVnni` only where
        // there is the last one.
        unsafe { run(self, work) }
    }
}

impl ByteDotProduct<V4, Avx512Vnni> {
    /// Does `work` with these instructions.
    pub(crate) fn vectorize<W: WithDotProduct>(self, work: W) -> W::Output {
        #[target_feature(
            enable = "avx2,fma,bmi1,bmi2,lzcnt,popcnt,avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512vnni"
        )]
        fn run<W: WithDotProduct>(
            dot_product: ByteDotProduct<V4, Avx512Vnni>,
            work: W,
        ) -> W::Output {
            work.run::<ByteDotProduct<V4, Avx512Vnni>, 12>(dot_product)
        }
        // SAFETY: there is a `V4` only where there are its instructions, and an `Avx512Vnni` only
        // where there is the last one.
        unsafe { run(self, work) }
    }
}
