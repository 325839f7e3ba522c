//! Varlen attention with twelve heads of 64 columns, forward and backward.

use std::hint::black_box;

use divan::Bencher;
use kernels::cpu::{self, Attention, Gradients, PositionBias, Projections, Strided};
use kernels::{Precision, SequenceRanges};

use crate::numbers::numbers;
use crate::work::Work;
use crate::{HEADS, WIDTH};

/// Sequences of a batch, and the tokens of each.
const BATCHES: [(usize, usize); 6] = [(1, 8), (1, 32), (8, 32), (32, 32), (8, 128), (2, 384)];

/// An item is an operation of one of the two matmuls; the time includes the softmax.
#[divan::bench(args = BATCHES)]
fn f32(bencher: Bencher<'_, '_>, (count, length): (usize, usize)) {
    forward(count, length, Precision::Float32).bench(bencher);
}

/// The same in bfloat16, as beside linear layers of bf16 and int8.
#[divan::bench(args = BATCHES)]
fn bf16(bencher: Bencher<'_, '_>, (count, length): (usize, usize)) {
    forward(count, length, Precision::Bfloat16).bench(bencher);
}

/// Five matmuls; the gradient of the position bias is summed too, as in the layer that trains it.
#[divan::bench(args = BATCHES, name = "backward")]
fn backward_f32(bencher: Bencher<'_, '_>, (count, length): (usize, usize)) {
    backward(count, length).bench(bencher);
}

pub(crate) fn forward(count: usize, length: usize, precision: Precision) -> Work {
    let batch = Batch::new(count, length, precision);
    let mut output = vec![0.0; batch.sequences.tokens() * WIDTH];
    Work::of_operations(2 * batch.operations(), move || {
        cpu::attention(black_box(&batch.attention()), black_box(&mut output));
    })
}

pub(crate) fn backward(count: usize, length: usize) -> Work {
    let batch = Batch::new(count, length, Precision::Float32);
    let size = batch.sequences.tokens() * WIDTH;
    let gradient = numbers(size, 3);
    let mut gradients = [(); 3].map(|()| vec![0.0; size]);
    Work::of_operations(5 * batch.operations(), move || {
        let [query, key, value] = &mut gradients;
        let gradient = Strided {
            values: &gradient,
            stride: WIDTH,
        };
        black_box(cpu::attention_backward(
            black_box(&batch.attention()),
            gradient,
            Gradients { query, key, value },
            true,
        ));
    })
}

struct Batch {
    sequences: SequenceRanges,
    /// Queries, keys and values side by side, the output of their common linear layer.
    projections: Vec<f32>,
    bias: Vec<f32>,
    length: usize,
    precision: Precision,
}

impl Batch {
    fn new(count: usize, length: usize, precision: Precision) -> Self {
        let sequences = SequenceRanges::of_lengths(std::iter::repeat_n(length, count));
        Self {
            projections: numbers(sequences.tokens() * 3 * WIDTH, 1),
            sequences,
            bias: numbers(HEADS * length * length, 2),
            length,
            precision,
        }
    }

    /// Operations of one matmul, over all sequences and heads.
    fn operations(&self) -> usize {
        2 * self.sequences.tokens() * self.length * WIDTH
    }

    fn attention(&self) -> Attention<'_> {
        let part = |index: usize| Strided {
            values: &self.projections[index * WIDTH..],
            stride: 3 * WIDTH,
        };
        Attention {
            projections: Projections {
                query: part(0),
                key: part(1),
                value: part(2),
            },
            sequences: self.sequences.ranges(),
            heads: HEADS,
            head_size: WIDTH / HEADS,
            scale: 1.0 / ((WIDTH / HEADS) as f32).sqrt(),
            bias: Some(PositionBias {
                values: &self.bias,
                length: self.length,
            }),
            window: None,
            dropout: None,
            precision: self.precision,
        }
    }
}
