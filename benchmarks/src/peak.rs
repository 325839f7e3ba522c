//! The most that this machine does: multiply-adds of the vector units in float32, in bfloat16 and in
//! int8, and bytes read from memory. Every share and every roofline is relative to it.
//!
//! AMX multiplies more than this peak: shares above 1 are possible with it. They are also possible in
//! int8 on processors other than x86-64, where the peak is that of float32.

#![allow(
    unsafe_code,
    reason = "pulp has no bfloat16 and int8 dot products: they are called where the processor has them"
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

/// Independent accumulators: two units with a latency of five cycles, and two to spare; sixteen
/// registers hold them and both factors.
const CHAINS: usize = 12;

/// Multiply-adds of each accumulator in a repetition: some milliseconds.
const STEPS: usize = 1 << 21;

/// Bytes read in a repetition by all threads together: more than the last-level cache of common servers.
const STREAMED_BYTES: usize = 384 << 20;

/// The best of so many repetitions counts, because other programs use the machine too.
const REPETITIONS: usize = 24;
const STREAMING_REPETITIONS: usize = 6;

/// Float32 operations per second on that many threads; a multiply-add is two.
#[must_use]
pub fn operations_per_second(threads: usize) -> f64 {
    best_rate(threads, REPETITIONS, || (), |()| multiply_adds())
}

/// One repetition on this thread with all operands in registers; returns the operations.
#[must_use]
pub fn multiply_adds() -> f64 {
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

/// Operations per second of bfloat16 dot products, summed in float32, on that many threads.
#[must_use]
pub fn bfloat16_operations_per_second(threads: usize) -> f64 {
    best_rate(threads, REPETITIONS, || (), |()| bfloat16_multiply_adds())
}

/// One repetition on this thread with all operands in registers; returns the operations. Where the
/// processor has no bfloat16 dot product, or a slower one than in float32 (Intel's), it is a repetition
/// of float32, to which such numbers are upcast.
#[must_use]
pub fn bfloat16_multiply_adds() -> f64 {
    #[cfg(target_arch = "x86_64")]
    {
        /// Whether there are instructions, and faster ones.
        static FASTER: LazyLock<bool> = LazyLock::new(|| {
            is_x86_feature_detected!("avx512bf16") && {
                // SAFETY: the processor has the instructions (just checked).
                let bfloat16 = best_rate(1, REPETITIONS, || (), |()| unsafe { avx512_bf16() });
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

/// Operations per second of int8 dot products, summed in 32 bits, on that many threads.
#[must_use]
pub fn int8_operations_per_second(threads: usize) -> f64 {
    best_rate(threads, REPETITIONS, || (), |()| int8_multiply_adds())
}

/// One repetition on this thread with the widest int8 instructions of this processor and all operands in
/// registers; returns the operations. Without such instructions it is a repetition of float32.
#[must_use]
pub fn int8_multiply_adds() -> f64 {
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

/// Accumulators that are their own factors, so that no product can be computed once for all steps; `R` is a
/// register. Returns the operations.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn int8_chains<R: Copy>(start: R, add_products: impl Fn(R) -> R) -> f64 {
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
    int8_chains(_mm512_set1_epi8(1), |sums: __m512i| {
        _mm512_dpbusd_epi32(sums, sums, weights)
    })
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,avxvnni")]
fn avx_vnni() -> f64 {
    let weights = _mm256_set1_epi8(black_box(3));
    int8_chains(_mm256_set1_epi8(1), |sums: __m256i| {
        _mm256_dpbusd_avx_epi32(sums, sums, weights)
    })
}

/// Two products in 16 bits, pairs of these in 32, and a sum: three instructions where one for all is missing.
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
        int8_chains(avx._mm256_set1_epi8(1), |sums: __m256i| {
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
        int8_chains(avx512f._mm512_set1_epi8(1), |sums: __m512i| {
            let pairs = avx512bw._mm512_maddubs_epi16(sums, weights);
            avx512f._mm512_add_epi32(sums, avx512bw._mm512_madd_epi16(pairs, ones))
        })
    }
}

/// Bytes read from memory per second on that many threads, each with its own part. The pages are
/// of the system's default size.
#[must_use]
pub fn streamed_bytes_per_second(threads: usize) -> f64 {
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
        STREAMING_REPETITIONS,
        // Not of zeros: the system maps one page of zeros many times until somebody writes to it.
        || vec![1.0; STREAMED_BYTES / size_of::<f32>() / threads.max(1)],
        |values: &Vec<f32>| Arch::new().dispatch(Stream(values)),
    )
}

/// The best rate of all threads together; each prepares its own operands.
fn best_rate<T>(
    threads: usize,
    repetitions: usize,
    prepare: impl Fn() -> T + Sync,
    work: impl Fn(&T) -> f64 + Sync,
) -> f64 {
    let barrier = Barrier::new(threads.max(1));
    let compute = || {
        let prepared = prepare();
        let mut best: f64 = 0.0;
        for _ in 0..repetitions {
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
