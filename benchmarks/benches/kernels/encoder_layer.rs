//! A whole layer, in each precision.

use std::hint::black_box;

use divan::Bencher;
use kernels::cpu::{
    Context, EncoderLayer, FeedForwardBlock, LayerNormParameters, LayerNorms, PositionBias,
    encoder_layer,
};
use kernels::{Activation, PackedLinear, Precision, SequenceRanges};

use crate::numbers::numbers;
use crate::work::Work;
use crate::{HEADS, INNER, WIDTH};

/// Sequences of a batch, and the tokens of each.
const BATCHES: [(usize, usize); 4] = [(1, 16), (8, 32), (48, 20), (8, 128)];

/// An item is an operation of a matmul, attention's two included.
pub(crate) fn kernel(precision: Precision, (count, length): (usize, usize)) -> Work {
    let pack = |depth: usize, width: usize| {
        let (weight, bias) = (numbers(depth * width, 1), numbers(width, 2));
        PackedLinear::pack(&[(&weight, &bias)], precision)
    };
    let projections = pack(WIDTH, 3 * WIDTH);
    let (attention_output, intermediate, output) =
        (pack(WIDTH, WIDTH), pack(WIDTH, INNER), pack(INNER, WIDTH));
    let (gamma, beta) = (numbers(WIDTH, 3), numbers(WIDTH, 4));
    let sequences = SequenceRanges::of_lengths(std::iter::repeat_n(length, count));
    let bias = numbers(HEADS * length * length, 5);
    let mut hidden = numbers(sequences.tokens() * WIDTH, 6);
    let products = 4 * WIDTH * WIDTH + 2 * WIDTH * INNER + 2 * length * WIDTH;
    Work::of_operations(2 * sequences.tokens() * products, move || {
        let norm = LayerNormParameters {
            gamma: &gamma,
            beta: &beta,
            epsilon: 1e-5,
        };
        let layer = EncoderLayer {
            projections: &projections,
            feed_forward: FeedForwardBlock {
                attention_output: &attention_output,
                norms: LayerNorms::Post {
                    attention: norm,
                    output: norm,
                },
                intermediate: &intermediate,
                activation: Activation::Gelu,
                output: &output,
            },
        };
        let context = Context {
            sequences: sequences.ranges(),
            heads: HEADS,
            scale: 1.0 / ((WIDTH / HEADS) as f32).sqrt(),
            bias: Some(PositionBias {
                values: &bias,
                length,
            }),
            window: None,
            rotary: None,
        };
        encoder_layer(black_box(&mut hidden), context, &layer);
    })
}

#[divan::bench(args = BATCHES)]
fn f32(bencher: Bencher<'_, '_>, batch: (usize, usize)) {
    kernel(Precision::Float32, batch).bench(bencher);
}

#[divan::bench(args = BATCHES)]
fn bf16(bencher: Bencher<'_, '_>, batch: (usize, usize)) {
    kernel(Precision::Bfloat16, batch).bench(bencher);
}

#[divan::bench(args = BATCHES)]
fn int8(bencher: Bencher<'_, '_>, batch: (usize, usize)) {
    kernel(Precision::Int8, batch).bench(bencher);
}
