//! Each kernel beside what the machine can do at that moment: products beside the peak of the vector units in numbers of
//! their kind, measured before every run because a machine's speed drifts; what goes over every number once beside the
//! rate at which memory streams (those whose numbers stay in a cache can be above it).

use std::fmt::Write;
use std::time::Instant;

use kernels::Precision;

use crate::work::{Amount, Work};
use crate::{attention, dense, elementwise, encoder_layer, peak, training};

/// Tokens of a batch.
const TOKENS: usize = 256;

/// Texts of it.
const TEXTS: usize = 8;

/// Runs, of which the median counts.
const RUNS: usize = 21;

/// Rounds of the peak before each, of which the best counts.
const ROUNDS: usize = 3;

const PRECISIONS: [Precision; 3] = [Precision::Float32, Precision::Bfloat16, Precision::Int8];

/// A line for each kernel; memory streams at `streamed` bytes a second.
pub(crate) fn table(streamed: f64) -> String {
    let mut table = format!(
        "{:<44}{:>16}{:>8}\n",
        format!("medians of {RUNS} runs"),
        "a second",
        "share"
    );
    let mut line = |name: &str, mut work: Work, peak: fn() -> f64| {
        let (rate, share, unit) = match work.amount {
            Amount::Operations(count) => {
                let (rate, share) = beside_the_peak(count as f64, &mut work, peak);
                (rate, share, "Gop")
            }
            Amount::Bytes(count) => {
                let rate = median((0..RUNS).map(|_| count as f64 / seconds(&mut work.run)));
                (rate, rate / streamed, "GB")
            }
        };
        let shown = format!("{:.1} {unit}", rate / 1e9);
        // A String takes everything.
        let _ = writeln!(table, "{name:<44}{shown:>16}{share:>8.2}");
    };
    for &(name, layer) in dense::LAYERS {
        for precision in PRECISIONS {
            let work = dense::kernel(layer, precision, TOKENS);
            line(&format!("{name} {precision}"), work, peak_of(precision));
        }
        line(
            &format!("{name} gemm"),
            dense::library(layer, TOKENS),
            floats_of_a_round,
        );
        line(
            &format!("{name} rten-gemm"),
            dense::library_of_bytes(layer, TOKENS),
            bytes_of_a_round,
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
            "attention rounded",
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
        ("product forth", training::forth(2 * TOKENS)),
        (
            "product back to the input",
            training::back_to_the_input(2 * TOKENS),
        ),
        (
            "product back to the weight",
            training::back_to_the_weight(2 * TOKENS),
        ),
        ("adamw", training::adamw()),
    ] {
        line(name, work, floats_of_a_round);
    }
    table
}

/// What is measured for products in numbers of this precision.
fn peak_of(precision: Precision) -> fn() -> f64 {
    match precision {
        Precision::Int8 => bytes_of_a_round,
        Precision::Bfloat16 => bfloat16s_of_a_round,
        _ => floats_of_a_round,
    }
}

/// Operations a second, and the share of the `peak` just before.
fn beside_the_peak(operations: f64, work: &mut Work, peak: fn() -> f64) -> (f64, f64) {
    let runs: Vec<(f64, f64)> = (0..RUNS)
        .map(|_| {
            let peak = (0..ROUNDS).map(|_| peak()).fold(0.0, f64::max);
            let rate = operations / seconds(&mut work.run);
            (rate, rate / peak)
        })
        .collect();
    let rate = median(runs.iter().map(|(rate, _)| *rate));
    (rate, median(runs.iter().map(|(_, share)| *share)))
}

/// Operations of float32 a second, of all threads together.
fn floats_of_a_round() -> f64 {
    of_a_round(peak::multiply_adds)
}

/// The same of bfloat16.
fn bfloat16s_of_a_round() -> f64 {
    of_a_round(peak::bfloat16_multiply_adds)
}

/// The same of bytes.
fn bytes_of_a_round() -> f64 {
    of_a_round(peak::byte_multiply_adds)
}

fn of_a_round(work: impl Fn() -> f64 + Sync) -> f64 {
    let mut done = 0.0;
    let all = seconds(|| done = rayon::broadcast(|_| work()).iter().sum());
    done / all
}

fn seconds(run: impl FnOnce()) -> f64 {
    let start = Instant::now();
    run();
    start.elapsed().as_secs_f64()
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
