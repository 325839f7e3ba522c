//! The dot products of x86-64 in both register widths, 256 bits (AVX2) and 512 (AVX-512).

use std::arch::x86_64::{__m256i, __m512i};

use pulp::x86::{V3, V4};
use pulp::{f32x8, f32x16};

use super::dot_product::DotProduct;
use super::rows::DotProductWidth;

/// Dot products of four bytes by the instructions `P`, in registers of `S`.
#[derive(Clone, Copy, Debug)]
pub(super) struct ByteDotProduct<S, P> {
    pub(super) simd: S,
    products: P,
}

impl<S, P> ByteDotProduct<S, P> {
    pub(super) fn new(simd: S, products: P) -> Self {
        Self { simd, products }
    }
}

/// Instructions that multiply bytes in registers `R`.
pub(super) trait ByteProducts<S, R>: Copy {
    /// `sums + numbers * weights`, the four products of every SIMD lane.
    fn add(self, simd: S, sums: R, numbers: R, weights: R) -> R;
}

/// Both dot-product widths in one register width. The names are the instructions for a zero, for a number in every SIMD lane, for
/// 32-bit products and sums, for pairs of 16-bit products, for bytes as 16 bits, and for floats.
macro_rules! dot_products {
    (
        $simd:ty, $register:ty, $floats:ty, lanes: $lanes:literal,
        $zero:ident.$zero_of:ident, $splat:ident.$splat_of:ident, $multiply:ident.$multiply_of:ident,
        $add:ident.$add_of:ident, $pairs:ident.$pairs_of:ident, $widen:ident.$widen_of:ident,
        $convert:ident.$convert_of:ident
    ) => {
        /// Pairs of 16 bits, for any weights.
        impl DotProduct for $simd {
            type Simd = $simd;
            type Numbers = $register;
            type Sums = $register;

            const WIDTH: DotProductWidth = DotProductWidth::Two;

            #[inline(always)]
            fn simd(self) -> $simd {
                self
            }

            #[inline(always)]
            fn zero(self) -> $register {
                self.$zero.$zero_of()
            }

            #[inline(always)]
            fn weights(self, bytes: &[i8]) -> $register {
                let bytes = bytes.as_chunks::<{ 2 * $lanes }>().0[0];
                self.$widen.$widen_of(pulp::cast(bytes))
            }

            #[inline(always)]
            fn splat(self, group: i32) -> $register {
                self.$splat.$splat_of(group)
            }

            #[inline(always)]
            fn add_products(
                self,
                sums: $register,
                numbers: $register,
                weights: $register,
            ) -> $register {
                let products = self.$pairs.$pairs_of(numbers, weights);
                self.$add.$add_of(sums, products)
            }

            #[inline(always)]
            fn floats(self, sums: $register) -> $floats {
                pulp::cast(self.$convert.$convert_of(sums))
            }
        }

        /// Four bytes, unsigned times signed.
        impl<P: ByteProducts<$simd, $register>> DotProduct for ByteDotProduct<$simd, P> {
            type Simd = $simd;
            type Numbers = $register;
            type Sums = $register;

            const WIDTH: DotProductWidth = DotProductWidth::Four;

            #[inline(always)]
            fn simd(self) -> $simd {
                self.simd
            }

            #[inline(always)]
            fn zero(self) -> $register {
                self.simd.zero()
            }

            #[inline(always)]
            fn start(self, zero_point: i32, weight_sums: &[i32]) -> $register {
                let weight_sums: $register = pulp::cast(weight_sums.as_chunks::<$lanes>().0[0]);
                let zero_points = self.splat(zero_point);
                self.simd.$multiply.$multiply_of(zero_points, weight_sums)
            }

            #[inline(always)]
            fn weights(self, bytes: &[i8]) -> $register {
                pulp::cast(bytes.as_chunks::<{ 4 * $lanes }>().0[0])
            }

            #[inline(always)]
            fn splat(self, group: i32) -> $register {
                self.simd.splat(group)
            }

            #[inline(always)]
            fn add_products(
                self,
                sums: $register,
                numbers: $register,
                weights: $register,
            ) -> $register {
                self.products.add(self.simd, sums, numbers, weights)
            }

            #[inline(always)]
            fn floats(self, sums: $register) -> $floats {
                self.simd.floats(sums)
            }
        }
    };
}

dot_products!(
    V3, __m256i, f32x8, lanes: 8,
    avx._mm256_setzero_si256, avx._mm256_set1_epi32, avx2._mm256_mullo_epi32,
    avx2._mm256_add_epi32, avx2._mm256_madd_epi16, avx2._mm256_cvtepi8_epi16,
    avx._mm256_cvtepi32_ps
);

dot_products!(
    V4, __m512i, f32x16, lanes: 16,
    avx512f._mm512_setzero_si512, avx512f._mm512_set1_epi32, avx512f._mm512_mullo_epi32,
    avx512f._mm512_add_epi32, avx512bw._mm512_madd_epi16, avx512bw._mm512_cvtepi8_epi16,
    avx512f._mm512_cvtepi32_ps
);
