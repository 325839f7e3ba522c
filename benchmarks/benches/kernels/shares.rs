//! The share of the machine's peak that each kernel achieves. Matmuls are relative to the peak of the
//! vector units in their precision, measured before every run because a machine's speed drifts.
//! Elementwise kernels are relative to the rate at which memory streams; those whose numbers stay in a
//! cache can exceed it.

use std::fmt::Write;
use std::time::Instant;

use benchmarks::peak;
use benchmarks::statistics::median;
use kernels::Precision;

use crate::work::{Amount, Work};
use crate::{attention, elementwise, encoder_layer, linear, training};

/// Tokens of a batch.
const TOKENS: usize = 256;

/// Texts of it.
const TEXTS: usize = 8;

/// Runs; the median counts.
const RUNS: usize = 21;

/// Repetitions of the peak before each run; the best counts.
const REPETITIONS: usize = 3;

const PRECISIONS: [Precision; 3] = [Precision::Float32, Precision::Bfloat16, Precision::Int8];

/// A line for each kernel; memory streams at `streamed` bytes per second.
pub(crate) fn table(streamed: f64) -> String {
    let mut table = format!(
        "{:<44}{:>16}{:>8}\n",
        format!("medians of {RUNS} runs"),
        "rate",
        "share"
    );
    let mut line = |name: &str, mut work: Work, peak: fn() -> f64| {
        let (rate, share, unit) = match work.amount {
            Amount::Operations(count) => {
                let (rate, share) = with_peak(count as f64, &mut work, peak);
                (rate, share, "GOP/s")
            }
            Amount::Bytes(count) => {
                let rate = median((0..RUNS).map(|_| count as f64 / seconds(&mut work.run)));
                (rate, rate / streamed, "GB/s")
            }
        };
        let shown = format!("{:.1} {unit}", rate / 1e9);
        // Writing to a String cannot fail.
        let _ = writeln!(table, "{name:<44}{shown:>16}{share:>8.2}");
    };
    for &(name, layer) in linear::LAYERS {
        for precision in PRECISIONS {
            let work = linear::kernel(layer, precision, TOKENS);
            line(&format!("{name} {precision}"), work, peak_of(precision));
        }
        line(
            &format!("{name} gemm"),
            linear::library(layer, TOKENS),
            float32_rate,
        );
        line(
            &format!("{name} rten-gemm"),
            linear::library_int8(layer, TOKENS),
            int8_rate,
        );
    }
    for precision in PRECISIONS {
        let work = encoder_layer::kernel(precision, (TEXTS, TOKENS / TEXTS));
        line(
            &format!("encoder_layer {precision}"),
            work,
            peak_of(precision),
        );
    }
    for (name, work) in [
        (
            "attention",
            attention::forward(TEXTS, TOKENS / TEXTS, Precision::Float32),
        ),
        (
            "attention bf16",
            attention::forward(TEXTS, TOKENS / TEXTS, Precision::Bfloat16),
        ),
        (
            "attention_backward",
            attention::backward(TEXTS, TOKENS / TEXTS),
        ),
        ("add_layer_norm", elementwise::add_layer_norm(TOKENS)),
        (
            "layer_norm_backward",
            elementwise::layer_norm_backward(TOKENS),
        ),
        ("gelu", elementwise::gelu(TOKENS)),
        ("gelu_backward", elementwise::gelu_backward(TOKENS)),
        ("dropout", elementwise::dropout(TOKENS)),
        ("column_sums", elementwise::column_sums(TOKENS)),
        ("sum_of_squares", elementwise::sum_of_squares(TOKENS)),
        ("linear forward", training::forward(2 * TOKENS)),
        (
            "linear backward to the input",
            training::backward_input(2 * TOKENS),
        ),
        (
            "linear backward to the weight",
            training::backward_weight(2 * TOKENS),
        ),
        ("adamw", training::adamw()),
    ] {
        line(name, work, float32_rate);
    }
    table
}

/// The peak of matmuls in this precision.
fn peak_of(precision: Precision) -> fn() -> f64 {
    match precision {
        Precision::Int8 => int8_rate,
        Precision::Bfloat16 => bfloat16_rate,
        _ => float32_rate,
    }
}

/// Operations per second, and their share of the `peak` just before.
fn with_peak(operations: f64, work: &mut Work, peak: fn() -> f64) -> (f64, f64) {
    let runs: Vec<(f64, f64)> = (0..RUNS)
        .map(|_| {
            let peak = (0..REPETITIONS).map(|_| peak()).fold(0.0, f64::max);
            let rate = operations / seconds(&mut work.run);
            (rate, rate / peak)
        })
        .collect();
    let rate = median(runs.iter().map(|(rate, _)| *rate));
    (rate, median(runs.iter().map(|(_, share)| *share)))
}

/// Float32 operations per second of all threads together.
fn float32_rate() -> f64 {
    rate_of(peak::multiply_adds)
}

/// The same in bfloat16.
fn bfloat16_rate() -> f64 {
    rate_of(peak::bfloat16_multiply_adds)
}

/// The same in int8.
fn int8_rate() -> f64 {
    rate_of(peak::int8_multiply_adds)
}

fn rate_of(work: impl Fn() -> f64 + Sync) -> f64 {
    let mut done = 0.0;
    let all = seconds(|| done = rayon::broadcast(|_| work()).iter().sum());
    done / all
}

fn seconds(run: impl FnOnce()) -> f64 {
    let start = Instant::now();
    run();
    start.elapsed().as_secs_f64()
}
