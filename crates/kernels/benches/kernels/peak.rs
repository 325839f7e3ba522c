//! What this machine can do at best: multiply-adds of the vector units in float32, in bfloat16 and in whole numbers of eight
//! bits, and bytes read from memory. Times are compared with it.
//!
//! The benches here and `infer`'s example `scaling` include this file by its path: it measures a
//! machine and computes nothing that a library is asked for, so it has no place in one's interface.
//!
//! A tile unit (AMX) multiplies more than this peak says: shares above one are possible there, and for bytes on processors
//! other than x86-64, which are compared with float32.

#![allow(
    unsafe_code,
    reason = "pulp has no name for products of bfloat16 and of four bytes: they are called where the processor has them"
)]

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{
    __m256i, __m512, __m512bh, __m512i, _mm256_dpbusd_avx_epi32, _mm256_set1_epi8,
    _mm512_dpbf16_ps, _mm512_dpbusd_epi32, _mm512_set1_epi8, _mm512_set1_epi16, _mm512_set1_ps,
};
use std::hint::black_box;
use std::sync::Barrier;
#[cfg(target_arch = "x86_64")]
use std::sync::LazyLock;
use std::time::Instant;

#[cfg(target_arch = "x86_64")]
use pulp::NullaryFnOnce;
#[cfg(target_arch = "x86_64")]
use pulp::x86::{V3, V4};
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

/// Operations a second of products of bfloat16, summed in float32, on that many threads.
pub(crate) fn bfloat16_operations_per_second(threads: usize) -> f64 {
    best_rate(threads, ROUNDS, || (), |()| bfloat16_multiply_adds())
}

/// One round on this thread, all operands in registers; tells the operations. Where the processor has no instructions for
/// bfloat16, or slower ones than for float32 (as Intel's), it is a round of float32, which such numbers are widened to.
pub(crate) fn bfloat16_multiply_adds() -> f64 {
    #[cfg(target_arch = "x86_64")]
    {
        /// Whether there are instructions, and faster ones.
        static FASTER: LazyLock<bool> = LazyLock::new(|| {
            is_x86_feature_detected!("avx512bf16") && {
                // SAFETY: the processor has the instructions (just checked).
                let bfloat16 = best_rate(1, ROUNDS, || (), |()| unsafe { avx512_bf16() });
                bfloat16 > operations_per_second(1)
            }
        });
        if *FASTER {
            // SAFETY: the processor has the instructions (checked above).
            return unsafe { avx512_bf16() };
        }
    }
    multiply_adds()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bf16")]
fn avx512_bf16() -> f64 {
    /// 0.5: a step adds 0.5 to every sum.
    const HALF: i16 = 0x3f00;
    // SAFETY: any bits are 32 bfloat16.
    let factors: __m512bh = unsafe { std::mem::transmute(_mm512_set1_epi16(black_box(HALF))) };
    let mut sums = [black_box(_mm512_set1_ps(0.5)); CHAINS];
    for _ in 0..STEPS {
        for sum in &mut sums {
            *sum = _mm512_dpbf16_ps(*sum, factors, factors);
        }
    }
    black_box(sums);
    (2 * CHAINS * STEPS * size_of::<__m512>() / size_of::<u16>()) as f64
}

/// Operations a second of products of bytes, summed in 32 bits, on that many threads.
pub(crate) fn byte_operations_per_second(threads: usize) -> f64 {
    best_rate(threads, ROUNDS, || (), |()| byte_multiply_adds())
}

/// One round on this thread in the widest instructions that this processor has, all operands in registers; tells the
/// operations. Where this file knows no instructions for bytes, it is a round of float32.
pub(crate) fn byte_multiply_adds() -> f64 {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512vnni") {
            // SAFETY: the processor has the instructions (just checked).
            return unsafe { avx512_vnni() };
        }
        if let Some(simd) = V4::try_new() {
            return simd.vectorize(BytePairs(simd));
        }
        if is_x86_feature_detected!("avxvnni") {
            // SAFETY: the processor has the instructions (just checked).
            return unsafe { avx_vnni() };
        }
        if let Some(simd) = V3::try_new() {
            return simd.vectorize(BytePairs(simd));
        }
    }
    multiply_adds()
}

/// Sums that are their own factors, so that no product can be computed once for all steps; `R` is a register. Tells the
/// operations.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn byte_chains<R: Copy>(start: R, add_products: impl Fn(R) -> R) -> f64 {
    let mut sums = [black_box(start); CHAINS];
    for _ in 0..STEPS {
        for sum in &mut sums {
            *sum = add_products(*sum);
        }
    }
    black_box(sums);
    (2 * CHAINS * STEPS * size_of::<R>()) as f64
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vnni")]
fn avx512_vnni() -> f64 {
    let weights = _mm512_set1_epi8(black_box(3));
    byte_chains(_mm512_set1_epi8(1), |sums: __m512i| {
        _mm512_dpbusd_epi32(sums, sums, weights)
    })
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,avxvnni")]
fn avx_vnni() -> f64 {
    let weights = _mm256_set1_epi8(black_box(3));
    byte_chains(_mm256_set1_epi8(1), |sums: __m256i| {
        _mm256_dpbusd_avx_epi32(sums, sums, weights)
    })
}

/// Two products in 16 bits, pairs of these in 32, and a sum: three instructions where there is none for all of it.
#[cfg(target_arch = "x86_64")]
struct BytePairs<S>(S);

#[cfg(target_arch = "x86_64")]
impl NullaryFnOnce for BytePairs<V3> {
    type Output = f64;

    #[inline(always)]
    fn call(self) -> f64 {
        let (avx, avx2) = (self.0.avx, self.0.avx2);
        let weights = avx._mm256_set1_epi8(black_box(3));
        let ones = avx._mm256_set1_epi16(black_box(1));
        byte_chains(avx._mm256_set1_epi8(1), |sums: __m256i| {
            let fours = avx2._mm256_madd_epi16(avx2._mm256_maddubs_epi16(sums, weights), ones);
            avx2._mm256_add_epi32(sums, fours)
        })
    }
}

#[cfg(target_arch = "x86_64")]
impl NullaryFnOnce for BytePairs<V4> {
    type Output = f64;

    #[inline(always)]
    fn call(self) -> f64 {
        let (avx512f, avx512bw) = (self.0.avx512f, self.0.avx512bw);
        let weights = avx512f._mm512_set1_epi8(black_box(3));
        let ones = avx512f._mm512_set1_epi16(black_box(1));
        byte_chains(avx512f._mm512_set1_epi8(1), |sums: __m512i| {
            let pairs = avx512bw._mm512_maddubs_epi16(sums, weights);
            avx512f._mm512_add_epi32(sums, avx512bw._mm512_madd_epi16(pairs, ones))
        })
    }
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
