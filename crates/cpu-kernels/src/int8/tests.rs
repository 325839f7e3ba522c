//! Quantization against its definition, and its products against 64-bit arithmetic.

use proptest::prelude::*;
use pulp::Scalar128b;

use super::implementation::Implementation;
#[cfg(target_arch = "x86_64")]
use super::int8_pairs::NonSaturating;
use super::matrix::Int8Matrix;
use super::panels::{Int8Panels, rows_of};
use super::quantization::QuantizationParameters;
use super::rows::DotProductWidth;
use super::rows::QuantizedRows;
use crate::columns::Arrangement;
use crate::every;
use crate::precision::Precision;
use crate::schedule::Layer;
use crate::tests::activations::{activated, any_activation};
use crate::tests::numbers;
use crate::{Activation, PackedLinear, linear};

const DEEPEST: usize = Int8Matrix::MAX_INPUTS;

/// The layer of quantized `rows` and `matrix`, with integer sums.
fn reference(
    rows: &QuantizedRows,
    matrix: &Int8Matrix,
    bias: &[f32],
    activation: Activation,
) -> Vec<f64> {
    let mut expected = Vec::new();
    for row in 0..rows.count() {
        for (output, (weights, scale)) in matrix
            .values()
            .chunks_exact(matrix.input())
            .zip(matrix.scales())
            .enumerate()
        {
            let products = weights.iter().enumerate().map(|(place, weight)| {
                i64::from(*weight) * i64::from(rows.number(rows.micro_panel_of(row), row, place))
            });
            let sum = products.sum::<i64>() as f64;
            let sum = sum * f64::from(*scale) * f64::from(rows.scale(row));
            let sum = sum + f64::from(bias[output]);
            expected.push(activated(activation, sum));
        }
    }
    expected
}

/// Three roundings of float32, of sums up to `scale`.
#[track_caller]
fn assert_close(actual: &[f32], expected: &[f64], scale: f64) {
    assert_eq!(actual.len(), expected.len());
    for (index, (actual, expected)) in actual.iter().zip(expected).enumerate() {
        assert!(
            (f64::from(*actual) - expected).abs() <= 1e-6 * scale,
            "value {index} is {actual}, expected {expected}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn rows_are_rounded_to_the_nearest_of_256_steps(
        count in 0usize..30,
        width in 1usize..100,
        tallest in 1usize..13,
        dot_product in any::<bool>(),
        shift in -2f32..2.0,
        scale in prop::sample::select(vec![1.0f32, 1e30, 1e-30]),
        seed in any::<u64>(),
    ) {
        let values: Vec<f32> = numbers(count * width, seed, scale)
            .iter()
            .map(|value| value + shift * scale)
            .collect();
        let dot_width = if dot_product { DotProductWidth::Four } else { DotProductWidth::Two };
        let rows = QuantizedRows::quantize(Scalar128b, &values, width, tallest, dot_width);
        prop_assert_eq!(rows.count(), count);
        let micro_panels: usize = rows.micro_panels().iter().map(|micro_panel| micro_panel.height).sum();
        prop_assert_eq!(micro_panels, count);
        for (row, values) in values.chunks_exact(width).enumerate() {
            let step = f64::from(rows.scale(row));
            let found: Vec<i32> = (0..width).map(|place| rows.number(rows.micro_panel_of(row), row, place)).collect();
            for (number, value) in found.iter().zip(values) {
                let off = (f64::from(*number) * step - f64::from(*value)).abs() / step;
                // The end of the range may be half a step beyond the last whole one.
                prop_assert!(off <= 1.0 + 1e-3, "{number} for {value} in steps of {step}");
            }
            let off_by_half = found.iter().zip(values).filter(|(number, value)| {
                (f64::from(**number) * step - f64::from(**value)).abs() / step > 0.5 + 1e-3
            });
            let largest = found.iter().copied().max().unwrap_or(0);
            prop_assert!(off_by_half.into_iter().all(|(number, _)| *number == largest));
            let smallest = found.iter().copied().min().unwrap_or(0).min(0);
            prop_assert!(largest.max(0) - smallest <= 255, "{smallest} to {largest}");
        }
    }

    #[test]
    fn a_product_is_what_its_definition_says(
        count in 0usize..80,
        depth in 1usize..150,
        outputs in 1usize..90,
        activation in any_activation(),
        seed in any::<u64>(),
    ) {
        let input = numbers(count * depth, seed, 1.0);
        let weights = numbers(depth * outputs, seed ^ 1, 1.0);
        let bias = numbers(outputs, seed ^ 2, 1.0);
        let matrix = Int8Matrix::quantize(&weights, depth);
        let rows = QuantizedRows::quantize(Scalar128b, &input, depth, 5, DotProductWidth::Two);
        let expected = reference(&rows, &matrix, &bias, activation);

        let packed = PackedLinear::pack_int8(&[(&matrix, &bias)]);
        let mut output = vec![f32::NAN; count * outputs];
        linear(&input, &packed, activation, &mut output);
        // Numbers are up to the depth, and the bias.
        let scale = depth as f64 + 1.0;
        assert_close(&output, &expected, scale);

        for body in Implementation::all(&rows_of(&[&matrix], depth)) {
            let of_body = run(body, &input, &matrix, &bias, activation);
            assert_close(&of_body, &expected, scale);
            prop_assert_eq!(&of_body, &output, "{:?}", body);
        }
    }

    #[test]
    fn weights_are_rounded_to_the_nearest_step_and_neighbours_fit(
        depth in 1usize..120,
        halves in prop::collection::vec(0u8..=255, 240),
        signs in prop::collection::vec(any::<bool>(), 240),
        nudge in prop::sample::select(vec![1.0f32, 1.0 - f32::EPSILON, 1.0 + f32::EPSILON]),
        scale in prop::sample::select(vec![1.0f32, 0.1, 1.0 / 3.0, 1e30, 1e-30]),
    ) {
        let weights: Vec<f32> = halves
            .iter()
            .zip(&signs)
            .map(|(half, sign)| f32::from(*half) / 2.0 * scale * if *sign { nudge } else { -1.0 })
            .take(2 * depth)
            .collect();
        let matrix = Int8Matrix::quantize(&weights, depth);
        every::set_of_instructions(|| {
            prop_assert_eq!(&Int8Matrix::quantize(&weights, depth), &matrix);
            Ok(())
        })?;
        let rows = matrix.values().chunks_exact(depth);
        for (output, (row, weights)) in rows.zip(weights.chunks_exact(depth)).enumerate() {
            for pair in row.chunks(2) {
                let both: u32 = pair.iter().map(|weight| u32::from(weight.unsigned_abs())).sum();
                prop_assert!(both <= 128, "{pair:?}");
            }
            let step = f64::from(matrix.scales()[output]);
            // No wider than a pair or a single weight needs.
            let most = |width: usize| {
                let sums = weights.chunks(width).map(|part| part.iter().map(|w| w.abs()).sum::<f32>());
                f64::from(sums.fold(0.0, f32::max))
            };
            let needed = (most(1) / 127.0).max(most(2) / 128.0);
            prop_assert!((step - needed).abs() <= 1e-6 * needed, "{step}, not {needed}");
            for (value, weight) in row.iter().zip(weights) {
                let off = (f64::from(*value) * step - f64::from(*weight)).abs();
                prop_assert!(off <= (0.5 + 1e-4) * step, "{value} for {weight}");
            }
        }
    }

    #[test]
    fn unsigned_numbers_are_the_signed_ones_less_the_zero_point(
        // Halves of steps, or almost: rounding twice would give the wrong side.
        lowest in -510i16..=0,
        above in prop::collection::vec(0i16..=510, 1..40),
        nudge in prop::sample::select(vec![1.0f32, 1.0 - f32::EPSILON, 1.0 + f32::EPSILON]),
        scale in prop::sample::select(vec![1.0f32, 0.1, 1.0 / 3.0, 1e30, 1e-30]),
    ) {
        let halves = [0, 510].into_iter().chain(above).map(|above| f32::from(lowest + above));
        let row: Vec<f32> = halves.map(|half| half / 2.0 * scale * nudge).collect();
        let steps = QuantizationParameters::of(Scalar128b, &row);
        let (mut signed, mut unsigned) = (vec![0; row.len()], vec![0; row.len()]);
        steps.signed(&row, &mut signed);
        steps.unsigned(&row, &mut unsigned);
        prop_assert!((-255..=0).contains(&steps.zero_point()));
        for (signed, unsigned) in signed.iter().zip(&unsigned) {
            prop_assert_eq!(i32::from(*signed), i32::from(*unsigned) + steps.zero_point());
        }
    }
}

/// The epilogue of each implementation multiplies the same registers.
#[test]
fn a_gated_layer_is_the_product_of_two_layers_in_every_implementation() {
    for (rows, depth, outputs) in [(1, 5, 1), (9, 40, 17), (70, 33, 45)] {
        let input = numbers(rows * depth, 1, 1.0);
        let matrices =
            [2, 3].map(|seed| Int8Matrix::quantize(&numbers(depth * outputs, seed, 1.0), depth));
        let bias = numbers(2 * outputs, 4, 1.0);
        let layers = matrices.each_ref();
        for body in Implementation::all(&rows_of(&layers, depth)) {
            let panels = Int8Panels::pack_for(body, &layers, depth, Arrangement::Gated);
            let arranged = Arrangement::Gated.arrange(&bias, panels.width(), 0.0);
            let mut found = vec![f32::NAN; rows * outputs];
            let layer = Layer {
                input: depth,
                output: outputs,
                width: panels.width(),
                bias: &arranged,
                arrangement: Arrangement::Gated,
                activation: Activation::Gelu,
            };
            super::linear::linear(&input, &panels, layer, &mut found);
            let [gate, factor] = layers;
            let gates = run(body, &input, gate, &bias[..outputs], Activation::Gelu);
            let factors = run(body, &input, factor, &bias[outputs..], Activation::Identity);
            let expected = gates
                .iter()
                .zip(factors)
                .map(|(gate, factor)| gate * factor);
            assert_eq!(found, expected.collect::<Vec<f32>>(), "{body:?}");
            let unpacked = panels.unpack(2 * outputs);
            let dequantized = [gate.dequantize(), factor.dequantize()].concat();
            for (place, value) in unpacked.iter().enumerate() {
                let (row, column) = (place / (2 * outputs), place % (2 * outputs));
                assert_eq!(*value, dequantized[column * depth + row], "{body:?}");
            }
        }
    }
}

#[test]
fn every_implementation_gives_the_same_at_the_edges() {
    let pairs = |pair: [i8; 2]| pair.repeat(DEEPEST / 2);
    // Quantization makes no -128, but a file may have it, and large neighbours, too.
    let large = [pairs([-128, -128]), pairs([127, 127])];
    let fitting = [pairs([-128, 0]), pairs([64, 64])];
    let with = |bad: f32| [&[bad], &vec![1.0; DEEPEST - 1][..]].concat();
    let input = [
        vec![1.0; DEEPEST],
        vec![-1.0; DEEPEST],
        [vec![1.0; DEEPEST / 2], vec![-1.0; DEEPEST / 2]].concat(),
        vec![0.0; DEEPEST],
        vec![-0.0; DEEPEST],
        vec![f32::from_bits(1); DEEPEST],
        with(f32::MIN),
        with(f32::NAN),
        with(f32::INFINITY),
        with(f32::NEG_INFINITY),
    ];
    let input = input.concat();
    let bias = [0.25, -0.25];
    // All NaN are equal here.
    let bits = |values: Vec<f32>| -> Vec<Option<u32>> {
        let bits = |value: f32| (!value.is_nan()).then(|| value.to_bits());
        values.into_iter().map(bits).collect()
    };
    for (values, means) in [(large, [-128.0, 63.5]), (fitting, [-64.0, 32.0])] {
        let matrix = Int8Matrix::new(values.concat(), vec![1.0, 0.5], DEEPEST).unwrap();
        let expected = run(
            Implementation::Portable,
            &input,
            &matrix,
            &bias,
            Activation::Identity,
        );
        let [first, second] = means.map(|mean| mean * DEEPEST as f32);
        assert!((expected[0] / first - 1.0).abs() < 1e-6);
        assert!((expected[3] / -second - 1.0).abs() < 1e-6);
        assert_eq!(expected[6..8], bias);
        assert!(expected[14..].iter().all(|value| value.is_nan()));
        let expected = bits(expected);
        for body in Implementation::all(&rows_of(&[&matrix], DEEPEST)) {
            let actual = run(body, &input, &matrix, &bias, Activation::Identity);
            assert_eq!(bits(actual), expected, "{body:?}");
        }
    }
}

#[test]
fn neighbours_as_large_as_products_of_bytes_allow_are_not_cut_off() {
    // All ways to share 128 out, with all signs, an output for each.
    let shares = (0..=128i16).flat_map(|first| {
        let second = 128 - first;
        [
            [first, second],
            [-first, second],
            [first, -second],
            [-first, -second],
        ]
    });
    let pairs: Vec<[i8; 2]> = shares
        .filter_map(|pair| Some([i8::try_from(pair[0]).ok()?, i8::try_from(pair[1]).ok()?]))
        .collect();
    assert_eq!(pairs.len(), 4 * 129 - 4);
    let scales = vec![1.0; pairs.len()];
    let matrix = Int8Matrix::new(pairs.concat(), scales, 2).unwrap();
    let bias = vec![0.0; pairs.len()];
    // 8-bit 255 and 0, in units of 1/255 (and with a zero point of -255).
    let input = [[1.0, 1.0], [1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]];
    let expected = input.iter().flat_map(|row| {
        let sum = |pair: &[i8; 2]| f64::from(pair[0]) * row[0] + f64::from(pair[1]) * row[1];
        pairs.iter().map(sum).collect::<Vec<f64>>()
    });
    let expected: Vec<f64> = expected.collect();
    let input: Vec<f32> = input
        .as_flattened()
        .iter()
        .map(|value| *value as f32)
        .collect();
    let bodies = Implementation::all(&rows_of(&[&matrix], 2));
    #[cfg(target_arch = "x86_64")]
    assert!(
        pulp::x86::V3::try_new().is_none()
            || bodies
                .iter()
                .any(|body| matches!(body, Implementation::Avx2Bytes(_)))
    );
    for body in bodies {
        let actual = run(body, &input, &matrix, &bias, Activation::Identity);
        assert_close(&actual, &expected, 128.0);
    }
}

#[test]
fn neighbours_at_halves_of_steps_are_not_both_rounded_up() {
    for share in 0..128 {
        let halves = [share as f32 + 0.5, 127.5 - share as f32];
        for (place, scale) in numbers(500, share, 1.0).into_iter().enumerate() {
            let pair = halves.map(|half| half * scale);
            let matrix = Int8Matrix::quantize(&pair, 2);
            let both: i32 = matrix
                .values()
                .iter()
                .map(|value| i32::from(*value).abs())
                .sum();
            assert!(
                (127..=128).contains(&both),
                "{place}: {:?}",
                matrix.values()
            );
        }
    }
}

#[test]
#[cfg(target_arch = "x86_64")]
fn larger_neighbours_are_not_multiplied_as_bytes() {
    for (row, fits) in [
        (&[-128, 0, 0, -128][..], true),
        (&[-1, -127, 64, 64], true),
        // Large across pairs, and single at the end.
        (&[1, 100, 100, 1], true),
        (&[0, 0, -128], true),
        (&[64, -65], false),
        (&[0, 0, -128, 1], false),
        (&[127, 127, 0], false),
    ] {
        assert_eq!(NonSaturating::of(&[row]).is_some(), fits, "{row:?}");
        assert_eq!(
            NonSaturating::of(&[&[1, 2], row]).is_some(),
            fits,
            "{row:?}"
        );
        let best = Implementation::best(&[row]);
        assert!(
            fits || !matches!(
                best,
                Implementation::Avx2Bytes(_) | Implementation::Avx512Bytes(_)
            )
        );
    }
}

#[test]
fn every_implementation_keeps_the_weights() {
    let matrix = Int8Matrix::quantize(&numbers(7 * 45, 1, 1.0), 7);
    let rows = rows_of(&[&matrix], 7);
    let expected = matrix.dequantize();
    for body in Implementation::all(&rows) {
        let panels = Int8Panels::pack_for(body, &[&matrix], 7, Arrangement::InOrder);
        let unpacked = panels.unpack(45);
        for (place, value) in unpacked.iter().enumerate() {
            assert_eq!(*value, expected[place % 45 * 7 + place / 45], "{body:?}");
        }
    }
}

/// A layer by one implementation.
fn run(
    body: Implementation,
    input: &[f32],
    matrix: &Int8Matrix,
    bias: &[f32],
    activation: Activation,
) -> Vec<f32> {
    let panels = Int8Panels::pack_for(body, &[matrix], matrix.input(), Arrangement::InOrder);
    let mut padded = bias.to_vec();
    padded.resize(bias.len().next_multiple_of(panels.width()), 0.0);
    let mut output = vec![f32::NAN; input.len() / matrix.input() * bias.len()];
    let layer = Layer {
        input: matrix.input(),
        output: bias.len(),
        width: panels.width(),
        bias: &padded,
        arrangement: Arrangement::InOrder,
        activation,
    };
    super::linear::linear(input, &panels, layer, &mut output);
    output
}

#[test]
fn the_largest_numbers_fit() {
    // 255 times 127, which a file may have, and quantized equal weights, at the largest depth, in every column and row, with
    // both signs.
    let in_file = Int8Matrix::new(vec![-127; 2 * DEEPEST], vec![3.0 / 127.0; 2], DEEPEST).unwrap();
    let rounded = Int8Matrix::quantize(&vec![-3.0; 2 * DEEPEST], DEEPEST);
    assert_eq!(rounded.values()[..2], [-64, -64]);
    for (matrix, sign) in [
        (&in_file, 1.0f32),
        (&in_file, -1.0),
        (&rounded, 1.0),
        (&rounded, -1.0),
    ] {
        let input = vec![sign; 7 * DEEPEST];
        let packed = PackedLinear::pack_int8(&[(matrix, &[0.0; 2])]);
        let mut output = [0.0; 14];
        linear(&input, &packed, Activation::Identity, &mut output);
        for value in output {
            let expected = -3.0 * sign * DEEPEST as f32;
            assert!(
                (value / expected - 1.0).abs() < 1e-6,
                "{value} for {expected}"
            );
        }
    }
}

#[test]
fn deeper_layers_stay_in_float32() {
    let depth = DEEPEST + 1;
    let weights = numbers(depth, 1, 1.0);
    let packed = PackedLinear::pack(&[(&weights, &[0.0])], Precision::Int8);
    assert_eq!(packed.unpack().0, weights);
}

#[test]
fn rows_of_zeros_give_the_bias() {
    let weights = numbers(2 * 5, 1, 1.0);
    let packed = PackedLinear::pack(&[(&weights, &[0.5, -2.0])], Precision::Int8);
    let mut output = [f32::NAN; 6];
    let tiny = f32::from_bits(1);
    let input = [[0.0; 5], [-0.0; 5], [tiny; 5]].concat();
    linear(&input, &packed, Activation::Identity, &mut output);
    assert_eq!(output, [0.5, -2.0, 0.5, -2.0, 0.5, -2.0]);
    // Weights of 0 too.
    let packed = PackedLinear::pack(&[(&[0.0; 5], &[0.25])], Precision::Int8);
    linear(&[3.0; 5], &packed, Activation::Identity, &mut output[..1]);
    assert_eq!(output[0], 0.25);
}

#[test]
fn the_largest_floats_do_not_overflow() {
    let packed = PackedLinear::pack(&[(&[1e-20, 1e-20], &[0.0])], Precision::Int8);
    let mut output = [f32::NAN; 2];
    let input = [f32::MAX, f32::MIN, f32::MAX, f32::MAX];
    linear(&input, &packed, Activation::Identity, &mut output);
    // Rounding may cost half a step of 256 of the range.
    let step = 2.0 * f64::from(f32::MAX) / 255.0 * 1e-20;
    assert!(f64::from(output[0]).abs() <= step, "{}", output[0]);
    assert!((f64::from(output[1]) / (2.0 * f64::from(f32::MAX) * 1e-20) - 1.0).abs() < 1e-6);
}

#[test]
fn what_is_not_finite_stays_so_and_its_neighbours_are_untouched() {
    let (weights, bias) = (numbers(3 * 40, 1, 1.0), numbers(40, 2, 1.0));
    let packed = PackedLinear::pack(&[(&weights, &bias)], Precision::Int8);
    let good = [0.5, -1.0, 0.25];
    let mut expected = [0.0; 40];
    linear(&good, &packed, Activation::Gelu, &mut expected);
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for place in 0..3 {
            let mut row = good;
            row[place] = bad;
            let input = [good, row, good].concat();
            let mut output = [0.0; 120];
            linear(&input, &packed, Activation::Gelu, &mut output);
            assert_eq!(output[..40], expected);
            assert!(output[40..80].iter().all(|value| !value.is_finite()));
            assert_eq!(output[80..], expected);
        }
    }
}

#[test]
fn few_rows_and_many_agree_to_the_bit() {
    let (weights, bias) = (numbers(64 * 96, 1, 1.0), numbers(96, 2, 1.0));
    let packed = PackedLinear::pack(&[(&weights, &bias)], Precision::Int8);
    let input = numbers(500 * 64, 3, 1.0);
    let mut all = vec![0.0; 500 * 96];
    linear(&input, &packed, Activation::Gelu, &mut all);
    for rows in [1, 2, 5, 7, 30] {
        let mut few = vec![0.0; rows * 96];
        linear(&input[..rows * 64], &packed, Activation::Gelu, &mut few);
        assert_eq!(few, all[..rows * 96]);
    }
}

#[test]
fn weights_are_rounded_by_output_in_either_order() {
    let weights = [0.5, -1.0, 0.25, 4.0, 0.0, 0.0];
    let transposed = [0.5, 4.0, -1.0, 0.0, 0.25, 0.0];
    let matrix = Int8Matrix::quantize(&weights, 3);
    assert_eq!(matrix, Int8Matrix::quantize_transposed(&transposed, 2));
    // Neighbours come to 128 at most, a lone weight to 127.
    assert_eq!(matrix.values(), [43, -85, 21, 127, 0, 0]);
    assert_eq!(matrix.scales(), [1.5 / 128.0, 4.0 / 127.0]);
    let packed = PackedLinear::pack(&[(&transposed, &[0.0; 2])], Precision::Int8);
    let (unpacked, _) = packed.unpack();
    let dequantized = matrix.dequantize();
    for (place, value) in unpacked.iter().enumerate() {
        assert_eq!(*value, dequantized[place % 2 * 3 + place / 2]);
    }
    assert_eq!(Int8Matrix::new(vec![1; 5], vec![1.0; 2], 3), None);
    assert!(Int8Matrix::quantize(&[1.0, f32::NAN], 2).scales()[0].is_nan());
    // Practically 0.
    assert_eq!(Int8Matrix::quantize(&[1e-45, -1e-45], 2).values(), [0, 0]);
}

#[test]
fn layers_side_by_side_are_one() {
    let (first, second) = (numbers(5 * 3, 1, 1.0), numbers(5 * 20, 2, 1.0));
    let bias = numbers(23, 3, 1.0);
    let input = numbers(7 * 5, 5, 1.0);
    let layers = [(&first[..], &bias[..3]), (&second[..], &bias[3..])];
    let mut output = vec![0.0; 7 * 23];
    let joined = PackedLinear::pack(&layers, Precision::Int8);
    linear(&input, &joined, Activation::Identity, &mut output);
    for (layer, columns) in layers.into_iter().zip([0..3, 3..23]) {
        let alone = PackedLinear::pack(&[layer], Precision::Int8);
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
