//! Attention against its definition in float64, with and without a bias, a window and another scale.

use std::ops::Range;

use proptest::prelude::*;

use super::{assert_close, cases, numbers, rounded, sequences_of};
use crate::precision::Precision;
use crate::{
    Attention, Gradients, PositionBias, Projections, Strided, attention, attention_backward, every,
};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn attention_is_what_its_definition_says(
        lengths in prop::collection::vec(1usize..60, 0..5),
        heads in 1usize..4,
        head_size in 1usize..40,
        scale in prop::sample::select(vec![1.0f32, 30.0, 1e-20]),
        options in any_options(),
        seed in any::<u64>(),
    ) {
        let case = AttentionCase::new(&lengths, [heads, head_size], scale, options, seed);
        let input = case.attention();
        // Scores up to scale^2 * 40 / sqrt(40) lose 2^-24 of themselves before the exponential.
        let tolerance = f64::from(scale) * f64::max(1e-6, f64::from(scale * scale) * 2e-6);
        let expected = reference_attention(&input);
        every::set_of_instructions(|| {
            let mut output = vec![f32::NAN; case.tokens() * heads * head_size];
            attention(&input, &mut output);
            assert_close(&output, &expected, tolerance);
            Ok::<_, TestCaseError>(())
        })?;
    }

    /// Several blocks of queries, each with other keys.
    #[test]
    fn windows_of_long_sequences_are_what_their_definition_says(
        lengths in prop::collection::vec(100usize..300, 1..3),
        with_bias in any::<bool>(),
        window in 0usize..150,
        precision in prop::sample::select(vec![Precision::Float32, Precision::Bfloat16]),
        seed in any::<u64>(),
    ) {
        let options = (with_bias, Some(window), 1.0);
        let mut case = AttentionCase::new(&lengths, [2, 9], 1.0, options, seed);
        case.precision = precision;
        case.joined = rounded(&case.joined);
        let input = case.attention();
        let expected = reference_attention(&input);
        // As without a window; rounded weights as in `layer/attention/rounded.rs`.
        let tolerance = if input.rounds() { 2f64.powi(-8) + 3e-4 } else { 2e-6 };
        every::set_of_instructions(|| {
            let mut output = vec![f32::NAN; case.tokens() * 18];
            attention(&input, &mut output);
            assert_close(&output, &expected, tolerance);
            // Each sequence has the same bits alone.
            let first = 0..lengths[0];
            let alone = Attention { sequences: std::slice::from_ref(&first), ..input };
            let mut of_first = vec![f32::NAN; first.len() * 18];
            attention(&alone, &mut of_first);
            assert_eq!(of_first, output[..first.len() * 18]);
            Ok::<_, TestCaseError>(())
        })?;
    }

    #[test]
    fn the_backward_pass_is_what_its_definition_says(
        lengths in prop::collection::vec(1usize..60, 0..7),
        heads in 1usize..4,
        head_size in 1usize..40,
        options in any_options(),
        of_bias in any::<bool>(),
        seed in any::<u64>(),
    ) {
        let case = AttentionCase::new(&lengths, [heads, head_size], 1.0, options, seed);
        let (input, width) = (case.attention(), heads * head_size);
        let gradient = numbers(case.tokens() * width, seed ^ 2, 1.0);
        let direction = Strided { values: &gradient, stride: width };
        let (expected, expected_bias) = reference_backward(&input, direction);
        every::set_of_instructions(|| {
            let mut found = [(); 3].map(|()| vec![f32::NAN; case.tokens() * width]);
            let [query, key, value] = &mut found;
            let bias = attention_backward(&input, direction, Gradients { query, key, value }, of_bias);
            // Sums over 40 columns, and over 60 keys of weights that sum to 1 or of queries whose weights may all be 1,
            // of numbers below 1; scores of up to 9 lose 2^-24 of themselves before the exponential.
            for (found, expected) in found.iter().zip(&expected) {
                assert_close(found, expected, 1e-4);
            }
            prop_assert_eq!(bias.is_some(), of_bias && input.bias.is_some());
            if let Some(bias) = bias {
                assert_close(&bias, &expected_bias, 1e-4);
            }
            Ok::<_, TestCaseError>(())
        })?;
    }
}

/// Whether there is a bias, the window, and the scale in parts of the usual one.
pub(crate) type Options = (bool, Option<usize>, f32);

pub(crate) fn any_options() -> impl Strategy<Value = Options> {
    let window = prop::option::of(0usize..70);
    let scale = prop::sample::select(vec![1.0f32, 1.0, 0.3]);
    (any::<bool>(), window, scale)
}

/// Random queries, keys and values side by side, and a bias that is longer than the longest sequence.
pub(crate) struct AttentionCase {
    pub(crate) joined: Vec<f32>,
    pub(crate) bias: Vec<f32>,
    pub(crate) longest: usize,
    pub(crate) sequences: Vec<Range<usize>>,
    pub(crate) precision: Precision,
    heads: usize,
    head_size: usize,
    options: Options,
}

impl AttentionCase {
    pub(crate) fn new(
        lengths: &[usize],
        [heads, head_size]: [usize; 2],
        magnitude: f32,
        options: Options,
        seed: u64,
    ) -> Self {
        let longest = lengths.iter().copied().max().unwrap_or(0) + 1;
        let tokens = lengths.iter().sum::<usize>();
        Self {
            joined: numbers(tokens * 3 * heads * head_size, seed, magnitude),
            bias: numbers(heads * longest * longest, seed ^ 1, 3.0),
            longest,
            sequences: sequences_of(lengths),
            precision: Precision::Float32,
            heads,
            head_size,
            options,
        }
    }

    pub(crate) fn tokens(&self) -> usize {
        self.sequences.last().map_or(0, |sequence| sequence.end)
    }

    pub(crate) fn attention(&self) -> Attention<'_> {
        let width = self.heads * self.head_size;
        let (with_bias, window, scale) = self.options;
        let part = |part: usize| Strided {
            values: self.joined.get(part * width..).unwrap_or(&[]),
            stride: 3 * width,
        };
        Attention {
            projections: Projections {
                query: part(0),
                key: part(1),
                value: part(2),
            },
            sequences: &self.sequences,
            heads: self.heads,
            head_size: self.head_size,
            scale: scale / (self.head_size as f32).sqrt(),
            bias: with_bias.then_some(PositionBias {
                values: &self.bias,
                length: self.longest,
            }),
            window,
            dropout: None,
            precision: self.precision,
        }
    }
}

/// The weights of a query, `sequence`'s first being row 0: `softmax(query * key^T * scale + bias)` over its window, 0 for
/// all other keys.
pub(crate) fn reference_weights(
    input: &Attention<'_>,
    sequence: &Range<usize>,
    [head, query]: [usize; 2],
) -> Vec<f64> {
    let Attention { projections, .. } = *input;
    let columns = head * input.head_size..(head + 1) * input.head_size;
    let score = |key: usize| {
        if input
            .window
            .is_some_and(|window| query.abs_diff(key) > window)
        {
            return f64::NEG_INFINITY;
        }
        let products = columns.clone().map(|column| {
            element(projections.query, sequence.start + query, column)
                * element(projections.key, sequence.start + key, column)
        });
        let bias = input.bias.map_or(0.0, |bias| {
            f64::from(bias.values[(head * bias.length + query) * bias.length + key])
        });
        products.sum::<f64>() * f64::from(input.scale) + bias
    };
    let scores: Vec<f64> = (0..sequence.len()).map(score).collect();
    let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = scores.iter().map(|score| (score - largest).exp()).collect();
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|weight| weight / sum).collect()
}

pub(crate) fn element(matrix: Strided<'_>, row: usize, column: usize) -> f64 {
    f64::from(matrix.values[row * matrix.stride + column])
}

pub(crate) fn reference_attention(input: &Attention<'_>) -> Vec<f64> {
    let Attention {
        projections,
        sequences,
        heads,
        head_size,
        ..
    } = *input;
    let width = heads * head_size;
    let mut output = vec![0.0; sequences.last().map_or(0, |sequence| sequence.end) * width];
    for sequence in sequences {
        for head in 0..heads {
            for query in 0..sequence.len() {
                let weights = reference_weights(input, sequence, [head, query]);
                for column in head * head_size..(head + 1) * head_size {
                    let values = sequence
                        .clone()
                        .map(|key| element(projections.value, key, column));
                    output[(sequence.start + query) * width + column] = weights
                        .iter()
                        .zip(values)
                        .map(|(weight, value)| weight * value)
                        .sum::<f64>();
                }
            }
        }
    }
    output
}

/// The gradients of queries, keys and values, and of the bias (of nothing without a bias), by the formulas of
/// `training/attention_backward.rs`.
fn reference_backward(input: &Attention<'_>, gradient: Strided<'_>) -> ([Vec<f64>; 3], Vec<f64>) {
    let Attention {
        projections,
        sequences,
        heads,
        head_size,
        ..
    } = *input;
    let width = heads * head_size;
    let tokens = sequences.last().map_or(0, |sequence| sequence.end);
    let [mut of_query, mut of_key, mut of_value] = [(); 3].map(|()| vec![0.0; tokens * width]);
    let mut of_bias = vec![
        0.0;
        input
            .bias
            .map_or(0, |bias| heads * bias.length * bias.length)
    ];
    for sequence in sequences {
        let columns = |head: usize| head * head_size..(head + 1) * head_size;
        for (head, query) in (0..heads).flat_map(|head| (0..sequence.len()).map(move |q| (head, q)))
        {
            let weights = reference_weights(input, sequence, [head, query]);
            let row = sequence.start + query;
            let of_weights: Vec<f64> = sequence
                .clone()
                .map(|key| {
                    columns(head)
                        .map(|column| {
                            element(gradient, row, column) * element(projections.value, key, column)
                        })
                        .sum()
                })
                .collect();
            let total: f64 = weights.iter().zip(&of_weights).map(|(w, u)| w * u).sum();
            for (key, (weight, of_weight)) in weights.iter().zip(&of_weights).enumerate() {
                let of_score = weight * (of_weight - total);
                if let Some(bias) = input.bias {
                    of_bias[(head * bias.length + query) * bias.length + key] += of_score;
                }
                let of_product = of_score * f64::from(input.scale);
                let other = sequence.start + key;
                for column in columns(head) {
                    of_query[row * width + column] +=
                        of_product * element(projections.key, other, column);
                    of_key[other * width + column] +=
                        of_product * element(projections.query, row, column);
                    of_value[other * width + column] += weight * element(gradient, row, column);
                }
            }
        }
    }
    ([of_query, of_key, of_value], of_bias)
}

/// A register's width more than the bias, so that no slice of it ends within one.
#[test]
#[should_panic(expected = "a bias for every key")]
fn a_sequence_longer_than_the_bias_is_refused() {
    let sequences = sequences_of(&[32]);
    let (joined, bias) = (numbers(32 * 8, 1, 1.0), numbers(2 * 16 * 16, 2, 1.0));
    let part = Strided {
        values: &joined,
        stride: 8,
    };
    let input = Attention {
        projections: Projections {
            query: part,
            key: part,
            value: part,
        },
        sequences: &sequences,
        heads: 2,
        head_size: 4,
        scale: 0.5,
        bias: Some(PositionBias {
            values: &bias,
            length: 16,
        }),
        window: None,
        dropout: None,
        precision: Precision::Float32,
    };
    attention(&input, &mut vec![0.0; 32 * 8]);
}
