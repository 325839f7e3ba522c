//! The instruction set of this processor, and the height `MR` of its micro-kernels.
//!
//! Every kernel is one generic function that `pulp` compiles for each instruction set (AVX-512, AVX2 with FMA, NEON,
//! scalar). Detection runs once a call, not once an element, so a program built for any x86-64 uses the widest registers of
//! its machine. `MR` depends on the number of registers: see [`micro_kernel`](crate::float::micro_kernel).

use pulp::{Simd, WithSimd};

/// SIMD registers of a panel's row: `NR` is this number times the SIMD lanes of a register.
pub(crate) const REGISTERS: usize = 2;

/// The largest `NR`: two registers of AVX-512.
pub(crate) const WIDEST: usize = 32;

/// Work that is compiled for every instruction set, with its `MR`.
pub(crate) trait Vectorized {
    /// The result.
    type Output;

    /// The work, inlined into a function that may use the wide instructions. `ROWS` is `MR`.
    fn run<S: Simd, const ROWS: usize>(self, simd: S) -> Self::Output;
}

/// Does `work` with the widest instructions of this processor.
pub(crate) fn dispatch<W: Vectorized>(work: W) -> W::Output {
    arch().dispatch(Dispatched(work))
}

/// The widest instructions of this processor.
#[cfg(not(any(test, feature = "testing")))]
pub(crate) fn arch() -> pulp::Arch {
    pulp::Arch::new()
}

#[cfg(any(test, feature = "testing"))]
pub(crate) use every::arch;

/// `NR` on this processor.
pub(crate) fn panel_width() -> usize {
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
        // See the table in `float/micro_kernel.rs`.
        if S::REGISTER_COUNT >= 32 {
            self.0.run::<S, 12>(simd)
        } else {
            self.0.run::<S, 6>(simd)
        }
    }
}

/// Runs tests with all instruction sets of this processor, not only with the widest.
#[cfg(any(test, feature = "testing"))]
#[allow(clippy::unwrap_used, reason = "only tests run it")]
pub mod every {
    use std::cell::Cell;
    use std::sync::{LazyLock, Mutex, PoisonError};

    use pulp::Arch;
    use rayon::{ThreadPool, ThreadPoolBuilder};

    thread_local! {
        static CHOSEN: Cell<Option<Arch>> = const { Cell::new(None) };
    }

    /// A thread pool for each set.
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
                // A failed assertion names its thread.
                .thread_name(move |_| format!("{arch:?}"))
                .start_handler(move |_| CHOSEN.set(Some(arch)))
                .build()
                .unwrap()
        };
        all.into_iter().map(pool).collect()
    });

    pub(crate) fn arch() -> Arch {
        CHOSEN.get().unwrap_or_default()
    }

    /// One test at a time has the pools. burn-autodiff holds a lock while it computes gradients; a worker that waits for
    /// its part of them could otherwise begin another test, which waits for that lock.
    static POOLS_IN_USE: Mutex<()> = Mutex::new(());

    /// Runs a test once with each set, up to the first failure.
    ///
    /// # Errors
    ///
    /// That of the first test that fails.
    pub fn set_of_instructions<E: Send>(test: impl Fn() -> Result<(), E> + Sync) -> Result<(), E> {
        let _in_use = POOLS_IN_USE.lock().unwrap_or_else(PoisonError::into_inner);
        POOLS.iter().try_for_each(|pool| pool.install(&test))
    }
}
