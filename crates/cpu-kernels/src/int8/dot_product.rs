//! The int8 micro-kernel, over instructions that multiply neighbours.
//!
//! # Strategy
//!
//! As the [micro-kernel](crate::float::micro_kernel) of floats. An instruction multiplies neighbours in a row with as
//! many weights, and adds all of these products to a sum of 32 bits. There are three kinds:
//!
//! - Four neighbours of 8 bits, unsigned times signed (`vpdpbusd` of AVX-512 VNNI and AVX-VNNI): four times the products of
//!   float32. A row's integers become unsigned by subtracting its zero point. The sums start with the correction, the zero
//!   point times the sum of the column's weights.
//! - The same in three instructions of AVX2 or AVX-512 (`int8_pairs`), for weights without two large neighbours, as
//!   [quantization](Int8Matrix::quantize) makes them.
//! - Two neighbours of 16 bits (`vpmaddwd` and an addition, AVX2 and AVX-512) for all other weights, which a file may have.
//!
//! All are *exact*: any numbers up to 255 times weights up to 128 fit. (`vpdpbusd` does not saturate.)

use pulp::{Scalar128b, Simd, f32x4};

#[cfg(doc)]
use super::matrix::Int8Matrix;
use super::rows::DotProductWidth;
use crate::prefetch::Prefetch;
use crate::simd::arch::REGISTERS;

/// Work that is compiled for every kind of instructions; `ROWS` is `MR`.
pub(crate) trait WithDotProduct {
    /// The result.
    type Output;

    /// The work, inlined into a function that may use the wide instructions.
    fn run<D: DotProduct, const ROWS: usize>(self, dot: D) -> Self::Output;
}

/// Instructions that multiply neighbours.
pub(crate) trait DotProduct: Copy {
    /// Those for floats, with one SIMD lane for each sum of a register.
    type Simd: Simd;
    /// Neighbours for every sum.
    type Numbers: Copy;
    /// Sums of 32 bits.
    type Sums: Copy;

    /// Sums of a register.
    const LANES: usize = Self::Simd::F32_LANES;

    /// The neighbours that are multiplied together.
    const WIDTH: DotProductWidth;

    fn simd(self) -> Self::Simd;

    fn zero(self) -> Self::Sums;

    /// The start of the sums: the zero point times the sums of the columns' weights. Pairs have no zero point.
    #[inline(always)]
    fn start(self, _zero_point: i32, _weight_sums: &[i32]) -> Self::Sums {
        self.zero()
    }

    /// A group of int8 weights for every SIMD lane.
    fn weights(self, bytes: &[i8]) -> Self::Numbers;

    /// The same group for every SIMD lane.
    fn splat(self, group: i32) -> Self::Numbers;

    /// `sums + numbers * weights`, all products of every group.
    fn add_products(
        self,
        sums: Self::Sums,
        numbers: Self::Numbers,
        weights: Self::Numbers,
    ) -> Self::Sums;

    /// The sums as floats, rounded.
    fn floats(self, sums: Self::Sums) -> <Self::Simd as Simd>::f32s;

    /// Adds the products of a group of weights with those of a micro-panel's rows.
    #[inline(always)]
    fn add_group<const ROWS: usize>(
        self,
        numbers: [i32; ROWS],
        weights: [Self::Numbers; REGISTERS],
        sums: &mut [[Self::Sums; REGISTERS]; ROWS],
    ) {
        for row in 0..ROWS {
            let number = self.splat(numbers[row]);
            for register in 0..REGISTERS {
                sums[row][register] =
                    self.add_products(sums[row][register], number, weights[register]);
            }
        }
    }
}

/// The micro-kernel: a micro-panel of `ROWS` rows, `[group][row]`, times a panel. Prefetches the next weights.
#[inline(always)]
pub(crate) fn multiply<D: DotProduct, const ROWS: usize>(
    dot: D,
    rows: &[i32],
    zero_points: &[i32],
    panel: &[i8],
    weight_sums: &[i32],
    mut ahead: Prefetch<'_>,
) -> [[D::Sums; REGISTERS]; ROWS] {
    let mut sums = [[dot.zero(); REGISTERS]; ROWS];
    for row in 0..ROWS {
        for register in 0..REGISTERS {
            let weight_sums = &weight_sums[register * D::LANES..][..D::LANES];
            sums[row][register] = dot.start(zero_points[row], weight_sums);
        }
    }
    let in_register = D::WIDTH.size() * D::LANES;
    let panel = panel.chunks_exact(REGISTERS * in_register);
    for (weights, numbers) in panel.zip(rows.as_chunks::<ROWS>().0) {
        ahead.step();
        let (first, second) = weights.split_at(in_register);
        dot.add_group(
            *numbers,
            [dot.weights(first), dot.weights(second)],
            &mut sums,
        );
    }
    sums
}

/// Portable Rust, left to the compiler.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Portable;

impl DotProduct for Portable {
    type Simd = Scalar128b;
    type Numbers = [[i16; 2]; 4];
    type Sums = [i32; 4];

    const WIDTH: DotProductWidth = DotProductWidth::Two;

    #[inline(always)]
    fn simd(self) -> Scalar128b {
        Scalar128b
    }

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
    fn floats(self, sums: [i32; 4]) -> f32x4 {
        pulp::cast(sums.map(|sum| sum as f32))
    }
}

/// Portable Rust with four bytes, so that other processors test the zero points.
#[cfg(test)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct PortableBytes;

#[cfg(test)]
impl DotProduct for PortableBytes {
    type Simd = Scalar128b;
    type Numbers = [[u8; 4]; 4];
    type Sums = [i32; 4];

    const WIDTH: DotProductWidth = DotProductWidth::Four;

    fn simd(self) -> Scalar128b {
        Scalar128b
    }

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

    fn floats(self, sums: [i32; 4]) -> f32x4 {
        Portable.floats(sums)
    }
}
