//! How fast each kernel of the processor is, on the model's sizes: `cargo bench -p kernels`.
//!
//! An item is an operation (a multiply-add is two), so `Gitem/s` reads as thousand millions of them; `peak` measures
//! what the vector units can do. `gemm` is the library of burn's CPU backend on the same sizes, without
//! bias or activation, `rten-gemm` one for bytes. Before the table stands the share of the peak that each
//! kernel achieves (`shares`).
//!
//! ```console
//! $ cargo bench -p kernels                       # all, on all threads
//! $ cargo bench -p kernels -- dense              # those with the word in their name
//! $ cargo bench -p kernels -- shares             # the shares of the peak alone
//! $ RAYON_NUM_THREADS=1 cargo bench -p kernels   # on one thread
//! ```

mod attention;
mod dense;
mod elementwise;
mod encoder_layer;
mod numbers;
mod peak;
mod shares;
mod training;
mod work;

use std::io::Write;

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
    // Of cargo's own arguments there is `--bench`; a word is a filter.
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'))
        .collect();
    let wants_shares = words.is_empty() || words.iter().any(|word| word == "shares");
    // What cannot be printed is no reason not to measure.
    let _ = std::io::stdout().write_all(report(wants_shares).as_bytes());
    divan::main();
}

fn report(wants_shares: bool) -> String {
    let threads = rayon::current_num_threads();
    let peak = peak::operations_per_second(threads);
    let streamed = peak::streamed_bytes_per_second(threads);
    let line = format!(
        "peak of the vector units, float32: {:.1} GFLOP/s on one thread, {:.1} on {threads}, bfloat16 {:.1}, bytes {:.1} Gop/s; \
         memory streams at {:.1} GB/s on {threads}\n",
        peak::operations_per_second(1) / 1e9,
        peak / 1e9,
        peak::bfloat16_operations_per_second(threads) / 1e9,
        peak::byte_operations_per_second(threads) / 1e9,
        streamed / 1e9,
    );
    if wants_shares {
        line + &shares::table(streamed)
    } else {
        line
    }
}

/// The peak once more, as a line among the kernels.
#[divan::bench]
fn peak(bencher: Bencher<'_, '_>) {
    let operations = peak::multiply_adds() as usize * rayon::current_num_threads();
    bencher
        .counter(ItemsCount::new(operations))
        .bench(|| rayon::broadcast(|_| peak::multiply_adds()));
}
