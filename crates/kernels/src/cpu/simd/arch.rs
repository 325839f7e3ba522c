//! Which vector instructions there are, and how tall a tile they want.
//!
//! # Strategy
//!
//! Every kernel is one generic function that `pulp` compiles for each instruction set (AVX-512, AVX2 with FMA, NEON,
//! plain floats), and the processor is asked once a call, not once an element: a program built for any x86-64 uses
//! the widest registers of the machine that it runs on. Tiles differ too, as the sets differ in their number of
//! registers ([`tile`](super::tile)).

use pulp::{Simd, WithSimd};

/// Registers of a panel's row.
pub(in crate::cpu) const REGISTERS: usize = 2;

/// The most floats of a panel's row: two registers of AVX-512.
pub(in crate::cpu) const WIDEST: usize = 32;

/// Work that is compiled once for every instruction set, with tiles of its size.
pub(in crate::cpu) trait Vectorized {
    /// What it gives.
    type Output;

    /// The work; inlined into a function that may use the wide instructions. A full tile has `ROWS`
    /// rows.
    fn run<S: Simd, const ROWS: usize>(self, simd: S) -> Self::Output;
}

/// Does `work` with the widest instructions of this processor.
pub(in crate::cpu) fn dispatch<W: Vectorized>(work: W) -> W::Output {
    arch().dispatch(Dispatched(work))
}

/// The widest instructions of this processor.
#[cfg(not(test))]
pub(in crate::cpu) fn arch() -> pulp::Arch {
    pulp::Arch::new()
}

#[cfg(test)]
pub(in crate::cpu) use every::arch;

/// Columns of a panel on this processor.
pub(in crate::cpu) fn panel_width() -> usize {
    struct Width;
    impl Vectorized for Width {
        type Output = usize;

        #[inline(always)]
        fn run<S: Simd, const ROWS: usize>(self, _: S) -> usize {
            REGISTERS * S::F32_LANES
        }
    }
    dispatch(Width)
}

struct Dispatched<W>(W);

impl<W: Vectorized> WithSimd for Dispatched<W> {
    type Output = W::Output;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> W::Output {
        // See the table in `tile`.
        if S::REGISTER_COUNT >= 32 {
            self.0.run::<S, 12>(simd)
        } else {
            self.0.run::<S, 6>(simd)
        }
    }
}

/// Tests on all instruction sets that this processor has, not on the widest alone.
#[cfg(test)]
pub(crate) mod every {
    use std::cell::Cell;
    use std::sync::LazyLock;

    use pulp::Arch;
    use rayon::{ThreadPool, ThreadPoolBuilder};

    thread_local! {
        static CHOSEN: Cell<Option<Arch>> = const { Cell::new(None) };
    }

    /// Threads for each set, which know no wider one.
    static POOLS: LazyLock<Vec<ThreadPool>> = LazyLock::new(|| {
        let mut all = vec![Arch::Scalar];
        #[cfg(target_arch = "x86_64")]
        {
            all.extend(pulp::x86::V3::try_new().map(Arch::V3));
            all.extend(pulp::x86::V4::try_new().map(Arch::V4));
        }
        #[cfg(not(target_arch = "x86_64"))]
        all.push(Arch::new());
        let pool = |arch| {
            ThreadPoolBuilder::new()
                .num_threads(2)
                // What a failed assertion is said to come from.
                .thread_name(move |_| format!("{arch:?}"))
                .start_handler(move |_| CHOSEN.set(Some(arch)))
                .build()
                .unwrap()
        };
        all.into_iter().map(pool).collect()
    });

    pub(in crate::cpu) fn arch() -> Arch {
        CHOSEN.get().unwrap_or_default()
    }

    /// Does a test once with each set, up to the first that fails.
    pub(crate) fn set_of_instructions<E: Send>(
        test: impl Fn() -> Result<(), E> + Sync,
    ) -> Result<(), E> {
        POOLS.iter().try_for_each(|pool| pool.install(&test))
    }
}
