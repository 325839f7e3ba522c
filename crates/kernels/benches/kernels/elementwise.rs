//! What goes over every number once: an item is a number, and bytes are those read and written.

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use kernels::cpu;

use crate::numbers::numbers;
use crate::{INNER, ROWS, WIDTH};

#[divan::bench(args = ROWS)]
fn add_layer_norm(bencher: Bencher<'_, '_>, rows: usize) {
    let (scale, shift) = (numbers(WIDTH, 1), numbers(WIDTH, 2));
    let residual = numbers(rows * WIDTH, 3);
    let mut values = numbers(rows * WIDTH, 4);
    bencher
        .counter(ItemsCount::new(values.len()))
        .counter(BytesCount::new(3 * size_of_val(values.as_slice())))
        .bench_local(|| {
            cpu::add_layer_norm(black_box(&mut values), &residual, &scale, &shift, 1e-5);
        });
}

/// On its own, as in training; an encoder's dense layer has it in its last step.
#[divan::bench(args = ROWS)]
fn gelu(bencher: Bencher<'_, '_>, rows: usize) {
    let values = numbers(rows * INNER, 1);
    bencher
        .counter(ItemsCount::new(values.len()))
        .counter(BytesCount::new(2 * size_of_val(values.as_slice())))
        // Fresh ones each time: over and over, numbers would come to lie around 0, some subnormal.
        .with_inputs(|| values.clone())
        .bench_local_refs(|values| cpu::gelu(black_box(values)));
}
