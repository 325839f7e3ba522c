//! Packing, edges, scheduling and rounding, on AMX or its emulation; the last tests hold the two against each other.

use proptest::prelude::*;

use super::linear::{linear, linear_of_block, rows_of_blocks};
use crate::activation::Activation;
use crate::bf16::dot_product::Bf16DotProduct;
use crate::bf16::tiles::Form;
use crate::bf16::weights::TileWeights;
use crate::float::matrices::{Matrices, Order};
use crate::schedule::Layer;
use crate::simd::bf16::{nearest, split, upcast};
use crate::tests::activations::any_activation;
use crate::tests::{numbers, reference_linear};

/// One layer with a random matrix and bias, and its input.
pub(super) struct Case {
    pub(super) input: Vec<f32>,
    weight: Vec<f32>,
    pub(super) bias: Vec<f32>,
    outputs: usize,
}

impl Case {
    pub(super) fn new(rows: usize, depth: usize, outputs: usize, seed: u64) -> Self {
        Self {
            input: numbers(rows * depth, seed, 1.0),
            weight: numbers(depth * outputs, seed ^ 1, 1.0),
            bias: numbers(outputs, seed ^ 2, 1.0),
            outputs,
        }
    }

    pub(super) fn depth(&self) -> usize {
        self.weight.len() / self.outputs
    }

    pub(super) fn pack(&self, form: Form) -> TileWeights {
        pack(&[(&self.weight, &self.bias)], form)
    }

    pub(super) fn run(&self, weights: &TileWeights, activation: Activation) -> Vec<f32> {
        run(&self.input, weights, &self.bias, activation)
    }

    /// For every sum, the sum of absolute products.
    pub(super) fn magnitudes(&self) -> Vec<f64> {
        let absolute = |values: &[f32]| values.iter().map(|value| value.abs()).collect::<Vec<_>>();
        let (input, weight) = (absolute(&self.input), absolute(&self.weight));
        reference_linear(&input, &weight, &absolute(&self.bias), Activation::Identity)
    }
}

fn pack(layers: &[(&[f32], &[f32])], form: Form) -> TileWeights {
    TileWeights::pack(Matrices::new(layers, Order::ByInput), form)
}

/// By AMX or its emulation, never by the dot product of vector units.
pub(super) fn run(
    input: &[f32],
    weights: &TileWeights,
    bias: &[f32],
    activation: Activation,
) -> Vec<f32> {
    run_with(linear, input, weights, bias, activation)
}

/// [`run`] on this thread only.
pub(super) fn run_block(
    input: &[f32],
    weights: &TileWeights,
    bias: &[f32],
    activation: Activation,
) -> Vec<f32> {
    let work = |input: &[f32], _, weights: &TileWeights, layer: Layer<'_>, output: &mut [f32]| {
        linear_of_block(input, weights, layer, output);
    };
    run_with(work, input, weights, bias, activation)
}

/// Rounded weights by the bfloat16 dot product, if the processor has it.
pub(super) fn run_by_dot_product(
    input: &[f32],
    weights: &TileWeights,
    bias: &[f32],
    activation: Activation,
) -> Option<Vec<f32>> {
    let dot_product = Bf16DotProduct::detect()?;
    let work =
        |input: &[f32], rows, weights: &TileWeights, layer: Layer<'_>, output: &mut [f32]| {
            dot_product.linear(input, rows, weights.tiles(), layer, output);
        };
    Some(run_with(work, input, weights, bias, activation))
}

fn run_with(
    work: impl FnOnce(&[f32], usize, &TileWeights, Layer<'_>, &mut [f32]),
    input: &[f32],
    weights: &TileWeights,
    bias: &[f32],
    activation: Activation,
) -> Vec<f32> {
    let rows = input.len() / weights.input();
    let arrangement = weights.arrangement();
    let arranged = arrangement.arrange(bias, TileWeights::width(), 0.0);
    let mut output = vec![f32::NAN; rows * weights.output()];
    let layer = Layer {
        input: weights.input(),
        output: weights.output(),
        width: TileWeights::width(),
        bias: &arranged,
        arrangement,
        activation,
    };
    work(input, rows, weights, layer, &mut output);
    output
}

/// Relative to the sum of absolute products: `low * low` is at most `2^-16`, the error of each factor's halves `2^-17`, plus
/// a little for the rounding of sums.
const SPLIT_ERROR: f64 = 2.1 / 65_536.0;

/// Both factors are within `2^-8`.
const SINGLE_ERROR: f64 = 2.02 / 256.0;

/// The steepest place of an activation, GELU's.
const STEEPEST: f64 = 1.13;

#[test]
fn blocks_are_whole_tiles_and_as_many_for_each_thread() {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(4)
        .build()
        .unwrap();
    let rows = |rows| pool.install(|| rows_of_blocks(rows));
    assert_eq!([1, 384].map(rows), [None, None]);
    assert_eq!(
        [385, 1024, 1025, 2000].map(rows),
        [112, 256, 144, 256].map(Some)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_linear_layer_over_tiles_is_what_its_definition_says(
        rows in 0usize..100,
        depth in 1usize..200,
        outputs in 1usize..90,
        activation in any_activation(),
        seed in any::<u64>(),
    ) {
        let case = Case::new(rows, depth, outputs, seed);
        let expected = reference_linear(&case.input, &case.weight, &case.bias, activation);
        let magnitudes = case.magnitudes();
        for (form, error) in [(Form::Split, SPLIT_ERROR), (Form::Single, SINGLE_ERROR)] {
            let weights = case.pack(form);
            let actual = case.run(&weights, activation);
            prop_assert_eq!(actual.len(), expected.len());
            // The same bits on one thread.
            prop_assert_eq!(&run_block(&case.input, &weights, &case.bias, activation), &actual);
            for ((actual, expected), magnitude) in actual.iter().zip(&expected).zip(&magnitudes) {
                let difference = (f64::from(*actual) - expected).abs();
                // An activation itself is exact to a millionth, or to the last bits of a large number.
                prop_assert!(difference <= STEEPEST * error * magnitude + 1e-6, "{form:?}: {actual}, expected {expected}");
            }
        }
    }

    /// The sums of a column have one order, wherever the column is.
    #[test]
    fn a_gated_layer_over_tiles_is_the_product_of_two_layers(
        rows in 0usize..100,
        depth in 1usize..200,
        outputs in 1usize..50,
        activation in any_activation(),
        seed in any::<u64>(),
    ) {
        let (gate, factor) = (Case::new(rows, depth, outputs, seed), Case::new(rows, depth, outputs, seed ^ 7));
        let layers = [(&gate.weight[..], &gate.bias[..]), (&factor.weight[..], &factor.bias[..])];
        let bias = [&gate.bias[..], &factor.bias].concat();
        let product = |gates: Vec<f32>, factors: Vec<f32>| -> Vec<f32> {
            gates.iter().zip(&factors).map(|(gate, factor)| gate * factor).collect()
        };
        for form in [Form::Split, Form::Single] {
            let weights = TileWeights::pack(Matrices::gated(&layers, Order::ByInput), form);
            let [gates, factors] = [&gate, &factor].map(|case| case.pack(form));
            let expected = product(
                run(&gate.input, &gates, &gate.bias, activation),
                run(&gate.input, &factors, &factor.bias, Activation::Identity),
            );
            prop_assert_eq!(&run(&gate.input, &weights, &bias, activation), &expected);
            prop_assert_eq!(&run_block(&gate.input, &weights, &bias, activation), &expected);
            let by_dot_product = |weights: &TileWeights, bias: &[f32], activation| {
                run_by_dot_product(&gate.input, weights, bias, activation)
            };
            if form == Form::Single && let Some(found) = by_dot_product(&weights, &bias, activation) {
                let gates = by_dot_product(&gates, &gate.bias, activation);
                let factors = by_dot_product(&factors, &factor.bias, Activation::Identity);
                prop_assert_eq!(Some(found), gates.zip(factors).map(|(a, b)| product(a, b)));
            }
        }
    }

    #[test]
    fn weights_come_back_as_they_were_rounded(
        depth in 1usize..600,
        first in 1usize..70,
        second in 1usize..70,
        seed in any::<u64>(),
    ) {
        let (left, right) = (numbers(depth * first, seed, 3.0), numbers(depth * second, seed ^ 1, 1e-3));
        let layers = [(&left[..], &vec![0.0; first][..]), (&right[..], &vec![0.0; second][..])];
        let joined: Vec<f32> = left
            .chunks(first)
            .zip(right.chunks(second))
            .flat_map(|(left, right)| left.iter().chain(right).copied())
            .collect();
        let rounded = pack(&layers, Form::Single);
        let nearest: Vec<f32> = joined.iter().map(|value| upcast(nearest(*value))).collect();
        prop_assert_eq!(rounded.unpack(), nearest);
        let split = pack(&layers, Form::Split);
        prop_assert_eq!(split.bytes(), 2 * rounded.bytes());
        for (actual, expected) in split.unpack().iter().zip(&joined) {
            prop_assert!((actual - expected).abs() <= expected.abs() / 131_072.0);
        }
        // A row of one 1 takes a row of the weights out, `high + low`, as the products have them.
        let mut ones = vec![0.0; depth * depth];
        ones.iter_mut().step_by(depth + 1).for_each(|one| *one = 1.0);
        let taken = run(&ones, &split, &vec![0.0; first + second], Activation::Identity);
        prop_assert_eq!(taken, split.unpack());
    }
}

#[test]
fn a_sum_of_split_products_is_almost_that_of_float32() {
    // The model's depths: errors of many products cancel.
    for (depth, bound) in [(768, 1e-6), (3072, 5e-7)] {
        let case = Case::new(20, depth, 40, 7);
        let expected =
            reference_linear(&case.input, &case.weight, &case.bias, Activation::Identity);
        let actual = case.run(&case.pack(Form::Split), Activation::Identity);
        let magnitudes = case.magnitudes();
        let worst = actual
            .iter()
            .zip(&expected)
            .zip(&magnitudes)
            .map(|((actual, expected), magnitude)| {
                (f64::from(*actual) - expected).abs() / magnitude
            })
            .fold(0.0, f64::max);
        assert!(worst < bound, "depth {depth}: {worst:e}");
    }
}

#[test]
fn however_the_work_is_shared_out_it_gives_the_same_to_the_bit() {
    // Deep enough for several blocks of rows.
    let case = Case::new(150, 3000, 40, 3);
    let weights = case.pack(Form::Split);
    let run_with = |threads: usize, rows: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        let input = &case.input[..rows * case.depth()];
        pool.install(|| run(input, &weights, &case.bias, Activation::Gelu))
    };
    let all = run_with(1, 150);
    for threads in [2, 3, 7, 40] {
        assert_eq!(run_with(threads, 150), all, "{threads} threads");
    }
    for (threads, rows) in [
        (1, 1),
        (2, 16),
        (2, 17),
        (3, 33),
        (2, 97),
        (5, 64),
        (40, 97),
    ] {
        assert_eq!(
            run_with(threads, rows),
            all[..rows * 40],
            "{rows} rows, {threads} threads"
        );
    }
}

#[test]
fn tiles_that_were_used_before_leave_nothing_behind() {
    // One after another on the same threads: the memory of the first, not finite, is used again.
    let poison = pack(&[(&[1.0; 64 * 32], &[0.0; 32])], Form::Split);
    let poisoned = run(
        &vec![f32::NAN; 64 * 500],
        &poison,
        &[0.0; 32],
        Activation::Identity,
    );
    assert!(poisoned.iter().all(|value| value.is_nan()));
    for rows in [1, 17, 500] {
        let case = Case::new(rows, 33, 5, 11);
        let actual = case.run(&case.pack(Form::Split), Activation::Identity);
        assert!(actual.iter().all(|value| value.is_finite()));
    }
}

#[test]
fn what_is_not_finite_stays_so() {
    for form in [Form::Split, Form::Single] {
        let weights = pack(&[(&[1.0, 1.0], &[0.0])], form);
        let input = [f32::NAN, 0.0, f32::INFINITY, 1.0, -1.0, 1.0];
        let by_vectors = match form {
            Form::Single => run_by_dot_product(&input, &weights, &[0.0], Activation::Identity),
            Form::Split => None,
        };
        let over_tiles = run(&input, &weights, &[0.0], Activation::Identity);
        for output in by_vectors.into_iter().chain([over_tiles]) {
            assert!(output[0].is_nan());
            assert!(!output[1].is_finite());
            assert_eq!(output[2], 0.0);
        }
    }
}

#[test]
fn weights_that_are_not_finite_stay_so() {
    let weight = [f32::INFINITY, f32::NEG_INFINITY, f32::NAN, 1.0];
    for form in [Form::Split, Form::Single] {
        let weights = pack(&[(&weight, &[0.0; 4])], form);
        let unpacked = weights.unpack();
        assert_eq!(unpacked[..2], weight[..2], "{form:?}");
        assert!(unpacked[2].is_nan(), "{form:?}");
        let output = run(&[1.0], &weights, &[0.0; 4], Activation::Identity);
        assert!(output[..3].iter().all(|value| !value.is_finite()));
        assert_eq!(output[3], 1.0);
    }
}

#[test]
fn a_number_is_split_into_the_nearest_two() {
    let joined = |value: f32| {
        let [high, low] = split(value).map(upcast);
        (high, low)
    };
    assert_eq!(joined(1.0), (1.0, 0.0));
    assert_eq!(joined(-0.0).0.to_bits(), (-0.0_f32).to_bits());
    // Halves to even, and a rest of either sign.
    assert_eq!(joined(1.0 + 1.0 / 256.0), (1.0, 1.0 / 256.0));
    assert_eq!(joined(1.0 + 3.0 / 256.0), (1.0 + 4.0 / 256.0, -1.0 / 256.0));
    // Rounded it would be infinite.
    let (high, low) = joined(f32::MAX);
    assert!(((high + low) / f32::MAX - 1.0).abs() <= 1.0 / 65_536.0);
    assert_eq!(joined(f32::NEG_INFINITY), (f32::NEG_INFINITY, 0.0));
    let (high, low) = joined(f32::NAN);
    assert!(high.is_nan() && low == 0.0);
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod against_emulation {
    use super::super::emulated::Emulated;
    use super::super::multiply::{Multiply, Pass, Sums};
    use super::super::tile_registers::TileRegisters;
    use super::*;
    use crate::bf16::tiles::{PAIR, ROW_BYTES, SIDE, Tile, TileFormat, WIDTH};
    use crate::tests::skipped;

    fn random_bytes(count: usize, seed: u64) -> Vec<Tile> {
        let mut tiles = vec![Tile::ZERO; count];
        let values = numbers(count * SIDE * ROW_BYTES, seed, 256.0);
        for (tile, values) in tiles.iter_mut().zip(values.chunks(SIDE * ROW_BYTES)) {
            for (row, values) in values.chunks(ROW_BYTES).enumerate() {
                for (byte, value) in tile.bytes_mut(row).iter_mut().zip(values) {
                    *byte = value.abs() as u8;
                }
            }
        }
        tiles
    }

    /// Mostly the largest numbers, of either sign.
    fn extreme_bytes(count: usize, seed: u64) -> Vec<Tile> {
        let mut tiles = random_bytes(count, seed);
        for tile in &mut tiles {
            for row in 0..SIDE {
                for byte in tile.bytes_mut(row) {
                    *byte = [255, 128, 127, 0][usize::from(*byte % 4)];
                }
            }
        }
        tiles
    }

    fn random_tiles(count: usize, seed: u64) -> Vec<Tile> {
        let mut tiles = vec![Tile::ZERO; count];
        let values = numbers(count * SIDE * 2 * SIDE, seed, 2.0);
        for (tile, values) in tiles.iter_mut().zip(values.chunks(SIDE * 2 * SIDE)) {
            for (row, values) in values.chunks(2 * SIDE).enumerate() {
                for (half, value) in tile.row_mut(row).iter_mut().zip(values) {
                    *half = nearest(*value);
                }
            }
        }
        tiles
    }

    #[test]
    fn the_unit_and_its_portable_twin_agree() {
        let Some(mut unit) = TileRegisters::hold() else {
            skipped("the_unit_and_its_portable_twin_agree", "AMX");
            return;
        };
        for form in [Form::Single, Form::Split] {
            let numbers = TileFormat::Bfloat16(form);
            for steps in [1, 2, 3, 24] {
                let rows = [1, 2].map(|seed| random_tiles(steps * form.parts(), seed));
                let weights = random_tiles(numbers.tiles_of_panel(steps), 3);
                for input in [&[&rows[0][..]][..], &[&rows[0][..], &rows[1][..]]] {
                    let [mut first, mut later, mut twin] = [Sums::ZERO; 3];
                    Emulated.multiply(numbers, Pass::First, input, &weights, &mut twin);
                    unit.multiply(numbers, Pass::First, input, &weights, &mut first);
                    unit.multiply(numbers, Pass::Later, input, &weights, &mut later);
                    assert_eq!(first.0, later.0, "{form:?}, {steps} steps");
                    for row in 0..input.len() * SIDE {
                        for column in 0..WIDTH {
                            let (unit, twin) = (first.0[row][column], twin.0[row][column]);
                            // Should a processor add in another order: 32 products of up to 4.
                            let tolerance = 128.0 * f32::EPSILON * steps as f32;
                            assert!(
                                (unit - twin).abs() <= tolerance,
                                "{form:?}, {steps} steps, row {row}, column {column}: {unit}, {twin}"
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn int8_are_the_same_to_the_bit_in_both() {
        let Some(mut unit) = TileRegisters::hold() else {
            skipped("int8_are_the_same_to_the_bit_in_both", "AMX");
            return;
        };
        for make in [random_bytes, extreme_bytes] {
            for steps in [1, 2, 3, 24] {
                let rows = [1, 2].map(|seed| make(steps, seed));
                let weights = make(steps * PAIR, 3);
                let inputs = [&[&rows[0][..]][..], &[&rows[0][..], &rows[1][..]]];
                for input in inputs {
                    let [mut first, mut later, mut twin] = [Sums::ZERO; 3];
                    let bytes = TileFormat::Int8;
                    unit.multiply(bytes, Pass::First, input, &weights, &mut first);
                    unit.multiply(bytes, Pass::Later, input, &weights, &mut later);
                    Emulated.multiply(bytes, Pass::Later, input, &weights, &mut twin);
                    assert_eq!(first.whole_mut(), twin.whole_mut(), "{steps} steps");
                    assert_eq!(later.whole_mut(), twin.whole_mut(), "{steps} steps");
                }
            }
        }
    }
}
