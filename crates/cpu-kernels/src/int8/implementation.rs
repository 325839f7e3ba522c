//! The choice of instructions for int8, and the `MR` of each.

#[cfg(target_arch = "x86_64")]
use pulp::x86::{V3, V4};

#[cfg(test)]
use super::dot_product::PortableBytes;
use super::dot_product::{DotProduct, Portable, WithDotProduct};
#[cfg(target_arch = "x86_64")]
use super::int8_pairs::NonSaturating;
use super::rows::DotProductWidth;
#[cfg(target_arch = "x86_64")]
use super::vnni::{Avx512Vnni, AvxVnni};
#[cfg(target_arch = "x86_64")]
use super::x86::ByteDotProduct;
use crate::simd::arch::REGISTERS;

/// An implementation that this processor has the instructions for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Implementation {
    /// For every processor.
    Portable,
    #[cfg(test)]
    PortableBytes,
    /// Pairs of 16 bits, for any weights.
    #[cfg(target_arch = "x86_64")]
    Avx2(V3),
    #[cfg(target_arch = "x86_64")]
    Avx2Bytes(ByteDotProduct<V3, NonSaturating>),
    #[cfg(target_arch = "x86_64")]
    AvxVnni(ByteDotProduct<V3, AvxVnni>),
    /// Pairs of 16 bits, for any weights.
    #[cfg(target_arch = "x86_64")]
    Avx512(V4),
    #[cfg(target_arch = "x86_64")]
    Avx512Bytes(ByteDotProduct<V4, NonSaturating>),
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni(ByteDotProduct<V4, Avx512Vnni>),
}

impl Implementation {
    /// The fastest for outputs with these weights.
    pub(crate) fn best(rows: &[&[i8]]) -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            let avx512 = || {
                let simd = V4::try_new()?;
                let vnni = || {
                    Some(Self::Avx512Vnni(ByteDotProduct::new(
                        simd,
                        Avx512Vnni::detect()?,
                    )))
                };
                let bytes = || {
                    Some(Self::Avx512Bytes(ByteDotProduct::new(
                        simd,
                        NonSaturating::of(rows)?,
                    )))
                };
                vnni().or_else(bytes).or(Some(Self::Avx512(simd)))
            };
            let avx2 = || {
                let simd = V3::try_new()?;
                let vnni = || Some(Self::AvxVnni(ByteDotProduct::new(simd, AvxVnni::detect()?)));
                let bytes = || {
                    Some(Self::Avx2Bytes(ByteDotProduct::new(
                        simd,
                        NonSaturating::of(rows)?,
                    )))
                };
                vnni().or_else(bytes).or(Some(Self::Avx2(simd)))
            };
            avx512().or_else(avx2).unwrap_or(Self::Portable)
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            let _ = rows;
            Self::Portable
        }
    }

    /// All that this processor has for outputs with these weights.
    #[cfg(all(test, not(target_arch = "x86_64")))]
    pub(crate) fn all(_: &[&[i8]]) -> Vec<Self> {
        vec![Self::Portable, Self::PortableBytes]
    }

    /// All that this processor has for outputs with these weights.
    #[cfg(all(test, target_arch = "x86_64"))]
    pub(crate) fn all(rows: &[&[i8]]) -> Vec<Self> {
        let mut all = vec![Self::Portable, Self::PortableBytes];
        let pairs = NonSaturating::of(rows);
        if let Some(simd) = V3::try_new() {
            all.push(Self::Avx2(simd));
            all.extend(pairs.map(|pairs| Self::Avx2Bytes(ByteDotProduct::new(simd, pairs))));
            all.extend(
                AvxVnni::detect().map(|vnni| Self::AvxVnni(ByteDotProduct::new(simd, vnni))),
            );
        }
        if let Some(simd) = V4::try_new() {
            all.push(Self::Avx512(simd));
            all.extend(pairs.map(|pairs| Self::Avx512Bytes(ByteDotProduct::new(simd, pairs))));
            let vnni = Avx512Vnni::detect();
            all.extend(vnni.map(|vnni| Self::Avx512Vnni(ByteDotProduct::new(simd, vnni))));
        }
        all
    }

    /// Does `work` with these instructions.
    pub(crate) fn dispatch<W: WithDotProduct>(self, work: W) -> W::Output {
        match self {
            Self::Portable => work.run::<Portable, 4>(Portable),
            #[cfg(test)]
            Self::PortableBytes => work.run::<PortableBytes, 4>(PortableBytes),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(simd) => simd.vectorize(vectorized::Work(simd, work)),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2Bytes(dot_product) => dot_product
                .simd
                .vectorize(vectorized::Work(dot_product, work)),
            #[cfg(target_arch = "x86_64")]
            Self::AvxVnni(dot_product) => dot_product.vectorize(work),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(simd) => simd.vectorize(vectorized::Work(simd, work)),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Bytes(dot_product) => dot_product
                .simd
                .vectorize(vectorized::Work(dot_product, work)),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni(dot_product) => dot_product.vectorize(work),
        }
    }

    /// `NR`, the columns of a panel, and the dot-product width of its weights.
    pub(crate) fn layout(self) -> (usize, DotProductWidth) {
        struct Layout;
        impl WithDotProduct for Layout {
            type Output = (usize, DotProductWidth);

            #[inline(always)]
            fn run<D: DotProduct, const ROWS: usize>(self, _: D) -> (usize, DotProductWidth) {
                (REGISTERS * D::LANES, D::WIDTH)
            }
        }
        self.dispatch(Layout)
    }
}

#[cfg(target_arch = "x86_64")]
mod vectorized {
    use pulp::NullaryFnOnce;
    use pulp::x86::{V3, V4};

    use crate::int8::dot_product::WithDotProduct;
    use crate::int8::int8_pairs::NonSaturating;
    use crate::int8::x86::ByteDotProduct;

    pub(crate) struct Work<D, W>(pub(super) D, pub(super) W);

    impl<W: WithDotProduct> NullaryFnOnce for Work<V3, W> {
        type Output = W::Output;

        #[inline(always)]
        fn call(self) -> W::Output {
            self.1.run::<V3, 6>(self.0)
        }
    }

    impl<W: WithDotProduct> NullaryFnOnce for Work<V4, W> {
        type Output = W::Output;

        #[inline(always)]
        fn call(self) -> W::Output {
            self.1.run::<V4, 12>(self.0)
        }
    }

    impl<W: WithDotProduct> NullaryFnOnce for Work<ByteDotProduct<V3, NonSaturating>, W> {
        type Output = W::Output;

        #[inline(always)]
        fn call(self) -> W::Output {
            // With six rows the constants and intermediate results do not fit 16 registers: 4 % slower.
            self.1.run::<ByteDotProduct<V3, NonSaturating>, 4>(self.0)
        }
    }

    impl<W: WithDotProduct> NullaryFnOnce for Work<ByteDotProduct<V4, NonSaturating>, W> {
        type Output = W::Output;

        #[inline(always)]
        fn call(self) -> W::Output {
            self.1.run::<ByteDotProduct<V4, NonSaturating>, 12>(self.0)
        }
    }
}
