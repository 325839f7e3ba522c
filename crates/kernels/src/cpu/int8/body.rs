//! Which instructions multiply, and how tall a tile they want.

#[cfg(target_arch = "x86_64")]
use pulp::x86::{V3, V4};

#[cfg(target_arch = "x86_64")]
use super::bytes::{self, Bytes};
use super::rows::Grouping;
#[cfg(test)]
use super::tile::PortableBytes;
use super::tile::{DotProduct, Portable, REGISTERS};
#[cfg(target_arch = "x86_64")]
use super::vnni::{Avx512Vnni, AvxVnni};

/// Work that is compiled once for every kind of instructions; a full tile has `ROWS` rows.
pub(super) trait WithDotProduct {
    /// What it gives.
    type Output;

    /// The work; inlined into a function that may use the wide instructions.
    fn run<D: DotProduct, const ROWS: usize>(self, dot: D) -> Self::Output;
}

/// Instructions that this processor has.
#[derive(Clone, Copy, Debug)]
pub(super) enum Body {
    /// Every processor's.
    Portable,
    #[cfg(test)]
    PortableBytes,
    #[cfg(target_arch = "x86_64")]
    Avx2(V3),
    #[cfg(target_arch = "x86_64")]
    Avx2Bytes(Bytes<V3>),
    #[cfg(target_arch = "x86_64")]
    AvxVnni(AvxVnni),
    #[cfg(target_arch = "x86_64")]
    Avx512(V4),
    #[cfg(target_arch = "x86_64")]
    Avx512Bytes(Bytes<V4>),
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni(Avx512Vnni),
}

impl Body {
    /// The fastest for outputs with these weights.
    pub(super) fn best(rows: &[&[i8]]) -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            let avx512 = || {
                let simd = V4::try_new()?;
                Some(match Avx512Vnni::new(simd) {
                    Some(vnni) => Self::Avx512Vnni(vnni),
                    None if bytes::fit(rows) => Self::Avx512Bytes(Bytes(simd)),
                    None => Self::Avx512(simd),
                })
            };
            let avx2 = || {
                let simd = V3::try_new()?;
                Some(match AvxVnni::new(simd) {
                    Some(vnni) => Self::AvxVnni(vnni),
                    None if bytes::fit(rows) => Self::Avx2Bytes(Bytes(simd)),
                    None => Self::Avx2(simd),
                })
            };
            avx512().or_else(avx2).unwrap_or(Self::Portable)
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            Self::Portable
        }
    }

    /// All that this processor has for outputs with these weights.
    #[cfg(test)]
    pub(super) fn all(rows: &[&[i8]]) -> Vec<Self> {
        let mut all = vec![Self::Portable, Self::PortableBytes];
        #[cfg(target_arch = "x86_64")]
        {
            let (avx2, avx512) = (V3::try_new(), V4::try_new());
            all.extend(avx2.map(Self::Avx2));
            all.extend(avx2.and_then(AvxVnni::new).map(Self::AvxVnni));
            all.extend(avx512.map(Self::Avx512));
            all.extend(avx512.and_then(Avx512Vnni::new).map(Self::Avx512Vnni));
            if bytes::fit(rows) {
                all.extend(avx2.map(Bytes).map(Self::Avx2Bytes));
                all.extend(avx512.map(Bytes).map(Self::Avx512Bytes));
            }
        }
        all
    }

    /// Does `work` with these instructions.
    pub(super) fn dispatch<W: WithDotProduct>(self, work: W) -> W::Output {
        match self {
            Self::Portable => work.run::<Portable, 4>(Portable),
            #[cfg(test)]
            Self::PortableBytes => work.run::<PortableBytes, 4>(PortableBytes),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(simd) => simd.vectorize(x86::Work(simd, work)),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2Bytes(bytes) => bytes.0.vectorize(x86::Work(bytes, work)),
            #[cfg(target_arch = "x86_64")]
            Self::AvxVnni(simd) => simd.vectorize(work),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(simd) => simd.vectorize(x86::Work(simd, work)),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Bytes(bytes) => bytes.0.vectorize(x86::Work(bytes, work)),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni(simd) => simd.vectorize(work),
        }
    }

    /// Columns of a panel, and how its weights are grouped.
    pub(super) fn layout(self) -> (usize, Grouping) {
        struct Layout;
        impl WithDotProduct for Layout {
            type Output = (usize, Grouping);

            #[inline(always)]
            fn run<D: DotProduct, const ROWS: usize>(self, _: D) -> (usize, Grouping) {
                (REGISTERS * D::LANES, D::GROUPING)
            }
        }
        self.dispatch(Layout)
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use pulp::NullaryFnOnce;
    use pulp::x86::{V3, V4};

    use super::WithDotProduct;
    use crate::cpu::int8::bytes::Bytes;

    pub(super) struct Work<D, W>(pub(super) D, pub(super) W);

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

    impl<W: WithDotProduct> NullaryFnOnce for Work<Bytes<V3>, W> {
        type Output = W::Output;

        #[inline(always)]
        fn call(self) -> W::Output {
            self.1.run::<Bytes<V3>, 4>(self.0)
        }
    }

    impl<W: WithDotProduct> NullaryFnOnce for Work<Bytes<V4>, W> {
        type Output = W::Output;

        #[inline(always)]
        fn call(self) -> W::Output {
            self.1.run::<Bytes<V4>, 12>(self.0)
        }
    }
}
