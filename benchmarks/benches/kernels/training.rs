//! The kernels that training adds: the matmuls of the intermediate layer in the forward and backward pass,
//! whose operands are packed each time, and the optimizer's step.

use std::hint::black_box;

use divan::Bencher;
use kernels::AdamWStep;
use kernels::cpu::{self, Operand};

use crate::numbers::numbers;
use crate::work::Work;
use crate::{INNER, WIDTH};

/// Tokens of a micro-batch: half of the default of `train fit`, and the default.
const TOKENS: [usize; 2] = [512, 1024];

mod each {
    use super::*;

    #[divan::bench(args = TOKENS)]
    fn forward(bencher: Bencher<'_, '_>, tokens: usize) {
        super::forward(tokens).bench(bencher);
    }

    #[divan::bench(args = TOKENS)]
    fn backward_input(bencher: Bencher<'_, '_>, tokens: usize) {
        super::backward_input(tokens).bench(bencher);
    }

    #[divan::bench(args = TOKENS)]
    fn backward_weight(bencher: Bencher<'_, '_>, tokens: usize) {
        super::backward_weight(tokens).bench(bencher);
    }

    #[divan::bench]
    fn adamw(bencher: Bencher<'_, '_>) {
        super::adamw().bench(bencher);
    }
}

/// The layout of an operand.
type Layout = for<'a> fn(&'a [f32]) -> Operand<'a>;

fn rows(values: &[f32]) -> Operand<'_> {
    Operand::RowMajor(values)
}

fn columns(values: &[f32]) -> Operand<'_> {
    Operand::ColumnMajor(values)
}

fn matmul(left: Layout, right: Layout, [rows, depth, columns]: [usize; 3]) -> Work {
    let (one, other) = (numbers(rows * depth, 1), numbers(depth * columns, 2));
    let bias = numbers(columns, 3);
    let mut output = vec![0.0; rows * columns];
    Work::of_operations(2 * rows * depth * columns, move || {
        let [one, other] = [left(&one), right(&other)];
        cpu::matmul(one, other, &bias, black_box(&mut output));
    })
}

pub(crate) fn forward(tokens: usize) -> Work {
    matmul(rows, rows, [tokens, WIDTH, INNER])
}

pub(crate) fn backward_input(tokens: usize) -> Work {
    matmul(rows, columns, [tokens, INNER, WIDTH])
}

pub(crate) fn backward_weight(tokens: usize) -> Work {
    matmul(columns, rows, [WIDTH, tokens, INNER])
}

/// A step on one layer's weights: it reads four slices and writes three.
pub(crate) fn adamw() -> Work {
    let gradient = numbers(WIDTH * INNER, 1);
    let mut weights = numbers(WIDTH * INNER, 2);
    let (mut first, mut second) = (vec![0.0; weights.len()], vec![0.0; weights.len()]);
    let step = AdamWStep {
        learning_rate: 2e-5,
        weight_decay: 0.01,
        beta_1: 0.9,
        beta_2: 0.999,
        epsilon: 1e-8,
        time: 1,
    };
    Work::of_bytes(7 * size_of_val(weights.as_slice()), move || {
        let moments = [first.as_mut_slice(), second.as_mut_slice()];
        cpu::adamw(black_box(&mut weights), &gradient, moments, &step);
    })
}
