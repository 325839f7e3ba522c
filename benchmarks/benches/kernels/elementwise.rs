//! The kernels that touch every number once, forward and backward; bytes are those read and written.

use std::hint::black_box;

use divan::Bencher;
use kernels::cpu::LayerNormParameters;
use kernels::{Activation, DropoutMask, cpu};

use crate::numbers::numbers;
use crate::work::Work;
use crate::{INNER, ROWS, WIDTH};

/// LayerNorm adds it to the variance.
const EPSILON: f32 = 1e-5;

macro_rules! benches {
    ($($name:ident)*) => {
        mod each {
            use super::*;

            $(#[divan::bench(args = ROWS)]
            fn $name(bencher: Bencher<'_, '_>, rows: usize) {
                super::$name(rows).bench(bencher);
            })*
        }
    };
}

benches! {
    add_layer_norm
    layer_norm_backward
    gelu
    gelu_backward
    dropout
    column_sums
    sum_of_squares
}

fn bytes(floats: usize) -> usize {
    floats * size_of::<f32>()
}

pub(crate) fn add_layer_norm(rows: usize) -> Work {
    let (gamma, beta) = (numbers(WIDTH, 1), numbers(WIDTH, 2));
    let residual = numbers(rows * WIDTH, 3);
    let mut values = numbers(rows * WIDTH, 4);
    Work::of_bytes(bytes(3 * rows * WIDTH), move || {
        let norm = LayerNormParameters {
            gamma: &gamma,
            beta: &beta,
            epsilon: EPSILON,
        };
        cpu::add_layer_norm(black_box(&mut values), &residual, norm);
    })
}

pub(crate) fn layer_norm_backward(rows: usize) -> Work {
    let (values, gamma) = (numbers(rows * WIDTH, 1), numbers(WIDTH, 2));
    let fresh = numbers(rows * WIDTH, 3);
    let mut gradient = fresh.clone();
    Work::of_bytes(bytes(5 * rows * WIDTH), move || {
        // Repeated in place, a gradient would become subnormal.
        gradient.copy_from_slice(&fresh);
        black_box(cpu::layer_norm_backward(
            black_box(&values),
            &gamma,
            EPSILON,
            &mut gradient,
        ));
    })
}

/// GELU as a separate kernel, as in training; an encoder's linear layer has it in its epilogue. The time
/// includes a copy, as for all kernels that change their input: repeated in place, numbers would become subnormal.
pub(crate) fn gelu(rows: usize) -> Work {
    let fresh = numbers(rows * INNER, 1);
    let mut values = fresh.clone();
    Work::of_bytes(bytes(4 * rows * INNER), move || {
        values.copy_from_slice(&fresh);
        cpu::activate(black_box(&mut values), Activation::Gelu);
    })
}

pub(crate) fn gelu_backward(rows: usize) -> Work {
    let (values, fresh) = (numbers(rows * INNER, 1), numbers(rows * INNER, 2));
    let mut gradient = fresh.clone();
    Work::of_bytes(bytes(5 * rows * INNER), move || {
        gradient.copy_from_slice(&fresh);
        cpu::activation_backward(black_box(&values), &mut gradient, Activation::Gelu);
    })
}

pub(crate) fn dropout(rows: usize) -> Work {
    let fresh = numbers(rows * WIDTH, 1);
    let mut values = fresh.clone();
    let mask = DropoutMask {
        probability: 0.1,
        seed: 1,
    };
    Work::of_bytes(bytes(4 * rows * WIDTH), move || {
        values.copy_from_slice(&fresh);
        cpu::dropout(black_box(&mut values), mask);
    })
}

pub(crate) fn column_sums(rows: usize) -> Work {
    let values = numbers(rows * INNER, 1);
    Work::of_bytes(bytes(rows * INNER), move || {
        black_box(cpu::column_sums(black_box(&values), INNER));
    })
}

pub(crate) fn sum_of_squares(rows: usize) -> Work {
    let values = numbers(rows * INNER, 1);
    Work::of_bytes(bytes(rows * INNER), move || {
        black_box(cpu::sum_of_squares(black_box(&values)));
    })
}
