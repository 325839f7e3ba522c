//! Attention within texts, twelve heads of 64 columns.

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use kernels::Texts;
use kernels::cpu::{Attention, PositionBias, Projections, Strided, attention};

use crate::WIDTH;
use crate::numbers::numbers;

const HEADS: usize = 12;

/// Texts of a batch, and the tokens of each.
const BATCHES: [(usize, usize); 6] = [(1, 8), (1, 32), (8, 32), (32, 32), (8, 128), (2, 384)];

/// An item is an operation of one of the two products; the softmax comes on top.
#[divan::bench(args = BATCHES)]
fn within_texts(bencher: Bencher<'_, '_>, (count, length): (usize, usize)) {
    let texts = Texts::of_lengths(std::iter::repeat_n(length, count));
    // As they come out of their dense layer, which is one.
    let values = numbers(texts.tokens() * 3 * WIDTH, 1);
    let part = |index: usize| Strided {
        values: &values[index * WIDTH..],
        stride: 3 * WIDTH,
    };
    let bias = numbers(HEADS * length * length, 2);
    let mut output = vec![0.0; texts.tokens() * WIDTH];
    let operations = count * 2 * 2 * length * length * WIDTH;
    bencher
        .counter(ItemsCount::new(operations))
        .bench_local(|| {
            let inputs = Attention {
                projections: Projections {
                    query: part(0),
                    key: part(1),
                    value: part(2),
                },
                bias: PositionBias {
                    values: &bias,
                    length,
                },
                texts: texts.ranges(),
                heads: HEADS,
                head_size: WIDTH / HEADS,
                dropout: None,
            };
            attention(black_box(&inputs), black_box(&mut output));
        });
}
