//! Gated layers: against their definition in float64, and against the two layers that they join, bit for bit.

use proptest::prelude::*;

use super::activations::any_activation;
use super::{SPLIT_ERROR, SUM_ERROR, as_multiplied, cases, numbers, reference_linear, transposed};
use crate::precision::Precision;
use crate::{Activation, Int8Matrix, PackedLinear, every, linear, uses_amx};

fn any_precision() -> impl Strategy<Value = Precision> {
    prop::sample::select(vec![
        Precision::Float32,
        Precision::Bfloat16,
        Precision::Int8,
    ])
}

fn of(input: &[f32], weights: &PackedLinear, activation: Activation) -> Vec<f32> {
    let rows = input.len() / weights.input();
    let mut output = vec![f32::NAN; rows * weights.output()];
    linear(input, weights, activation, &mut output);
    output
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn a_gated_layer_is_what_its_definition_says(
        rows in 0usize..80,
        // The largest k-block is 1024.
        depth in prop_oneof![9 => 1usize..200, 1 => 1025usize..1100],
        outputs in 1usize..70,
        activation in any_activation(),
        precision in prop::sample::select(vec![Precision::Float32, Precision::Bfloat16]),
        seed in any::<u64>(),
    ) {
        let input = numbers(rows * depth, seed, 1.0);
        let [gate, factor] = [1, 2].map(|part| {
            (numbers(depth * outputs, seed ^ part, 0.3), numbers(outputs, seed ^ (2 + part), 1.0))
        });
        every::set_of_instructions(|| {
            let layers = [(&gate.0[..], &gate.1[..]), (&factor.0[..], &factor.1[..])];
            let packed = PackedLinear::pack_gated(layers, precision);
            prop_assert!(packed.is_gated());
            prop_assert_eq!((packed.input(), packed.output()), (depth, outputs));
            // Unpacked, both matrices are side by side.
            let side_by_side = PackedLinear::pack(&layers, precision);
            let (weights, bias) = packed.unpack();
            prop_assert_eq!(&(weights.clone(), bias), &side_by_side.unpack());
            let by_output = layers.map(|(weights, bias)| (transposed(weights, outputs), bias));
            let by_output = by_output.each_ref().map(|(weights, bias)| (&weights[..], *bias));
            let by_output = PackedLinear::pack_gated_by_output(by_output, precision);
            prop_assert_eq!(packed.unpack(), by_output.unpack());

            let found = of(&input, &packed, activation);
            prop_assert_eq!(&of(&input, &by_output, activation), &found);
            let used = as_multiplied(&input, precision);
            let columns = |first: usize| -> Vec<f32> {
                weights.chunks(2 * outputs).flat_map(|row| &row[first..first + outputs]).copied().collect()
            };
            let half = |first: usize, bias: &[f32], activation| {
                reference_linear(&used, &columns(first), bias, activation)
            };
            let gates = half(0, &gate.1, activation);
            let factors = half(outputs, &factor.1, Activation::Identity);
            // As many terms as for other layers or five times as many; on AMX each product is off by itself, too.
            let relative = if uses_amx() && precision == Precision::Float32 { SPLIT_ERROR } else { 0.0 };
            let lost = 5.0 * SUM_ERROR + relative * 0.3 * (depth + 1) as f64;
            for ((found, gate), factor) in found.iter().zip(&gates).zip(&factors) {
                // An activation at its steepest, and its own error.
                let tolerance = lost * (1.13 * factor.abs() + gate.abs() + lost) + 1e-6 * (gate * factor).abs() + 1e-6;
                let difference = (f64::from(*found) - gate * factor).abs();
                prop_assert!(difference <= tolerance, "{found}, expected {} within {tolerance}", gate * factor);
            }
            Ok(())
        })?;
    }

    /// In every precision: each sum has the same order in both.
    #[test]
    fn a_gated_layer_is_the_product_of_two_layers_to_the_bit(
        rows in prop_oneof![0usize..20, 100usize..150],
        depth in 1usize..200,
        outputs in 1usize..70,
        activation in any_activation(),
        precision in any_precision(),
        seed in any::<u64>(),
    ) {
        let input = numbers(rows * depth, seed, 1.0);
        let [gate, factor] = [1, 2].map(|part| {
            (numbers(depth * outputs, seed ^ part, 0.3), numbers(outputs, seed ^ (2 + part), 1.0))
        });
        every::set_of_instructions(|| {
            let layers = [(&gate.0[..], &gate.1[..]), (&factor.0[..], &factor.1[..])];
            let [gates, factors] = layers.map(|layer| PackedLinear::pack(&[layer], precision));
            let gates = of(&input, &gates, activation);
            let factors = of(&input, &factors, Activation::Identity);
            let expected: Vec<f32> = gates.iter().zip(&factors).map(|(a, b)| a * b).collect();
            let packed = PackedLinear::pack_gated(layers, precision);
            prop_assert_eq!(packed.precision(), precision);
            let found = of(&input, &packed, activation);
            prop_assert_eq!(&found, &expected);
            if precision == Precision::Int8 {
                let matrices = layers.map(|(weights, bias)| (Int8Matrix::quantize_transposed(weights, outputs), bias));
                let matrices = matrices.each_ref().map(|(matrix, bias)| (matrix, *bias));
                prop_assert_eq!(&of(&input, &PackedLinear::pack_gated_int8(matrices), activation), &found);
            }
            Ok::<_, TestCaseError>(())
        })?;
    }
}

#[test]
fn however_many_threads_share_a_gated_layer_it_gives_the_same_to_the_bit() {
    let [gate, factor] = [1, 2].map(|seed| (numbers(64 * 96, seed, 1.0), numbers(96, seed, 1.0)));
    let input = numbers(500 * 64, 3, 1.0);
    for precision in [Precision::Float32, Precision::Bfloat16, Precision::Int8] {
        let layers = [(&gate.0[..], &gate.1[..]), (&factor.0[..], &factor.1[..])];
        let packed = PackedLinear::pack_gated(layers, precision);
        let run = |threads: usize, rows: usize| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| of(&input[..rows * 64], &packed, Activation::Silu))
        };
        let all = run(1, 500);
        for (threads, rows) in [(2, 1), (7, 5), (40, 7), (2, 30), (7, 500), (40, 500)] {
            let found = run(threads, rows);
            assert_eq!(
                found,
                all[..rows * 96],
                "{precision}: {rows} rows, {threads} threads"
            );
        }
    }
}

#[test]
#[should_panic(expected = "halves of a gated layer")]
fn halves_of_different_widths_are_refused() {
    let (weights, bias) = ([0.0; 12], [0.0; 4]);
    let layers = [(&weights[..], &bias[..]), (&weights[..9], &bias[..3])];
    let _ = PackedLinear::pack_gated(layers, Precision::Float32);
}
