//! The time of each kernel of the processor on the model's sizes: `cargo bench -p benchmarks`.
//!
//! An item is an operation (a multiply-add is two), so divan's `Gitem/s` means GFLOP/s or GOP/s; the
//! line `peak` is that of the vector units. `gemm` is the library of burn's CPU backend on the same
//! sizes, without bias or activation, and `rten_gemm` one for int8. Before the table the program prints
//! the share of the peak that each kernel achieves (`shares`).
//!
//! ```console
//! $ cargo bench -p benchmarks                       # all, on all threads
//! $ cargo bench -p benchmarks -- linear             # those with the word in their name
//! $ cargo bench -p benchmarks -- shares             # only the shares of the peak
//! $ RAYON_NUM_THREADS=1 cargo bench -p benchmarks   # on one thread
//! ```

mod attention;
mod elementwise;
mod encoder_layer;
mod linear;
mod numbers;
mod shares;
mod training;
mod work;

use std::io::Write;

use benchmarks::peak;
use divan::Bencher;
use divan::counter::ItemsCount;

/// MPNet's width.
const WIDTH: usize = 768;

/// MPNet's inner width.
const INNER: usize = 3072;

/// MPNet's heads.
const HEADS: usize = 12;

/// Tokens: of a short text, of a long one, of a batch, of the largest batch.
const ROWS: [usize; 4] = [8, 32, 256, 1024];

fn main() {
    // cargo itself passes `--bench`; a word is a filter.
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'))
        .collect();
    let wants_shares = words.is_empty() || words.iter().any(|word| word == "shares");
    // An error of standard output does not stop the measurement.
    let _ = std::io::stdout().write_all(report(wants_shares).as_bytes());
    divan::main();
}

fn report(wants_shares: bool) -> String {
    let threads = rayon::current_num_threads();
    let peak = peak::operations_per_second(threads);
    let streamed = peak::streamed_bytes_per_second(threads);
    let line = format!(
        "peak of the vector units, float32: {:.1} GFLOP/s on one thread, {:.1} on {threads}, bfloat16 {:.1} GFLOP/s, int8 {:.1} GOP/s; \
         memory streams at {:.1} GB/s on {threads}\n",
        peak::operations_per_second(1) / 1e9,
        peak / 1e9,
        peak::bfloat16_operations_per_second(threads) / 1e9,
        peak::int8_operations_per_second(threads) / 1e9,
        streamed / 1e9,
    );
    if wants_shares {
        line + &shares::table(streamed)
    } else {
        line
    }
}

/// The peak once more, as a line among the kernels.
#[divan::bench(name = "peak")]
fn peak_line(bencher: Bencher<'_, '_>) {
    let operations = peak::multiply_adds() as usize * rayon::current_num_threads();
    bencher
        .counter(ItemsCount::new(operations))
        .bench(|| rayon::broadcast(|_| peak::multiply_adds()));
}
