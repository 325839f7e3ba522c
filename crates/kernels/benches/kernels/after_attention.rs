//! What follows attention in a layer, in each precision.

use std::hint::black_box;

use divan::Bencher;
use kernels::cpu::{AfterAttention, NormParameters, after_attention};
use kernels::{PackedLinear, Precision};

use crate::numbers::numbers;
use crate::work::Work;
use crate::{INNER, ROWS, WIDTH};

pub(crate) fn kernel(precision: Precision, rows: usize) -> Work {
    let pack = |depth: usize, width: usize| {
        let (weight, bias) = (numbers(depth * width, 1), numbers(width, 2));
        PackedLinear::pack(&[(&weight, &bias)], precision)
    };
    let (attention_output, intermediate, output) =
        (pack(WIDTH, WIDTH), pack(WIDTH, INNER), pack(INNER, WIDTH));
    let (scale, shift) = (numbers(WIDTH, 3), numbers(WIDTH, 4));
    let attended = numbers(rows * WIDTH, 5);
    let mut hidden = numbers(rows * WIDTH, 6);
    let products = WIDTH * WIDTH + 2 * WIDTH * INNER;
    Work::of_operations(2 * rows * products, move || {
        let norm = NormParameters {
            scale: &scale,
            shift: &shift,
            epsilon: 1e-5,
        };
        let layer = AfterAttention {
            attention_output: &attention_output,
            attention_norm: norm,
            intermediate: &intermediate,
            output: &output,
            output_norm: norm,
        };
        after_attention(black_box(&attended), black_box(&mut hidden), &layer);
    })
}

#[divan::bench(args = ROWS)]
fn f32(bencher: Bencher<'_, '_>, rows: usize) {
    kernel(Precision::Float32, rows).bench(bencher);
}

#[divan::bench(args = ROWS)]
fn bf16(bencher: Bencher<'_, '_>, rows: usize) {
    kernel(Precision::Bfloat16, rows).bench(bencher);
}

#[divan::bench(args = ROWS)]
fn int8(bencher: Bencher<'_, '_>, rows: usize) {
    kernel(Precision::Int8, rows).bench(bencher);
}
