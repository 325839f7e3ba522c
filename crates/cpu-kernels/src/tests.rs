//! Every operation against its definition in float64.

pub(crate) mod activations;
pub(crate) mod attention;
mod gated;
mod layer;
mod rotary;

use std::ops::Range;

use activations::{activated, any_activation};
use proptest::prelude::*;

use super::*;
use crate::precision::Precision;

/// Numbers that look random, the same ones every time, between `-scale` and `scale`.
pub(super) fn numbers(count: usize, seed: u64, scale: f32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..count)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            ((state >> 40) as f32 / (1 << 23) as f32 - 1.0) * scale
        })
        .collect()
}

#[track_caller]
pub(super) fn assert_close(actual: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(actual.len(), expected.len());
    for (index, (actual, expected)) in actual.iter().zip(expected).enumerate() {
        let difference = (f64::from(*actual) - expected).abs();
        assert!(
            difference <= tolerance,
            "value {index} is {actual}, expected {expected} within {tolerance}"
        );
    }
}

pub(super) fn reference_linear(
    input: &[f32],
    weight: &[f32],
    bias: &[f32],
    activation: Activation,
) -> Vec<f64> {
    let (depth, bias_of_column) = (weight.len() / bias.len(), bias);
    let row = |row: &[f32]| -> Vec<f64> {
        let column = |(column, bias): (usize, &f32)| {
            let products = row.iter().zip(weight.chunks_exact(bias_of_column.len()));
            let sum: f64 = products
                .map(|(value, weights)| f64::from(*value) * f64::from(weights[column]))
                .sum();
            activated(activation, sum + f64::from(*bias))
        };
        bias.iter().enumerate().map(column).collect()
    };
    input.chunks_exact(depth).flat_map(row).collect()
}

/// Says that a test needs hardware that this machine does not have. (Written past the test harness, which hides what a
/// passed test prints.)
pub(super) fn skipped(test: &str, missing: &str) {
    use std::io::Write;
    writeln!(std::io::stderr(), "skipped: {test}: no {missing} here").unwrap();
}

/// The error of float32 on AMX, relative to the sum of absolute products, with an activation at its steepest; see `amx/tests.rs`.
const SPLIT_ERROR: f64 = 1.13 * 2.1 / 65_536.0;

/// Compares a linear layer with its definition. Each element may differ by `lost`, and float32 on AMX by [`SPLIT_ERROR`],
/// too.
#[track_caller]
fn assert_linear(
    actual: &[f32],
    [input, weight, bias]: [&[f32]; 3],
    activation: Activation,
    precision: Precision,
    lost: f64,
) {
    let expected = reference_linear(input, weight, bias, activation);
    let absolute = |values: &[f32]| values.iter().map(|value| value.abs()).collect::<Vec<_>>();
    let [input, weight, bias] = [input, weight, bias].map(absolute);
    let magnitudes = reference_linear(&input, &weight, &bias, Activation::Identity);
    let relative = if uses_amx() && precision == Precision::Float32 {
        SPLIT_ERROR
    } else {
        0.0
    };
    assert_eq!(actual.len(), expected.len());
    for ((actual, expected), magnitude) in actual.iter().zip(&expected).zip(&magnitudes) {
        let difference = (f64::from(*actual) - expected).abs();
        let tolerance = lost + relative * magnitude;
        assert!(
            difference <= tolerance,
            "{actual}, expected {expected} within {tolerance}"
        );
    }
}

/// Products of up to 200 terms below 1, summed in float32 in another order: 200 * 2^-24.
const SUM_ERROR: f64 = 2e-5;

fn rounded(values: &[f32]) -> Vec<f32> {
    let rounded = |value: &f32| f32::from_bits(simd::bf16::bfloat16(*value));
    values.iter().map(rounded).collect()
}

/// The rows of a linear layer with weights of this precision, as they are multiplied.
fn as_multiplied(rows: &[f32], precision: Precision) -> Vec<f32> {
    if precision == Precision::Bfloat16 && has_bf16_dot_product() {
        rounded(rows)
    } else {
        rows.to_vec()
    }
}

/// The error of a subnormal product: half of the smallest number; products of bfloat16 take numbers below `2^-126` for 0.
fn smallest(precision: Precision) -> f64 {
    let flushes = precision == Precision::Bfloat16 && has_bf16_dot_product();
    f64::from(if flushes || uses_amx() {
        f32::MIN_POSITIVE
    } else {
        f32::from_bits(1)
    })
}

/// `[columns, rows]` of `[rows, columns]`.
fn transposed(values: &[f32], columns: usize) -> Vec<f32> {
    (0..columns)
        .flat_map(|column| values.iter().skip(column).step_by(columns))
        .copied()
        .collect()
}

/// Fewer with AMX: the gate emulates it, which takes ten times as long.
fn cases() -> u32 {
    if uses_amx() { 16 } else { 64 }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn a_product_is_the_same_however_its_factors_lie(
        rows in 0usize..150,
        depth in 1usize..200,
        columns in 1usize..90,
        seed in any::<u64>(),
    ) {
        let (left, right) = (numbers(rows * depth, seed, 1.0), numbers(depth * columns, seed ^ 1, 1.0));
        let bias = numbers(columns, seed ^ 2, 1.0);
        let definition = [&left[..], &right, &bias];
        let (left_columns, right_columns) = (transposed(&left, depth), transposed(&right, columns));
        for left in [Operand::RowMajor(&left), Operand::ColumnMajor(&left_columns)] {
            for right in [Operand::RowMajor(&right), Operand::ColumnMajor(&right_columns)] {
                every::set_of_instructions(|| {
                    let mut output = vec![f32::NAN; rows * columns];
                    matmul(left, right, &bias, &mut output);
                    assert_linear(&output, definition, Activation::Identity, Precision::Float32, SUM_ERROR);
                    Ok::<_, TestCaseError>(())
                })?;
            }
        }
    }

    #[test]
    fn sums_are_those_of_their_definitions(
        rows in 0usize..300,
        width in 1usize..90,
        seed in any::<u64>(),
    ) {
        every::set_of_instructions(|| {
            let values = numbers(rows * width, seed, 1.0);
            let squares: f64 = values.iter().map(|value| f64::from(*value).powi(2)).sum();
            let found = sum_of_squares(&values);
            // Each square is rounded once.
            prop_assert!((found - squares).abs() <= 1e-7 * squares, "{} {}", found, squares);
            let columns: Vec<f64> = (0..width)
                .map(|column| values.iter().skip(column).step_by(width).map(|value| f64::from(*value)).sum())
                .collect();
            // 300 terms below 1.
            assert_close(&column_sums(&values, width), &columns, 2e-5);
            Ok::<_, TestCaseError>(())
        })?;
    }

    #[test]
    fn a_linear_layer_is_what_its_definition_says(
        rows in 0usize..80,
        depth in 1usize..200,
        outputs in 1usize..90,
        activation in any_activation(),
        // Subnormal and large inputs too: their products are still numbers.
        scale in prop::sample::select(vec![1e-40_f32, 1.0, 1e30]),
        seed in any::<u64>(),
    ) {
        let (input, weight) = (numbers(rows * depth, seed, scale), numbers(depth * outputs, seed ^ 1, 1.0));
        let bias = numbers(outputs, seed ^ 2, scale);
        every::set_of_instructions(|| {
            for precision in [Precision::Float32, Precision::Bfloat16] {
                let packed = PackedLinear::pack(&[(&weight, &bias)], precision);
                prop_assert_eq!((packed.input(), packed.output()), (depth, outputs));
                let (used, same_bias) = packed.unpack();
                prop_assert_eq!(&same_bias, &bias);
                if precision == Precision::Bfloat16 {
                    prop_assert_eq!(&used, &rounded(&weight));
                } else if !uses_amx() {
                    prop_assert_eq!(&used, &weight);
                }
                let mut output = vec![f32::NAN; rows * outputs];
                linear(&input, &packed, activation, &mut output);
                let weight = if precision == Precision::Bfloat16 { &used } else { &weight };
                let used = as_multiplied(&input, precision);
                let lost = SUM_ERROR * f64::from(scale) + smallest(precision) * (depth + 1) as f64;
                assert_linear(&output, [&used, weight, &bias], activation, precision, lost);
            }
            Ok(())
        })?;
    }

    #[test]
    fn a_depth_in_k_blocks_is_one_sum(
        rows in prop::sample::select(vec![1usize, 7, 60, 130]),
        precision in prop::sample::select(vec![Precision::Float32, Precision::Bfloat16]),
        seed in any::<u64>(),
    ) {
        every::set_of_instructions(|| {
            for depth in [1024, 1025, 2500] {
                let (input, weight) = (numbers(rows * depth, seed, 1.0), numbers(depth * 33, seed ^ 1, 1.0));
                let bias = numbers(33, seed ^ 2, 1.0);
                let packed = PackedLinear::pack(&[(&weight, &bias)], precision);
                // The weights after rounding to bfloat16.
                let weight = match precision {
                    Precision::Float32 => weight,
                    _ => packed.unpack().0,
                };
                let mut output = vec![f32::NAN; rows * 33];
                linear(&input, &packed, Activation::Gelu, &mut output);
                let used = as_multiplied(&input, precision);
                // As many more terms.
                let lost = 13.0 * SUM_ERROR;
                assert_linear(&output, [&used, &weight, &bias], Activation::Gelu, precision, lost);
                let columns = transposed(&input, depth);
                matmul(Operand::ColumnMajor(&columns), Operand::RowMajor(&weight), &bias, &mut output);
                let definition = [&input[..], &weight, &bias];
                assert_linear(&output, definition, Activation::Identity, Precision::Float32, lost);
                let mut alone = vec![f32::NAN; 33];
                linear(&input[(rows - 1) * depth..], &packed, Activation::Identity, &mut alone);
                let mut together = vec![f32::NAN; rows * 33];
                linear(&input, &packed, Activation::Identity, &mut together);
                prop_assert_eq!(&alone[..], &together[(rows - 1) * 33..]);
            }
            Ok::<_, TestCaseError>(())
        })?;
    }

    #[test]
    fn layer_norm_is_what_its_definition_says(
        rows in 0usize..70,
        width in 1usize..100,
        scale in prop::sample::select(vec![1.0f32, 1e4, 1e-10]),
        seed in any::<u64>(),
    ) {
        // Of the size of the variance, which would not count beside a larger one.
        let epsilon = 1e-5 * scale * scale;
        let (values, residual) = (numbers(rows * width, seed, scale), numbers(rows * width, seed ^ 1, scale));
        let (gamma, beta) = (numbers(width, seed ^ 2, 2.0), numbers(width, seed ^ 3, 1.0));
        let mut expected = Vec::new();
        for (values, residual) in values.chunks_exact(width).zip(residual.chunks_exact(width)) {
            let row: Vec<f64> = values.iter().zip(residual).map(|(a, b)| f64::from(a + b)).collect();
            let mean = row.iter().sum::<f64>() / width as f64;
            let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / width as f64;
            let deviation = (variance + f64::from(epsilon)).sqrt();
            let scaled = row.iter().map(|x| (x - mean) / deviation);
            let normed: Vec<f64> =
                scaled.zip(&gamma).zip(&beta).map(|((x, g), b)| x * f64::from(*g) + f64::from(*b)).collect();
            // The mean is off by the roundings of its sum, in at least four lanes. That counts where the numbers of a
            // row are almost equal. `gamma` is up to 2.
            let largest = row.iter().fold(0.0f64, |largest, x| largest.max(x.abs()));
            let roundings = 8.0 + width as f64 / 4.0;
            expected.push((normed, 2.0 * roundings * 2f64.powi(-24) * largest / deviation + 2e-6));
        }
        every::set_of_instructions(|| {
            let mut values = values.clone();
            let norm = LayerNormParameters { gamma: &gamma, beta: &beta, epsilon };
            add_layer_norm(&mut values, &residual, norm);
            for (values, (expected, lost)) in values.chunks_exact(width).zip(&expected) {
                assert_close(values, expected, *lost);
            }
            Ok::<_, TestCaseError>(())
        })?;
    }
}

pub(super) fn sequences_of(lengths: &[usize]) -> Vec<Range<usize>> {
    let mut end = 0;
    let range = |length: &usize| {
        let start = end;
        end += length;
        start..end
    };
    lengths.iter().map(range).collect()
}

#[test]
fn layers_side_by_side_are_one() {
    let (first, second) = (numbers(5 * 3, 1, 1.0), numbers(5 * 20, 2, 1.0));
    let (first_bias, second_bias) = (numbers(3, 3, 1.0), numbers(20, 4, 1.0));
    let input = numbers(7 * 5, 5, 1.0);
    let joined = PackedLinear::pack(
        &[(&first, &first_bias), (&second, &second_bias)],
        Precision::Float32,
    );
    let mut output = vec![0.0; 7 * 23];
    linear(&input, &joined, Activation::Identity, &mut output);
    for (layer, columns) in [
        ((&first, &first_bias), 0..3),
        ((&second, &second_bias), 3..23),
    ] {
        let alone = PackedLinear::pack(&[(layer.0, layer.1)], Precision::Float32);
        let mut expected = vec![0.0; 7 * columns.len()];
        linear(&input, &alone, Activation::Identity, &mut expected);
        let part: Vec<f32> = output
            .chunks(23)
            .flat_map(|row| &row[columns.clone()])
            .copied()
            .collect();
        assert_eq!(part, expected);
    }
}

#[test]
fn either_order_of_the_weights_packs_the_same() {
    // Odd sizes: the last panel is not full, nor the last block of inputs.
    let (depth, outputs) = (37, [5, 41]);
    let layers = outputs.map(|outputs| {
        let by_input = numbers(depth * outputs, outputs as u64, 1.0);
        let by_output: Vec<f32> = (0..depth * outputs)
            .map(|place| by_input[place % depth * outputs + place / depth])
            .collect();
        (by_input, by_output, numbers(outputs, 9, 1.0))
    });
    for precision in [Precision::Float32, Precision::Bfloat16, Precision::Int8] {
        let by_input = layers.each_ref().map(|layer| (&layer.0[..], &layer.2[..]));
        let by_output = layers.each_ref().map(|layer| (&layer.1[..], &layer.2[..]));
        let expected = PackedLinear::pack(&by_input, precision).unpack();
        let packed = PackedLinear::pack_by_output(&by_output, precision);
        assert_eq!(packed.unpack(), expected, "{precision}");
    }
}

#[test]
fn bfloat16_weights_are_rounded_to_the_nearest() {
    let weight = [
        1.0,
        1.0 + 1.0 / 256.0,
        1.0 + 3.0 / 256.0,
        -2.765_43,
        f32::MAX,
        1e-40,
        f32::NAN,
    ];
    let packed = PackedLinear::pack(&[(&weight, &[0.5; 7])], Precision::Bfloat16);
    let (rounded, bias) = packed.unpack();
    // Halves go to the even neighbour; above the largest number is only infinity.
    assert_eq!(
        rounded[..5],
        [1.0, 1.0, 1.0 + 4.0 / 256.0, -2.765_625, f32::INFINITY]
    );
    // Subnormal: the nearest multiple of the smallest.
    assert_eq!(rounded[5], f32::from_bits(0x0001_0000));
    assert!(rounded[6].is_nan());
    assert_eq!(bias, [0.5; 7]);
    // One panel of one input: two tiles, or a row of two registers of bfloat16.
    let panel = if has_bf16_dot_product() {
        2 * 1024
    } else {
        2 * simd::arch::panel_width()
    };
    assert_eq!(packed.bytes(), panel);
}

#[test]
fn however_many_threads_share_the_work_out_it_gives_the_same_to_the_bit() {
    // Many rows are shared out by rows, few by panels (three of them): a sequence's vector must not depend on it, nor on
    // more threads than there are panels.
    let (weight, bias) = (numbers(64 * 96, 1, 1.0), numbers(96, 2, 1.0));
    let input = numbers(500 * 64, 3, 1.0);
    for precision in [Precision::Float32, Precision::Bfloat16, Precision::Int8] {
        let packed = PackedLinear::pack(&[(&weight, &bias)], precision);
        let run = |threads: usize, rows: usize| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            let mut output = vec![0.0; rows * 96];
            let input = &input[..rows * 64];
            pool.install(|| linear(input, &packed, Activation::Gelu, &mut output));
            output
        };
        let all = run(1, 500);
        for threads in [2, 7, 40] {
            for rows in [1, 2, 5, 7, 30, 500] {
                let found = run(threads, rows);
                assert!(
                    found == all[..rows * 96],
                    "{precision}: {rows} rows, {threads} threads"
                );
            }
        }
    }
}

#[test]
fn what_is_not_finite_stays_so() {
    let packed = PackedLinear::pack(&[(&[1.0, 1.0], &[0.0])], Precision::Float32);
    let mut output = [0.0; 3];
    let input = [f32::NAN, 0.0, f32::INFINITY, 1.0, -1.0, 1.0];
    for activation in [Activation::Identity, Activation::Gelu] {
        linear(&input, &packed, activation, &mut output);
        assert!(output[0].is_nan());
        // AMX makes NaN of it: see `amx`.
        assert!(output[1] == f32::INFINITY || uses_amx() && output[1].is_nan());
        assert_eq!(output[2], 0.0);
    }
}
