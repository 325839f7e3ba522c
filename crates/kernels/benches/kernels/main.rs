//! How fast each kernel of the processor is, on the model's sizes: `cargo bench -p kernels`.
//!
//! An item is an operation (a multiply-add is two), so `Gitem/s` reads as GFLOP/s; `peak` measures
//! what the vector units can do, and a kernel's rate over that is the share that it achieves. `gemm` is
//! the library of burn's CPU backend on the same sizes, without bias or activation. On the AMX unit
//! kernels can be above the peak of the vector units.
//!
//! ```console
//! $ cargo bench -p kernels                       # all, on all threads
//! $ cargo bench -p kernels -- dense              # those with the word in their name
//! $ RAYON_NUM_THREADS=1 cargo bench -p kernels   # on one thread
//! ```

mod attention;
mod dense;
mod elementwise;
mod numbers;
mod peak;
mod training;

use std::io::Write;

use divan::Bencher;
use divan::counter::ItemsCount;

/// MPNet's width.
const WIDTH: usize = 768;

/// MPNet's inner width.
const INNER: usize = 3072;

/// Tokens: of a short text, of a long one, of a batch, of the largest batch.
const ROWS: [usize; 4] = [8, 32, 256, 1024];

fn main() {
    let threads = rayon::current_num_threads();
    // What cannot be printed is no reason not to measure.
    let _ = writeln!(
        std::io::stdout(),
        "peak of the vector units, float32: {:.1} GFLOP/s on one thread, {:.1} on {threads}; \
         memory streams at {:.1} GB/s on {threads}",
        peak::operations_per_second(1) / 1e9,
        peak::operations_per_second(threads) / 1e9,
        peak::streamed_bytes_per_second(threads) / 1e9,
    );
    divan::main();
}

/// The peak once more, as a line among the kernels.
#[divan::bench]
fn peak(bencher: Bencher<'_, '_>) {
    let operations = peak::multiply_adds() as usize * rayon::current_num_threads();
    bencher
        .counter(ItemsCount::new(operations))
        .bench(|| rayon::broadcast(|_| peak::multiply_adds()));
}
