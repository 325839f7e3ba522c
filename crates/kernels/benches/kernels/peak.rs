//! What this machine can do at best: float32 multiply-adds of the vector units, and bytes read from
//! memory. Times are compared with it.
//!
//! The benches here and `infer`'s example `scaling` include this file by its path: it measures a
//! machine and computes nothing that a library is asked for, so it has no place in one's interface.
//!
//! A tile unit (AMX) multiplies more than this peak says, and whole numbers of eight bits go through
//! the vector units two or four at a time: shares above one are possible there.

use std::hint::black_box;
use std::sync::Barrier;
use std::time::Instant;

use pulp::{Arch, Simd, WithSimd};

/// Sums that do not wait for each other: two units with a latency of five, and a few to spare, while
/// sixteen registers hold them and both factors.
const CHAINS: usize = 12;

/// Multiply-adds of each chain in a round: some milliseconds.
const STEPS: usize = 1 << 21;

/// Read in a round, by all threads together: more than the last-level cache of common servers.
const STREAMED_BYTES: usize = 384 << 20;

/// The best of so many rounds counts, as others may use the machine too.
const ROUNDS: usize = 24;
const STREAMING_ROUNDS: usize = 6;

/// Operations of float32 a second (a multiply-add is two) on that many threads.
pub(crate) fn operations_per_second(threads: usize) -> f64 {
    best_rate(threads, ROUNDS, || (), |()| multiply_adds())
}

/// One round on this thread, all operands in registers; tells the operations.
pub(crate) fn multiply_adds() -> f64 {
    struct Chains;
    impl WithSimd for Chains {
        type Output = f64;

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> f64 {
            // Towards 1: nothing overflows or vanishes.
            let factor = simd.splat_f32s(black_box(0.5));
            let mut sums = [simd.splat_f32s(black_box(0.5)); CHAINS];
            for _ in 0..STEPS {
                for sum in &mut sums {
                    *sum = simd.mul_add_f32s(*sum, factor, factor);
                }
            }
            for sum in sums {
                black_box(simd.reduce_sum_f32s(sum));
            }
            (2 * CHAINS * STEPS * S::F32_LANES) as f64
        }
    }
    Arch::new().dispatch(Chains)
}

/// Bytes read from memory a second on that many threads, each of which goes through a part of its
/// own. The pages are those that the system gives unasked.
pub(crate) fn streamed_bytes_per_second(threads: usize) -> f64 {
    struct Stream<'a>(&'a [f32]);
    impl WithSimd for Stream<'_> {
        type Output = f64;

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> f64 {
            let (registers, _) = S::as_simd_f32s(self.0);
            let mut sums = [simd.splat_f32s(0.0); 8];
            for chunk in registers.chunks_exact(8) {
                for (sum, value) in sums.iter_mut().zip(chunk) {
                    *sum = simd.add_f32s(*sum, *value);
                }
            }
            for sum in sums {
                black_box(simd.reduce_sum_f32s(sum));
            }
            size_of_val(self.0) as f64
        }
    }
    best_rate(
        threads,
        STREAMING_ROUNDS,
        // Not of zeros: those would be one page, mapped many times, until it is written to.
        || vec![1.0; STREAMED_BYTES / size_of::<f32>() / threads.max(1)],
        |values: &Vec<f32>| Arch::new().dispatch(Stream(values)),
    )
}

/// The most that all threads together came to in a second; each prepares what it works on.
fn best_rate<T>(
    threads: usize,
    rounds: usize,
    prepare: impl Fn() -> T + Sync,
    work: impl Fn(&T) -> f64 + Sync,
) -> f64 {
    let barrier = Barrier::new(threads.max(1));
    let compute = || {
        let prepared = prepare();
        let mut best: f64 = 0.0;
        for _ in 0..rounds {
            barrier.wait();
            let start = Instant::now();
            let done = work(&prepared);
            barrier.wait();
            best = best.max(done * threads.max(1) as f64 / start.elapsed().as_secs_f64());
        }
        best
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(compute);
        }
        compute()
    })
}
