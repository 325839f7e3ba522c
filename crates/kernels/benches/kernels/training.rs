//! What training adds: the products of the intermediate layer forth and back, whose factors are packed anew each
//! time, and the optimiser's step.

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use kernels::AdamWStep;
use kernels::cpu::{self, Factor};

use crate::numbers::numbers;
use crate::{INNER, WIDTH};

/// Tokens of a chunk: half, and what `train fit` takes.
const TOKENS: [usize; 2] = [512, 1024];

fn product(
    bencher: Bencher<'_, '_>,
    [left, right]: [Factor<'_>; 2],
    [rows, depth, columns]: [usize; 3],
) {
    let bias = numbers(columns, 3);
    let mut output = vec![0.0; rows * columns];
    bencher
        .counter(ItemsCount::new(2 * rows * depth * columns))
        .bench_local(|| cpu::product(left, right, &bias, black_box(&mut output)));
}

#[divan::bench(args = TOKENS)]
fn forth(bencher: Bencher<'_, '_>, tokens: usize) {
    let (input, weight) = (numbers(tokens * WIDTH, 1), numbers(WIDTH * INNER, 2));
    let factors = [Factor::Rows(&input), Factor::Rows(&weight)];
    product(bencher, factors, [tokens, WIDTH, INNER]);
}

#[divan::bench(args = TOKENS)]
fn back_to_the_input(bencher: Bencher<'_, '_>, tokens: usize) {
    let (gradient, weight) = (numbers(tokens * INNER, 1), numbers(WIDTH * INNER, 2));
    let factors = [Factor::Rows(&gradient), Factor::Columns(&weight)];
    product(bencher, factors, [tokens, INNER, WIDTH]);
}

#[divan::bench(args = TOKENS)]
fn back_to_the_weight(bencher: Bencher<'_, '_>, tokens: usize) {
    let (input, gradient) = (numbers(tokens * WIDTH, 1), numbers(tokens * INNER, 2));
    let factors = [Factor::Columns(&input), Factor::Rows(&gradient)];
    product(bencher, factors, [WIDTH, tokens, INNER]);
}

/// Of one layer's weights: four slices are read, three written.
#[divan::bench]
fn adamw(bencher: Bencher<'_, '_>) {
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
    bencher
        .counter(ItemsCount::new(weights.len()))
        .counter(BytesCount::new(7 * size_of_val(weights.as_slice())))
        .bench_local(|| {
            let moments = [first.as_mut_slice(), second.as_mut_slice()];
            cpu::adamw(black_box(&mut weights), &gradient, moments, &step);
        });
}
