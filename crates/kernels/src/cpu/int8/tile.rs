//! The innermost product of whole numbers.
//!
//! # Strategy
//!
//! As the [tile](super::super::tile) of floats, with instructions that multiply neighbours in a row with as
//! many weights and add all of these products to a sum of 32 bits. There are three kinds:
//!
//! - Four neighbours of eight bits, unsigned times signed (`vpdpbusd`, in AVX-512 VNNI and AVX-VNNI):
//!   four times the products of float32. A row's numbers are made unsigned by taking its zero point
//!   off; the sums begin with what that costs, the zero point times the sum of the column's weights.
//! - The same in three instructions of AVX2 or AVX-512 (`byte_pairs`), for weights of which neighbours
//!   are not both large, as those that were [rounded here](Int8Matrix::quantize).
//! - Two neighbours of 16 bits (`vpmaddwd` and an addition, AVX2 and AVX-512) for all other weights,
//!   which a file may have.
//!
//! All are *exact*: numbers up to 255 times weights up to 128 fit, whatever they are.
//! (`vpdpbusds` cuts off what `vpdpbusd` never reaches.)

use super::super::prefetch::Ahead;
#[cfg(doc)]
use super::Int8Matrix;
use super::rows::Grouping;

/// Registers of a panel's row.
pub(super) const REGISTERS: usize = 2;

/// Instructions for the products of neighbours.
pub(super) trait DotProduct: Copy {
    /// Neighbours for every sum.
    type Numbers: Copy;
    /// Sums of 32 bits.
    type Sums: Copy;

    /// Sums of a register.
    const LANES: usize;

    /// Which neighbours are multiplied together.
    const GROUPING: Grouping;

    fn zero(self) -> Self::Sums;

    /// What the sums begin with: what was taken off a row's numbers, times the sums of the columns'
    /// weights. Nothing is taken off pairs.
    #[inline(always)]
    fn start(self, _zero_point: i32, _weight_sums: &[i32]) -> Self::Sums {
        self.zero()
    }

    /// A group of weights of eight bits for every lane.
    fn weights(self, bytes: &[i8]) -> Self::Numbers;

    /// The same group for every lane.
    fn splat(self, group: i32) -> Self::Numbers;

    /// `sums + numbers * weights`, all products of every group.
    fn add_products(
        self,
        sums: Self::Sums,
        numbers: Self::Numbers,
        weights: Self::Numbers,
    ) -> Self::Sums;

    /// As floats, rounded.
    fn store(self, sums: Self::Sums, floats: &mut [f32]);
}

/// The sums of `ROWS` rows, `[group][row]`, times a panel. On the way it asks for what is needed after
/// it.
#[inline(always)]
pub(super) fn multiply<D: DotProduct, const ROWS: usize>(
    dot: D,
    rows: &[i32],
    zero_points: &[i32],
    panel: &[i8],
    weight_sums: &[i32],
    mut ahead: Ahead<'_, i8>,
) -> [[D::Sums; REGISTERS]; ROWS] {
    let mut sums = [[dot.zero(); REGISTERS]; ROWS];
    for row in 0..ROWS {
        for register in 0..REGISTERS {
            let weight_sums = &weight_sums[register * D::LANES..][..D::LANES];
            sums[row][register] = dot.start(zero_points[row], weight_sums);
        }
    }
    let in_register = D::GROUPING.size() * D::LANES;
    let panel = panel.chunks_exact(REGISTERS * in_register);
    for (weights, numbers) in panel.zip(rows.as_chunks::<ROWS>().0) {
        ahead.step(REGISTERS * in_register);
        let weights = [
            dot.weights(&weights[..in_register]),
            dot.weights(&weights[in_register..]),
        ];
        for row in 0..ROWS {
            let number = dot.splat(numbers[row]);
            for register in 0..REGISTERS {
                sums[row][register] =
                    dot.add_products(sums[row][register], number, weights[register]);
            }
        }
    }
    sums
}

/// Left to the compiler.
#[derive(Clone, Copy, Debug)]
pub(super) struct Portable;

impl DotProduct for Portable {
    type Numbers = [[i16; 2]; 4];
    type Sums = [i32; 4];

    const LANES: usize = 4;

    const GROUPING: Grouping = Grouping::Pairs;

    #[inline(always)]
    fn zero(self) -> [i32; 4] {
        [0; 4]
    }

    #[inline(always)]
    fn weights(self, bytes: &[i8]) -> Self::Numbers {
        std::array::from_fn(|lane| [2 * lane, 2 * lane + 1].map(|place| i16::from(bytes[place])))
    }

    #[inline(always)]
    fn splat(self, group: i32) -> Self::Numbers {
        [bytemuck::cast(group); 4]
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

/// As the instructions for bytes: what other processors test the zero points with.
#[cfg(test)]
#[derive(Clone, Copy, Debug)]
pub(super) struct PortableBytes;

#[cfg(test)]
impl DotProduct for PortableBytes {
    type Numbers = [[u8; 4]; 4];
    type Sums = [i32; 4];

    const LANES: usize = 4;

    const GROUPING: Grouping = Grouping::Fours;

    fn zero(self) -> [i32; 4] {
        [0; 4]
    }

    fn start(self, zero_point: i32, weight_sums: &[i32]) -> [i32; 4] {
        std::array::from_fn(|lane| zero_point.wrapping_mul(weight_sums[lane]))
    }

    fn weights(self, bytes: &[i8]) -> Self::Numbers {
        bytemuck::cast(bytes.as_chunks::<16>().0[0])
    }

    fn splat(self, group: i32) -> Self::Numbers {
        [bytemuck::cast(group); 4]
    }

    fn add_products(self, sums: [i32; 4], a: Self::Numbers, b: Self::Numbers) -> [i32; 4] {
        let product =
            |lane: usize, part: usize| i32::from(a[lane][part]) * i32::from(b[lane][part] as i8);
        std::array::from_fn(|lane| {
            (0..4).fold(sums[lane], |sum, part| {
                sum.wrapping_add(product(lane, part))
            })
        })
    }

    fn store(self, sums: [i32; 4], floats: &mut [f32]) {
        Portable.store(sums, floats);
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{__m256i, __m512i};

    use pulp::x86::{V3, V4};

    use super::DotProduct;
    use crate::cpu::int8::rows::Grouping;

    impl DotProduct for V3 {
        type Numbers = __m256i;
        type Sums = __m256i;

        const LANES: usize = 8;

        const GROUPING: Grouping = Grouping::Pairs;

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
        fn splat(self, group: i32) -> __m256i {
            self.avx._mm256_set1_epi32(group)
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

    impl DotProduct for V4 {
        type Numbers = __m512i;
        type Sums = __m512i;

        const LANES: usize = 16;

        const GROUPING: Grouping = Grouping::Pairs;

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
        fn splat(self, group: i32) -> __m512i {
            self.avx512f._mm512_set1_epi32(group)
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
