//! Numbers at the edges of float32, masks, sequences without a token, and int8: the fast implementations against the
//! reference ones.

use super::attention::Attended;
use super::*;
use crate::{AttentionOptions, SequenceRanges};

/// Compares elements, each with its own bound.
#[track_caller]
fn assert_within<const D: usize>(
    fast: Tensor<Flex, D>,
    expected: Tensor<Flex, D>,
    bound: impl Fn(usize) -> f64,
) {
    let (fast, expected) = (floats(fast), floats(expected));
    assert_eq!(fast.len(), expected.len());
    for (index, (fast, expected)) in fast.iter().zip(&expected).enumerate() {
        let difference = (f64::from(*fast) - f64::from(*expected)).abs();
        assert!(
            difference <= bound(index),
            "element {index} is {fast}, expected {expected} within {}",
            bound(index)
        );
    }
}

fn floats<const D: usize>(tensor: Tensor<Flex, D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

/// Random numbers of that size; multiplied in float32, so that they may be subnormal.
fn sized<const D: usize>(shape: [usize; D], magnitude: f32) -> Tensor<Flex, D> {
    random(shape, 1.0) * magnitude
}

/// The error of a sum of subnormal numbers; products of bfloat16 take those for 0.
fn smallest(precision: Precision) -> f64 {
    let flushes = precision == Precision::Bfloat16 && crate::cpu::has_bf16_dot_product();
    f64::from(if flushes || crate::cpu::uses_amx() {
        f32::MIN_POSITIVE
    } else {
        f32::from_bits(1)
    })
}

/// The keys that a query may not see.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mask {
    Nothing,
    /// Some keys, with the number by which `transformers` masks.
    SomeByLowest,
    /// Some keys, with minus infinity.
    SomeByInfinity,
    /// All keys of some queries.
    AllByLowest,
}

impl Mask {
    /// Over a bias `[1, heads, length, length]`. Every query sees the first key, except where all are masked.
    fn over(self, bias: Tensor<Flex, 4>) -> Tensor<Flex, 4> {
        let shape = bias.dims();
        let length = shape[3];
        let mut values = floats(bias);
        for (index, value) in values.iter_mut().enumerate() {
            let (query, key) = (index / length % length, index % length);
            let some = key > 0 && (query + key) % 3 != 0;
            match self {
                Self::SomeByLowest if some => *value = f32::MIN,
                Self::SomeByInfinity if some => *value = f32::NEG_INFINITY,
                Self::AllByLowest if query % 2 == 0 => *value = f32::MIN,
                _ => {}
            }
        }
        Tensor::from_data(
            burn::tensor::TensorData::new(values, shape),
            &Default::default(),
        )
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn linear_layers_of_numbers_of_any_size(
        rows in 1usize..60,
        input in 1usize..150,
        output in 1usize..70,
        activation in any_activation(),
        magnitude in prop::sample::select(vec![1e-40_f32, 1e-20, 1e4, 1e30]),
        precision in prop::sample::select(vec![Precision::Float32, Precision::Bfloat16]),
    ) {
        every::set_of_instructions(|| {
            let values = as_multiplied(sized([rows, input], magnitude), precision);
            let weight = random([input, output], 0.3);
            let bias = sized([output], magnitude);
            let packed = Flex::pack_linear(&[(weight, bias)], precision).unwrap();
            let packed = LinearWeights::Packed(packed);
            let default = reference::linear(values.clone(), packed.clone(), activation);
            let fast = Flex::linear(values, packed, activation);
            // As between numbers of a common size, and every product may lose half of the smallest.
            let bound = 8e-5 * f64::from(magnitude) + smallest(precision) * (input + 1) as f64;
            assert_within(fast, default, |_| bound);
            Ok::<_, TestCaseError>(())
        })?;
    }

    /// Each number of a row is at most half a step from a whole one (the last before the end of the range a whole
    /// step), and a step is a 255th of the row's range, which includes 0.
    #[test]
    fn int8_linear_layers_are_within_the_steps_of_their_rows(
        rows in 1usize..60,
        input in 1usize..150,
        output in 1usize..70,
        magnitude in prop::sample::select(vec![1e-20_f32, 1.0, 1e15]),
    ) {
        every::set_of_instructions(|| {
            let (values, weight) = (sized([rows, input], magnitude), random([input, output], 0.3));
            let layer = [(weight, sized([output], magnitude))];
            let packed = Flex::pack_linear(&layer, Precision::Int8).unwrap();
            let weights = packed.unpack().0;
            let packed = LinearWeights::Packed(packed);
            let default = reference::linear(values.clone(), packed.clone(), Activation::Identity);
            let fast = Flex::linear(values.clone(), packed, Activation::Identity);
            let values = floats(values);
            let bound = |index: usize| {
                let (row, column) = (index / output, index % output);
                let row = &values[row * input..][..input];
                let largest = row.iter().copied().fold(0.0, f32::max);
                let lowest = row.iter().copied().fold(0.0, f32::min);
                let step = f64::from(largest - lowest) / 255.0;
                let of_weights: f64 = weights
                    .iter()
                    .skip(column)
                    .step_by(output)
                    .map(|weight| f64::from(weight.abs()))
                    .sum();
                // And what float32 loses, as between numbers of a common size.
                step * of_weights + 8e-5 * f64::from(magnitude)
            };
            assert_within(fast, default, bound);
            Ok::<_, TestCaseError>(())
        })?;
    }

    #[test]
    fn activations_of_numbers_of_any_size(
        rows in 1usize..20,
        width in 1usize..300,
        activation in any_activation(),
        magnitude in prop::sample::select(vec![1e-40_f32, 1e-20, 1.0, 1e4, 1e30]),
    ) {
        every::set_of_instructions(|| {
            let (values, direction) = (sized([rows, width], magnitude), random([rows, width], 1.0));
            let numbers = floats(values.clone());
            let default = reference::activation(values.clone(), activation);
            // The error function is within 4e-7, a sigmoid and a hyperbolic tangent within 5e-7, and they are multiplied
            // with the number.
            let bound = |index: usize| 1e-6 * f64::from(numbers[index].abs()) + smallest(Precision::Float32);
            assert_within(Flex::activation(values.clone(), activation), default, bound);
            let default = reference::activation_backward(values.clone(), direction.clone(), activation);
            let directions = floats(direction.clone());
            let bound = |index: usize| 4e-6 * f64::from(directions[index].abs());
            assert_within(Flex::activation_backward(values, direction, activation), default, bound);
            Ok::<_, TestCaseError>(())
        })?;
    }

    /// Rows of any size come to the same where `epsilon` has that size too.
    #[test]
    fn layer_norm_of_numbers_of_any_size(
        rows in 1usize..80,
        width in 8usize..150,
        magnitude in prop::sample::select(vec![1e-15_f32, 1e-5, 1e4, 1e15]),
    ) {
        every::set_of_instructions(|| {
            let (values, residual) = (sized([rows, width], magnitude), sized([rows, width], magnitude));
            let size = f64::from(magnitude);
            let norm = LayerNormWeights { epsilon: 1e-5 * size * size, ..norm(width) };
            let sum = values.clone() + residual.clone();
            let default = reference::layer_norm(sum.clone(), norm.clone());
            let fast = Flex::add_layer_norm(values, residual, norm.clone());
            assert_within(fast, default, |_| 2e-5);
            let direction = random([rows, width], 1.0);
            let default = reference::layer_norm_backward(sum.clone(), norm.clone(), direction.clone());
            let fast = Flex::layer_norm_backward(sum, norm, direction);
            assert_within(fast.values, default.values, |_| 8e-5 / size);
            assert_within(fast.gamma, default.gamma, |_| 8e-5);
            assert_within(fast.beta, default.beta, |_| 8e-5);
            Ok::<_, TestCaseError>(())
        })?;
    }

    #[test]
    fn attention_under_masks_and_over_numbers_of_any_size(
        lengths in prop::collection::vec(0usize..40, 1..6),
        heads in 1usize..4,
        head_size in 1usize..33,
        mask in prop::sample::select(vec![
            Mask::Nothing, Mask::SomeByLowest, Mask::SomeByInfinity, Mask::AllByLowest,
        ]),
        magnitude in prop::sample::select(vec![1e-40_f32, 1.0, 1e20]),
        drops in any::<bool>(),
        // Of three neighbouring keys, a query sees one under any mask.
        window in prop::option::of(2usize..40),
        with_bias in prop_oneof![3 => Just(true), 1 => Just(false)],
    ) {
        let options = (with_bias, window, false);
        every::set_of_instructions(|| {
            let Attended { projections: [query, key, value], mut options, sequences, direction } =
                Attended::new(lengths.clone(), [heads, head_size], false, options);
            // Large queries would only pick single keys.
            let projections = [query, key, value * magnitude];
            options.bias = options.bias.map(|bias| mask.over(bias));
            let dropout = dropout(drops);
            let size = f64::from(magnitude);
            let default =
                reference::varlen_attention(projections.clone(), options.clone(), &sequences, dropout);
            let fast = Flex::varlen_attention(projections.clone(), options.clone(), &sequences, dropout, Precision::Float32);
            assert_within(fast, default.clone(), |_| 2e-5 * size + 40.0 * smallest(Precision::Float32));
            // Of 32 products of numbers up to 1, rounded by 2^-9 each, over the root of 32: scores that are off by 0.022 at
            // most, and weights by twice that and what they are rounded by themselves.
            for precision in [Precision::Bfloat16, Precision::Int8] {
                let rounded =
                    Flex::varlen_attention(projections.clone(), options.clone(), &sequences, dropout, precision);
                assert_within(rounded, default.clone(), |_| 0.05 * size + 40.0 * smallest(Precision::Bfloat16));
            }

            let back = |fast: bool| {
                let body = if fast {
                    Flex::varlen_attention_backward
                } else {
                    reference::varlen_attention_backward
                };
                body(projections.clone(), options.clone(), &sequences, dropout, direction.clone(), true)
            };
            let (fast, default) = (back(true), back(false));
            // The gradient of the values knows nothing of their size, the others go with it.
            let bounds = [4e-5 * size, 4e-5 * size, 4e-5].map(|bound| bound + 80.0 * smallest(Precision::Float32));
            let found = fast.query_key_value.into_iter().zip(default.query_key_value);
            for ((fast, default), bound) in found.zip(bounds) {
                assert_within(fast, default, |_| bound);
            }
            let bound = 4e-5 * size + 80.0 * smallest(Precision::Float32);
            prop_assert_eq!(fast.bias.is_some(), with_bias);
            if let (Some(fast), Some(default)) = (fast.bias, default.bias) {
                assert_within(fast, default, |_| bound);
            }
            Ok::<_, TestCaseError>(())
        })?;
    }
}

/// As burn's softmax (and PyTorch's) has it.
#[test]
fn a_query_that_infinity_hides_all_keys_from_has_no_number() {
    let sequences = SequenceRanges::of_lengths([3]);
    let projections = [(); 3].map(|()| random([3, 8], 1.0));
    let hidden = Tensor::<Flex, 4>::full([1, 2, 3, 3], f32::NEG_INFINITY, &Default::default());
    let options = AttentionOptions {
        bias: Some(hidden),
        ..AttentionOptions::new(2, 4)
    };
    let default =
        reference::varlen_attention(projections.clone(), options.clone(), &sequences, None);
    let fast = |precision| {
        let projections = projections.clone();
        Flex::varlen_attention(projections, options.clone(), &sequences, None, precision)
    };
    let [fast, rounded] = [Precision::Float32, Precision::Bfloat16].map(fast);
    for values in [fast, rounded, default].map(floats) {
        assert!(values.iter().all(|value| value.is_nan()), "{values:?}");
    }
}

#[test]
fn sequences_without_a_token_have_no_rows_and_take_none() {
    for lengths in [
        vec![3, 0],
        vec![0, 3],
        vec![0, 2, 0, 0, 4],
        vec![0],
        vec![0, 0],
    ] {
        let tokens = SequenceRanges::of_lengths(lengths.clone()).tokens();
        let Attended {
            projections,
            options,
            sequences,
            direction,
        } = Attended::new(lengths, [2, 4], false, (true, None, false));
        let default =
            reference::varlen_attention(projections.clone(), options.clone(), &sequences, None);
        let fast = Flex::varlen_attention(
            projections.clone(),
            options.clone(),
            &sequences,
            None,
            Precision::Float32,
        );
        assert_eq!(fast.dims(), [tokens, 8]);
        assert_within(fast, default.clone(), |_| 2e-5);
        let projected = projections.clone();
        let rounded = Flex::varlen_attention(
            projected,
            options.clone(),
            &sequences,
            None,
            Precision::Bfloat16,
        );
        assert_within(rounded, default, |_| 0.05);
        let back = Flex::varlen_attention_backward(
            projections.clone(),
            options.clone(),
            &sequences,
            None,
            direction.clone(),
            true,
        );
        let default = reference::varlen_attention_backward(
            projections,
            options,
            &sequences,
            None,
            direction,
            true,
        );
        for (fast, default) in back
            .query_key_value
            .into_iter()
            .zip(default.query_key_value)
        {
            assert_within(fast, default, |_| 4e-5);
        }
        assert_within(back.bias.unwrap(), default.bias.unwrap(), |_| 4e-5);
    }
}
