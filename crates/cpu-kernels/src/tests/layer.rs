//! The whole encoder layer against its definition in float64: both orders of the LayerNorms, gated and not, with and without
//! rotary position embeddings.

use proptest::prelude::*;

use super::activations::any_activation;
use super::attention::{any_options, reference_attention};
use super::{cases, numbers, reference_linear, sequences_of};
use crate::precision::Precision;
use crate::{
    Activation, Attention, Context, EncoderLayer, FeedForwardBlock, LayerNormParameters,
    LayerNorms, PackedLinear, PositionBias, Projections, RotaryRows, RotaryTable, Rotation,
    Strided, encoder_layer, every, rotary, uses_amx,
};

/// A weight and a bias.
type Linear = (Vec<f32>, Vec<f32>);

fn layer(input: usize, output: usize, seed: u64) -> Linear {
    let scale = 1.0 / (input as f32).sqrt();
    (
        numbers(input * output, seed, scale),
        numbers(output, seed ^ 1, 1.0),
    )
}

fn of(rows: &[f32], (weight, bias): &Linear, activation: Activation) -> Vec<f32> {
    rounded(reference_linear(rows, weight, bias, activation))
}

/// Each step of the definition is computed in float64 and rounded once.
fn rounded(values: Vec<f64>) -> Vec<f32> {
    values.into_iter().map(|value| value as f32).collect()
}

fn sum(one: &[f32], other: &[f32]) -> Vec<f32> {
    one.iter()
        .zip(other)
        .map(|(one, other)| one + other)
        .collect()
}

fn normalized(rows: &[f32], norm: LayerNormParameters<'_>) -> Vec<f32> {
    let width = norm.gamma.len();
    let row = |row: &[f32]| -> Vec<f64> {
        let values: Vec<f64> = row.iter().map(|value| f64::from(*value)).collect();
        let mean = values.iter().sum::<f64>() / width as f64;
        let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / width as f64;
        let factor = 1.0 / (variance + f64::from(norm.epsilon)).sqrt();
        let parameters = norm.gamma.iter().zip(norm.beta);
        let scaled = values.iter().zip(parameters);
        scaled
            .map(|(x, (gamma, beta))| (x - mean) * factor * f64::from(*gamma) + f64::from(*beta))
            .collect()
    };
    rounded(rows.chunks_exact(width).flat_map(row).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn an_encoder_layer_is_what_its_definition_says(
        lengths in prop_oneof![
            prop::collection::vec(0usize..20, 0..5),
            // Enough rows for blocks.
            prop::collection::vec(1usize..40, 10..12),
        ],
        heads in 1usize..4,
        half_head in 4usize..9,
        inner in 1usize..70,
        activation in any_activation(),
        options in any_options(),
        // Pre-norm, a norm before attention, gated, rotated.
        choices in any::<[bool; 4]>(),
        seed in any::<u64>(),
    ) {
        let [pre, first_norm, gated, rotated] = choices;
        let (with_bias, window, scale) = options;
        let (sequences, head_size) = (sequences_of(&lengths), 2 * half_head);
        let width = heads * head_size;
        let tokens: usize = lengths.iter().sum();
        let hidden = numbers(tokens * width, seed, 1.0);
        let bias = numbers(heads * 40 * 40, seed ^ 10, 1.0);
        let bias = with_bias.then_some(PositionBias { values: &bias, length: 40 });
        let scale = scale / (head_size as f32).sqrt();
        let table = rotated.then(|| RotaryTable::new(head_size, 100.0, 40));
        let projections = layer(width, 3 * width, seed ^ 20);
        let (attention_output, output) = (layer(width, width, seed ^ 30), layer(inner, width, seed ^ 40));
        let (gate, factor) = (layer(width, inner, seed ^ 50), layer(width, inner, seed ^ 60));
        let parameters = [70, 80, 90, 100].map(|of| numbers(width, seed ^ of, 1.0));
        let [gamma, beta, second_gamma, second_beta] = &parameters;
        let first = LayerNormParameters { gamma, beta, epsilon: 1e-5 };
        let second = LayerNormParameters { gamma: second_gamma, beta: second_beta, epsilon: 1e-5 };
        let norms = if pre {
            LayerNorms::Pre { attention: first_norm.then_some(first), feed_forward: second }
        } else {
            LayerNorms::Post { attention: first, output: second }
        };

        let input = if pre && first_norm { normalized(&hidden, first) } else { hidden.clone() };
        let mut joined = of(&input, &projections, Activation::Identity);
        if let Some(table) = &table {
            // Tested by itself.
            let rows = RotaryRows { values: &mut joined, stride: 3 * width, width: 2 * width };
            rotary(rows, table, &sequences, Rotation::Forward);
        }
        let part = |part: usize| Strided { values: joined.get(part * width..).unwrap_or(&[]), stride: 3 * width };
        let attended = rounded(reference_attention(&Attention {
            projections: Projections { query: part(0), key: part(1), value: part(2) },
            sequences: &sequences,
            heads,
            head_size,
            scale,
            bias,
            window,
            dropout: None,
            precision: Precision::Float32,
        }));
        let attended = sum(&of(&attended, &attention_output, Activation::Identity), &hidden);
        let residual = if pre { attended.clone() } else { normalized(&attended, first) };
        let input = if pre { normalized(&attended, second) } else { residual.clone() };
        let mut intermediate = of(&input, &gate, activation);
        if gated {
            let factors = of(&input, &factor, Activation::Identity);
            for (value, factor) in intermediate.iter_mut().zip(factors) {
                *value *= factor;
            }
        }
        let expected = sum(&of(&intermediate, &output, Activation::Identity), &residual);
        let expected = if pre { expected } else { normalized(&expected, second) };

        // Rows of at least eight numbers that differ by about 1; LayerNorm may magnify what is lost by ten.
        let tolerance = if uses_amx() { 2e-2 } else { 2e-4 };
        every::set_of_instructions(|| {
            let pack = |(weight, bias): &Linear| PackedLinear::pack(&[(weight, bias)], Precision::Float32);
            let intermediate = if gated {
                PackedLinear::pack_gated([(&gate.0, &gate.1), (&factor.0, &factor.1)], Precision::Float32)
            } else {
                pack(&gate)
            };
            let layer = EncoderLayer {
                projections: &pack(&projections),
                feed_forward: FeedForwardBlock {
                    attention_output: &pack(&attention_output),
                    norms,
                    intermediate: &intermediate,
                    activation,
                    output: &pack(&output),
                },
            };
            let context =
                Context { sequences: &sequences, heads, scale, bias, window, rotary: table.as_ref() };
            let mut found = hidden.clone();
            encoder_layer(&mut found, context, &layer);
            for (index, (found, expected)) in found.iter().zip(&expected).enumerate() {
                let allowed = tolerance * (1.0 + expected.abs());
                prop_assert!((found - expected).abs() <= allowed, "{index}: {found}, expected {expected}");
            }
            Ok::<_, TestCaseError>(())
        })?;
    }
}
