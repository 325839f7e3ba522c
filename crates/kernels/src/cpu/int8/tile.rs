//! The innermost product of whole numbers.
//!
//! # Strategy
//!
//! As the [tile](super::super::tile) of floats, with one instruction that multiplies two neighbours in
//! a row with two weights and adds both products to a sum of 32 bits (`vpmaddwd` and an addition, on
//! numbers of 16 bits). Per instruction that is twice the products of float32, and it is *exact*:
//! numbers up to 255 times weights up to 127 fit, whatever they are. The instruction that takes bytes
//! (`vpmaddubsw`) adds its two products in 16 bits, where two of 255 * 127 do not fit; weights of
//! seven bits would, at no gain: it needs a second instruction to come to 32 bits.

use pulp::Arch;

/// Registers of a panel's row.
pub(super) const REGISTERS: usize = 2;

/// Instructions for pairs of 16-bit numbers.
pub(super) trait Pairs: Copy {
    /// 16-bit numbers, two for every sum.
    type Numbers: Copy;
    /// Sums of 32 bits.
    type Sums: Copy;

    /// Sums of a register.
    const LANES: usize;

    fn zero(self) -> Self::Sums;

    /// Two weights of eight bits for every lane, `2 * LANES` bytes.
    fn weights(self, bytes: &[i8]) -> Self::Numbers;

    /// The same pair for every lane.
    fn splat(self, pair: i32) -> Self::Numbers;

    /// `sums + a * b`, both products of every pair.
    fn add_products(self, sums: Self::Sums, a: Self::Numbers, b: Self::Numbers) -> Self::Sums;

    /// As floats, rounded.
    fn store(self, sums: Self::Sums, floats: &mut [f32]);
}

/// Work over the widest instructions for pairs; a full tile has `ROWS` rows.
pub(super) trait WithPairs {
    /// What it gives.
    type Output;

    /// The work; inlined into a function that may use the wide instructions.
    fn run<P: Pairs, const ROWS: usize>(self, pairs: P) -> Self::Output;
}

/// Does `work` with the widest instructions of this processor.
pub(super) fn dispatch<W: WithPairs>(work: W) -> W::Output {
    match Arch::new() {
        #[cfg(target_arch = "x86_64")]
        Arch::V3(simd) => simd.vectorize(x86::Work(simd, work)),
        #[cfg(target_arch = "x86_64")]
        Arch::V4(simd) => simd.vectorize(x86::Work(simd, work)),
        other => other.dispatch(Plain(work)),
    }
}

/// Columns of a panel on this processor.
pub(super) fn panel_width() -> usize {
    REGISTERS
        * match Arch::new() {
            #[cfg(target_arch = "x86_64")]
            Arch::V3(_) => <pulp::x86::V3 as Pairs>::LANES,
            #[cfg(target_arch = "x86_64")]
            Arch::V4(_) => <pulp::x86::V4 as Pairs>::LANES,
            _ => Portable::LANES,
        }
}

/// The sums of `ROWS` rows, `[pair][row]`, times a panel.
#[inline(always)]
pub(super) fn multiply<P: Pairs, const ROWS: usize>(
    pairs: P,
    rows: &[i32],
    panel: &[i8],
) -> [[P::Sums; REGISTERS]; ROWS] {
    let mut sums = [[pairs.zero(); REGISTERS]; ROWS];
    let panel = panel.chunks_exact(2 * REGISTERS * P::LANES);
    for (weights, numbers) in panel.zip(rows.as_chunks::<ROWS>().0) {
        let weights = [
            pairs.weights(&weights[..2 * P::LANES]),
            pairs.weights(&weights[2 * P::LANES..]),
        ];
        for row in 0..ROWS {
            let number = pairs.splat(numbers[row]);
            for register in 0..REGISTERS {
                sums[row][register] =
                    pairs.add_products(sums[row][register], number, weights[register]);
            }
        }
    }
    sums
}

struct Plain<W>(W);

impl<W: WithPairs> pulp::WithSimd for Plain<W> {
    type Output = W::Output;

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) -> W::Output {
        self.0.run::<Portable, 4>(Portable)
    }
}

/// Left to the compiler.
#[derive(Clone, Copy)]
pub(super) struct Portable;

impl Pairs for Portable {
    type Numbers = [[i16; 2]; 4];
    type Sums = [i32; 4];

    const LANES: usize = 4;

    #[inline(always)]
    fn zero(self) -> [i32; 4] {
        [0; 4]
    }

    #[inline(always)]
    fn weights(self, bytes: &[i8]) -> Self::Numbers {
        std::array::from_fn(|lane| [2 * lane, 2 * lane + 1].map(|place| i16::from(bytes[place])))
    }

    #[inline(always)]
    fn splat(self, pair: i32) -> Self::Numbers {
        [bytemuck::cast(pair); 4]
    }

    #[inline(always)]
    fn add_products(self, sums: [i32; 4], a: Self::Numbers, b: Self::Numbers) -> [i32; 4] {
        let product =
            |lane: usize, part: usize| i32::from(a[lane][part]) * i32::from(b[lane][part]);
        std::array::from_fn(|lane| {
            sums[lane]
                .wrapping_add(product(lane, 0))
                .wrapping_add(product(lane, 1))
        })
    }

    #[inline(always)]
    fn store(self, sums: [i32; 4], floats: &mut [f32]) {
        for (float, sum) in floats.iter_mut().zip(sums) {
            *float = sum as f32;
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{__m256i, __m512i};

    use pulp::NullaryFnOnce;
    use pulp::x86::{V3, V4};

    use super::{Pairs, WithPairs};

    pub(super) struct Work<P, W>(pub(super) P, pub(super) W);

    impl<W: WithPairs> NullaryFnOnce for Work<V3, W> {
        type Output = W::Output;

        #[inline(always)]
        fn call(self) -> W::Output {
            self.1.run::<V3, 6>(self.0)
        }
    }

    impl<W: WithPairs> NullaryFnOnce for Work<V4, W> {
        type Output = W::Output;

        #[inline(always)]
        fn call(self) -> W::Output {
            self.1.run::<V4, 12>(self.0)
        }
    }

    impl Pairs for V3 {
        type Numbers = __m256i;
        type Sums = __m256i;

        const LANES: usize = 8;

        #[inline(always)]
        fn zero(self) -> __m256i {
            self.avx._mm256_setzero_si256()
        }

        #[inline(always)]
        fn weights(self, bytes: &[i8]) -> __m256i {
            self.avx2
                ._mm256_cvtepi8_epi16(pulp::cast(bytes.as_chunks::<16>().0[0]))
        }

        #[inline(always)]
        fn splat(self, pair: i32) -> __m256i {
            self.avx._mm256_set1_epi32(pair)
        }

        #[inline(always)]
        fn add_products(self, sums: __m256i, a: __m256i, b: __m256i) -> __m256i {
            self.avx2
                ._mm256_add_epi32(sums, self.avx2._mm256_madd_epi16(a, b))
        }

        #[inline(always)]
        fn store(self, sums: __m256i, floats: &mut [f32]) {
            let converted: [f32; 8] = pulp::cast(self.avx._mm256_cvtepi32_ps(sums));
            floats[..8].copy_from_slice(&converted);
        }
    }

    impl Pairs for V4 {
        type Numbers = __m512i;
        type Sums = __m512i;

        const LANES: usize = 16;

        #[inline(always)]
        fn zero(self) -> __m512i {
            self.avx512f._mm512_setzero_si512()
        }

        #[inline(always)]
        fn weights(self, bytes: &[i8]) -> __m512i {
            self.avx512bw
                ._mm512_cvtepi8_epi16(pulp::cast(bytes.as_chunks::<32>().0[0]))
        }

        #[inline(always)]
        fn splat(self, pair: i32) -> __m512i {
            self.avx512f._mm512_set1_epi32(pair)
        }

        #[inline(always)]
        fn add_products(self, sums: __m512i, a: __m512i, b: __m512i) -> __m512i {
            self.avx512f
                ._mm512_add_epi32(sums, self.avx512bw._mm512_madd_epi16(a, b))
        }

        #[inline(always)]
        fn store(self, sums: __m512i, floats: &mut [f32]) {
            let converted: [f32; 16] = pulp::cast(self.avx512f._mm512_cvtepi32_ps(sums));
            floats[..16].copy_from_slice(&converted);
        }
    }
}
