//! int8 on AMX (or its emulation, where there is none) against int8 without tiles, whose tests hold it against its
//! definition.

use proptest::prelude::*;

use super::tests::{run, run_block};
use crate::activation::Activation;
use crate::bf16::weights::TileWeights;
use crate::columns::Arrangement;
use crate::int8;
use crate::int8::matrix::Int8Matrix;
use crate::int8::panels::Int8Panels;
use crate::schedule::Layer;
use crate::tests::activations::any_activation;
use crate::tests::numbers;

/// The layer by another implementation of this processor.
fn without_tiles(
    input: &[f32],
    matrices: &[&Int8Matrix],
    bias: &[f32],
    activation: Activation,
) -> Vec<f32> {
    let depth = matrices[0].input();
    let panels = Int8Panels::pack(matrices, depth, Arrangement::InOrder);
    let mut padded = bias.to_vec();
    padded.resize(bias.len().next_multiple_of(panels.width()), 0.0);
    let mut output = vec![f32::NAN; input.len() / depth * bias.len()];
    let layer = Layer {
        input: depth,
        output: bias.len(),
        width: panels.width(),
        bias: &padded,
        arrangement: Arrangement::InOrder,
        activation,
    };
    int8::linear::linear(input, &panels, layer, &mut output);
    output
}

/// Floats as bits; all NaN are equal.
fn bits(values: &[f32]) -> Vec<u32> {
    let bits = |value: &f32| {
        if value.is_nan() {
            u32::MAX
        } else {
            value.to_bits()
        }
    };
    values.iter().map(bits).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn int8_give_the_same_with_tiles_and_without(
        rows in 0usize..100,
        depth in 1usize..200,
        outputs in 1usize..90,
        activation in any_activation(),
        // All of a sign, or of both.
        shift in prop::sample::select(vec![0.0f32, 1.5, -1.5]),
        seed in any::<u64>(),
    ) {
        let input: Vec<f32> = numbers(rows * depth, seed, 1.0)
            .iter()
            .map(|value| value + shift)
            .collect();
        let matrix = Int8Matrix::quantize(&numbers(depth * outputs, seed ^ 1, 1.0), depth);
        let bias = numbers(outputs, seed ^ 2, 1.0);
        let weights = TileWeights::pack_int8(&[&matrix], depth, Arrangement::InOrder);
        let actual = run(&input, &weights, &bias, activation);
        let expected = without_tiles(&input, &[&matrix], &bias, activation);
        prop_assert_eq!(bits(&actual), bits(&expected));
        let block = run_block(&input, &weights, &bias, activation);
        prop_assert_eq!(bits(&block), bits(&expected));
    }

    #[test]
    fn gated_int8_give_the_same_with_tiles_and_without(
        rows in 0usize..100,
        depth in 1usize..200,
        outputs in 1usize..50,
        activation in any_activation(),
        seed in any::<u64>(),
    ) {
        let input = numbers(rows * depth, seed, 1.0);
        let matrices = [1, 2].map(|part| Int8Matrix::quantize(&numbers(depth * outputs, seed ^ part, 1.0), depth));
        let bias = numbers(2 * outputs, seed ^ 3, 1.0);
        let layers = matrices.each_ref();
        let weights = TileWeights::pack_int8(&layers, depth, Arrangement::Gated);
        let gates = without_tiles(&input, &layers[..1], &bias[..outputs], activation);
        let factors = without_tiles(&input, &layers[1..], &bias[outputs..], Activation::Identity);
        let expected: Vec<f32> = gates.iter().zip(&factors).map(|(gate, factor)| gate * factor).collect();
        prop_assert_eq!(bits(&run(&input, &weights, &bias, activation)), bits(&expected));
        prop_assert_eq!(bits(&run_block(&input, &weights, &bias, activation)), bits(&expected));
    }

    #[test]
    fn int8_come_back_from_their_tiles(
        depth in 1usize..150,
        first in 1usize..70,
        second in 1usize..70,
        seed in any::<u64>(),
    ) {
        let matrix = |outputs: usize, seed: u64| {
            Int8Matrix::quantize(&numbers(depth * outputs, seed, 3.0), depth)
        };
        let (left, right) = (matrix(first, seed), matrix(second, seed ^ 1));
        let rows = [left.dequantize(), right.dequantize()].concat();
        let weights = TileWeights::pack_int8(&[&left, &right], depth, Arrangement::InOrder);
        let unpacked = weights.unpack();
        prop_assert_eq!(unpacked.len(), rows.len());
        for (place, value) in unpacked.iter().enumerate() {
            let (row, column) = (place / (first + second), place % (first + second));
            prop_assert_eq!(*value, rows[column * depth + row]);
        }
    }
}

#[test]
fn the_largest_int8_fit() {
    let depth = Int8Matrix::MAX_INPUTS;
    // Quantization makes no -128, but a file may have it.
    let values = [vec![-128; depth], vec![127; depth]].concat();
    let matrix = Int8Matrix::new(values, vec![1.0, 0.5], depth).unwrap();
    let weights = TileWeights::pack_int8(&[&matrix], depth, Arrangement::InOrder);
    // All above 0, all below, and half of each.
    let halves = [vec![1.0; depth / 2], vec![-1.0; depth / 2]].concat();
    let input = [vec![1.0; depth], vec![-1.0; depth], halves].concat();
    let bias = [0.25, -0.25];
    let actual = run(&input, &weights, &bias, Activation::Identity);
    let expected = without_tiles(&input, &[&matrix], &bias, Activation::Identity);
    assert_eq!(bits(&actual), bits(&expected));
    assert!((actual[0] / (-128.0 * depth as f32) - 1.0).abs() < 1e-6);
    assert!((actual[3] / (-63.5 * depth as f32) - 1.0).abs() < 1e-6);
}

#[test]
fn however_int8_are_shared_out_they_give_the_same() {
    // Deep enough for several blocks of rows.
    let (depth, outputs) = (12_000, 40);
    let input = numbers(150 * depth, 3, 1.0);
    let matrix = Int8Matrix::quantize(&numbers(depth * outputs, 4, 1.0), depth);
    let bias = numbers(outputs, 5, 1.0);
    let weights = TileWeights::pack_int8(&[&matrix], depth, Arrangement::InOrder);
    let all = without_tiles(&input, &[&matrix], &bias, Activation::Gelu);
    let shapes = [
        (1, 1),
        (2, 16),
        (2, 17),
        (3, 33),
        (2, 97),
        (5, 64),
        (1, 150),
        (3, 150),
        (7, 150),
        (40, 1),
        (40, 150),
    ];
    for (threads, rows) in shapes {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        let input = &input[..rows * depth];
        let actual = pool.install(|| run(input, &weights, &bias, Activation::Gelu));
        assert_eq!(
            bits(&actual),
            bits(&all[..rows * outputs]),
            "{rows} rows, {threads} threads"
        );
    }
}

#[test]
fn rows_of_zeros_and_rows_that_are_not_finite() {
    let depth = 70;
    let matrix = Int8Matrix::quantize(&numbers(depth * 40, 1, 1.0), depth);
    let bias = numbers(40, 2, 1.0);
    let weights = TileWeights::pack_int8(&[&matrix], depth, Arrangement::InOrder);
    let good = numbers(depth, 3, 1.0);
    let mut rows = vec![
        vec![0.0; depth],
        vec![-0.0; depth],
        vec![f32::from_bits(1); depth],
    ];
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for place in [0, 63, 64, 69] {
            let mut row = good.clone();
            row[place] = bad;
            rows.push(row);
            rows.push(good.clone());
        }
    }
    rows.push(vec![f32::MAX; depth]);
    rows.push(vec![f32::MIN; depth]);
    let input = rows.concat();
    let actual = run(&input, &weights, &bias, Activation::Identity);
    let expected = without_tiles(&input, &[&matrix], &bias, Activation::Identity);
    assert_eq!(bits(&actual), bits(&expected));
    assert_eq!(actual[..40], bias);
    assert!(actual[3 * 40..4 * 40].iter().all(|value| value.is_nan()));
    assert!(actual[4 * 40..5 * 40].iter().all(|value| value.is_finite()));
}
