//! Attention, with and without a bias, a window and dropout: the fast implementation and the node of autodiff against the
//! reference implementation and what burn derives from it.

use super::*;
use crate::{AttentionOptions, SequenceRanges};

/// Whether there is a bias, the window, and whether the scale is another than the usual one.
pub(super) type Options = (bool, Option<usize>, bool);

pub(super) fn any_options() -> impl Strategy<Value = Options> {
    (any::<bool>(), prop::option::of(0usize..50), any::<bool>())
}

/// Queries, keys and values, how they attend, and a direction to go back from.
pub(super) struct Attended {
    pub(super) projections: [Tensor<Flex, 2>; 3],
    pub(super) options: AttentionOptions<Flex>,
    pub(super) sequences: SequenceRanges,
    pub(super) direction: Tensor<Flex, 2>,
}

impl Attended {
    /// The projections as slices of one tensor, which are not copied, or as separate tensors.
    pub(super) fn new(
        lengths: Vec<usize>,
        [heads, head_size]: [usize; 2],
        joined: bool,
        (with_bias, window, other_scale): Options,
    ) -> Self {
        let sequences = SequenceRanges::of_lengths(lengths);
        let (tokens, width) = (sequences.tokens(), heads * head_size);
        let longest = sequences.longest() + 2;
        let projections = if joined {
            let all = random([tokens, 3 * width], 1.0);
            [0, 1, 2].map(|part| {
                let columns = part * width..(part + 1) * width;
                all.clone().slice([0..tokens, columns])
            })
        } else {
            [0, 1, 2].map(|_| random([tokens, width], 1.0))
        };
        Self {
            projections,
            options: AttentionOptions {
                bias: with_bias.then(|| random([1, heads, longest, longest], 1.0)),
                window,
                scale: if other_scale {
                    0.4
                } else {
                    1.0 / (head_size as f64).sqrt()
                },
                ..AttentionOptions::new(heads, head_size)
            },
            direction: random([tokens, width], 1.0),
            sequences,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn attention_is_the_same_as_burns(
        lengths in prop::collection::vec(1usize..50, 1..6),
        heads in 1usize..5,
        head_size in 1usize..33,
        joined in any::<bool>(),
        drops in any::<bool>(),
        options in any_options(),
    ) {
        every::set_of_instructions(|| {
            let lengths = lengths.clone();
            let Attended { projections, options, sequences, .. } =
                Attended::new(lengths, [heads, head_size], joined, options);
            let dropout = dropout(drops);
            let plain = reference::varlen_attention(projections.clone(), options.clone(), &sequences, dropout);
            assert_same(Flex::varlen_attention(projections, options, &sequences, dropout, Precision::Float32), plain, 1.0);
            Ok::<_, TestCaseError>(())
        })?;
    }

    #[test]
    fn the_backward_pass_of_attention_is_the_derivative(
        lengths in prop::collection::vec(1usize..40, 1..7),
        heads in 1usize..4,
        head_size in 1usize..20,
        joined in any::<bool>(),
        drops in any::<bool>(),
        options in any_options(),
    ) {
        every::set_of_instructions(|| {
            let lengths = lengths.clone();
            let Attended { projections, options, sequences, direction } =
                Attended::new(lengths, [heads, head_size], joined, options);
            let dropout = dropout(drops);
            // Derived by burn from the reference implementation, then through the node.
            let through = |node: bool| {
                let leaves = projections.each_ref().map(leaf);
                let bias = options.bias.as_ref().map(leaf);
                let options = AttentionOptions {
                    heads,
                    scale: options.scale,
                    bias: bias.clone(),
                    window: options.window,
                };
                let output = if node {
                    Train::varlen_attention(leaves.clone(), options, &sequences, dropout, Precision::Float32)
                } else {
                    reference::varlen_attention(leaves.clone(), options, &sequences, dropout)
                };
                let sum = (output * Tensor::from_inner(direction.clone())).sum();
                let gradients = sum.backward();
                let found = leaves.map(|leaf| leaf.grad(&gradients).unwrap());
                (found, bias.map(|bias| bias.grad(&gradients).unwrap()))
            };
            let (expected, expected_bias) = through(false);
            let check = |found: [Tensor<Flex, 2>; 3], bias: Option<Tensor<Flex, 4>>| {
                for (found, expected) in found.into_iter().zip(&expected) {
                    assert_same(found, expected.clone(), 2.0);
                }
                assert_eq!(bias.is_some(), expected_bias.is_some());
                if let (Some(bias), Some(expected)) = (bias, &expected_bias) {
                    assert_same(bias, expected.clone(), 2.0);
                }
            };
            let (found, found_bias) = through(true);
            check(found, found_bias);
            let default = reference::varlen_attention_backward(
                projections.clone(), options.clone(), &sequences, dropout, direction.clone(), true,
            );
            check(default.query_key_value, default.bias);
            let none = Flex::varlen_attention_backward(
                projections.clone(), options.clone(), &sequences, dropout, direction.clone(), false,
            );
            assert!(none.bias.is_none());
            Ok::<_, TestCaseError>(())
        })?;
    }
}

#[test]
fn no_sequences_give_no_rows() {
    let sequences = SequenceRanges::of_lengths([]);
    let empty = || Tensor::<Flex, 2>::zeros([0, 8], &Default::default());
    let options = AttentionOptions {
        bias: Some(random([1, 2, 1, 1], 1.0)),
        ..AttentionOptions::new(2, 4)
    };
    let input = || [empty(), empty(), empty()];
    let attended = Flex::varlen_attention(
        input(),
        options.clone(),
        &sequences,
        None,
        Precision::Float32,
    );
    assert_eq!(attended.dims(), [0, 8]);
    let back = Flex::varlen_attention_backward(input(), options, &sequences, None, empty(), true);
    assert_eq!(back.query_key_value[0].dims(), [0, 8]);
    assert_eq!(
        back.bias.unwrap().into_data().to_vec::<f32>().unwrap(),
        [0.0; 2]
    );
}
