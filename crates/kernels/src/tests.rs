//! Fast implementations against the reference ones, and every backward pass against the one that burn derives.

mod attention;
mod extremes;
mod layer;

use burn::backend::Autodiff;
use burn::tensor::{DType, Distribution, Tensor, TensorData, Tolerance, bf16};
use burn_flex::Flex;
use proptest::prelude::*;

use crate::cpu::every;
use crate::{
    Activation, AdamWStep, DropoutMask, EncoderOps, LayerNormGradients, LayerNormWeights,
    LinearWeights, Precision, reference,
};

type Train = Autodiff<Flex>;

fn random<const D: usize>(shape: [usize; D], scale: f64) -> Tensor<Flex, D> {
    Tensor::random(shape, Distribution::Normal(0.0, scale), &Default::default())
}

/// Sums of some hundred products in float32, in another order.
#[track_caller]
fn assert_same<const D: usize>(fast: Tensor<Flex, D>, plain: Tensor<Flex, D>, scale: f32) {
    let tolerance = Tolerance::absolute(2e-5 * scale);
    fast.into_data()
        .assert_approx_eq::<f32>(&plain.into_data(), tolerance);
}

/// A leaf of a graph.
fn leaf<const D: usize>(tensor: &Tensor<Flex, D>) -> Tensor<Train, D> {
    Tensor::from_inner(tensor.clone()).require_grad()
}

/// The gradients of `(output * direction).sum()`.
macro_rules! gradients {
    ($output:expr, $direction:expr, [$($leaf:expr),*]) => {{
        let gradients = ($output * Tensor::from_inner($direction.clone())).sum().backward();
        [$($leaf.grad(&gradients).unwrap()),*]
    }};
}

// By path, as an item: for the modules within this one, too.
use gradients;

/// The rows of a linear layer as they are multiplied: with bfloat16 weights they may be rounded, too.
fn as_multiplied<const D: usize>(rows: Tensor<Flex, D>, precision: Precision) -> Tensor<Flex, D> {
    if precision == Precision::Bfloat16 && crate::cpu::has_bf16_dot_product() {
        let rounded = |value: f32| bf16::from_f32(value).to_f32();
        let values: Vec<f32> = rows.to_data().iter::<f32>().map(rounded).collect();
        Tensor::from_data(TensorData::new(values, rows.dims()), &Default::default())
    } else {
        rows
    }
}

fn bits(tensor: Tensor<Flex, 2>) -> Vec<u32> {
    tensor.into_data().iter::<f32>().map(f32::to_bits).collect()
}

fn norm(width: usize) -> LayerNormWeights<Flex> {
    LayerNormWeights {
        gamma: random([width], 1.0),
        beta: random([width], 1.0),
        epsilon: 1e-5,
    }
}

fn any_activation() -> impl Strategy<Value = Activation> {
    prop::sample::select(vec![
        Activation::Identity,
        Activation::Gelu,
        Activation::GeluTanh,
        Activation::Relu,
        Activation::Silu,
        Activation::Tanh,
    ])
}

fn dropout(acts: bool) -> Option<DropoutMask> {
    acts.then_some(DropoutMask {
        probability: 0.3,
        seed: 7,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_linear_layer_is_the_same_as_burns(
        rows in 1usize..60,
        input in 1usize..150,
        output in 1usize..70,
        activation in any_activation(),
    ) {
        every::set_of_instructions(|| {
            let values = random([rows, input], 1.0);
            let (weight, bias) = (random([input, output], 0.3), random([output], 1.0));
            let layer = [(weight.clone(), bias.clone())];
            let packed = Flex::pack_linear(&layer, Precision::Float32);
            let packed = LinearWeights::Packed(packed.unwrap());
            let weights = LinearWeights::Unpacked { weight, bias };
            let plain = reference::linear(values.clone(), weights, activation);
            let fast = Flex::linear(values.clone(), packed.clone(), activation);
            // Packed for AMX float32 keeps 17 significant bits: 150 products of about 0.2, each within 2^-15 of
            // its size.
            let scale = if crate::cpu::uses_amx() { 50.0 } else { 4.0 };
            assert_same(fast, plain.clone(), scale);
            // The reference implementation understands packed weights too.
            assert_same(reference::linear(values.clone(), packed, activation), plain, scale);
            let packed = Flex::pack_linear(&layer, Precision::Bfloat16);
            let packed = LinearWeights::Packed(packed.unwrap());
            let values = as_multiplied(values, Precision::Bfloat16);
            let fast = Flex::linear(values.clone(), packed.clone(), activation);
            assert_same(fast, reference::linear(values, packed, activation), 4.0);
            Ok::<_, TestCaseError>(())
        })?;
    }

    #[test]
    fn the_backward_pass_of_an_exact_matmul_is_that_of_burns(
        shape in [1usize..4, 1usize..30, 1usize..30, 1usize..30],
        trained in any::<[bool; 2]>(),
    ) {
        every::set_of_instructions(|| {
            let [batch, rows, depth, columns] = shape;
            let (left, right) = (random([batch, rows, depth], 1.0), random([batch, depth, columns], 1.0));
            let direction = random([batch, rows, columns], 1.0);
            let through = |product: fn(Tensor<Train, 3>, Tensor<Train, 3>) -> Tensor<Train, 3>| {
                let [l, r] = [(&left, trained[0]), (&right, trained[1])].map(|(side, trained)| {
                    if trained { leaf(side) } else { Tensor::from_inner(side.clone()) }
                });
                let output = product(l.clone(), r.clone());
                let forth = output.clone().inner();
                if trained == [false; 2] {
                    return (forth, [None, None]);
                }
                let gradients = (output * Tensor::from_inner(direction.clone())).sum().backward();
                (forth, [l.grad(&gradients), r.grad(&gradients)])
            };
            let (expected, expected_back) = through(Tensor::matmul);
            let (found, found_back) = through(crate::autodiff::matmul_node);
            assert_same(found, expected, 1.0);
            for (found, expected) in found_back.into_iter().zip(expected_back) {
                prop_assert_eq!(found.is_some(), expected.is_some());
                if let (Some(found), Some(expected)) = (found, expected) {
                    assert_same(found, expected, 1.0);
                }
            }
            Ok::<_, TestCaseError>(())
        })?;
    }

    #[test]
    fn the_backward_pass_of_a_linear_layer_is_the_derivative(
        // On both sides of where packing pays.
        rows in prop_oneof![1usize..150, 500usize..560],
        input in 1usize..150,
        output in 1usize..70,
        activation in any_activation(),
        trained in any::<[bool; 2]>(),
    ) {
        every::set_of_instructions(|| {
            let (values, direction) = (random([rows, input], 1.0), random([rows, output], 1.0));
            let (weight, bias) = (random([input, output], 0.3), random([output], 1.0));
            let leaves = || (leaf(&values), leaf(&weight), leaf(&bias));

            let (x, w, b) = leaves();
            let sum = burn::tensor::module::linear(x.clone(), w.clone(), Some(b.clone()));
            let activated = Train::activation(sum, activation);
            let derived = (activated * Tensor::from_inner(direction.clone())).sum().backward();
            let expected = [x, w].map(|leaf| leaf.grad(&derived).unwrap());
            let expected_bias = b.grad(&derived).unwrap();
            let forth = reference::linear(
                values.clone(),
                LinearWeights::Unpacked { weight: weight.clone(), bias: bias.clone() },
                activation,
            );
            // Sums of up to 560 products of two standard normals, in another order; on AMX each, of about 0.6, is
            // off by up to 2^-15 of its size.
            let scale = if crate::cpu::uses_amx() { 550.0 } else { 20.0 };

            let (x, w, b) = leaves();
            let weights = LinearWeights::Unpacked { weight: w.clone(), bias: b.clone() };
            let node = Train::linear(x.clone(), weights, activation);
            assert_same(node.clone().inner(), forth, scale);
            let gradients = (node * Tensor::from_inner(direction.clone())).sum().backward();
            // A plain sum, but with an activation of its slopes at those products.
            let of_sum = if activation == Activation::Identity { 20.0 } else { scale };
            assert_same(b.grad(&gradients).unwrap(), expected_bias, of_sum);
            for (leaf, expected) in [x, w].iter().zip(&expected) {
                assert_same(leaf.grad(&gradients).unwrap(), expected.clone(), scale);
            }

            // Frozen tensors get no gradient, and the others the same.
            let [with_input, with_weight] = trained;
            let (x, w, b) = leaves();
            let x = if with_input { x } else { Tensor::from_inner(values) };
            let w = if with_weight { w } else { Tensor::from_inner(weight) };
            let weights = LinearWeights::Unpacked { weight: w.clone(), bias: b };
            let node = Train::linear(x.clone(), weights, activation);
            let gradients = (node * Tensor::from_inner(direction)).sum().backward();
            for ((leaf, trained), expected) in [x, w].iter().zip(trained).zip(expected) {
                match leaf.grad(&gradients) {
                    Some(found) => {
                        prop_assert!(trained);
                        assert_same(found, expected, scale);
                    }
                    None => prop_assert!(!trained),
                }
            }
            Ok::<_, TestCaseError>(())
        })?;
    }

    #[test]
    fn steps_of_adamw_are_the_default_ones_to_the_bit(
        rows in 1usize..60,
        width in 1usize..900,
        // The square of the smallest is 0.
        magnitude in prop::sample::select(vec![1e-40_f32, 0.01, 1e15]),
    ) {
        every::set_of_instructions(|| {
            let zeros = || Tensor::zeros([rows, width], &Default::default());
            let mut fast = (random([rows, width], 1.0), [zeros(), zeros()]);
            let mut default = fast.clone();
            for time in 1..4 {
                let gradient = random([rows, width], 1.0) * magnitude;
                let step = AdamWStep {
                    learning_rate: 1e-3,
                    weight_decay: 0.01,
                    beta_1: 0.9,
                    beta_2: 0.999,
                    epsilon: 1e-8,
                    time,
                };
                fast = Flex::adamw(fast.0, gradient.clone(), fast.1, &step);
                default = reference::adamw(default.0, gradient.clone(), default.1, &step);
                fast.0.to_data().assert_eq(&default.0.to_data(), true);
                for (fast, default) in fast.1.iter().zip(&default.1) {
                    fast.to_data().assert_eq(&default.to_data(), true);
                }
                let (sum, expected) = (Flex::sum_of_squares(gradient.clone()), reference::sum_of_squares(gradient));
                // The reference sums in float32, too.
                prop_assert!((sum - expected).abs() <= 1e-5 * expected);
            }
            Ok::<_, TestCaseError>(())
        })?;
    }

    #[test]
    fn activations_are_burns_and_their_backward_passes_the_derivatives(
        rows in 1usize..40,
        width in 1usize..900,
        activation in any_activation(),
    ) {
        every::set_of_instructions(|| {
            let (values, direction) = (random([rows, width], 2.0), random([rows, width], 1.0));
            let of_burn = |x: Tensor<Train, 2>| match activation {
                Activation::Identity => x,
                // Not burn's own, whose backward pass is that of the approximation.
                Activation::Gelu => {
                    let erf = (x.clone() / std::f64::consts::SQRT_2).erf();
                    x * (erf + 1.0) * 0.5
                }
                Activation::GeluTanh => burn::tensor::activation::gelu_approximate(x),
                Activation::Relu => burn::tensor::activation::relu(x),
                Activation::Silu => burn::tensor::activation::silu(x),
                Activation::Tanh => burn::tensor::activation::tanh(x),
            };
            let expected = of_burn(leaf(&values)).inner();
            assert_same(Flex::activation(values.clone(), activation), expected.clone(), 1.0);
            assert_same(reference::activation(values.clone(), activation), expected, 1.0);

            let x = leaf(&values);
            let [derived] = gradients!(of_burn(x.clone()), direction, [x]);
            let fast = Flex::activation_backward(values.clone(), direction.clone(), activation);
            assert_same(fast, derived.clone(), 1.0);
            let default =
                reference::activation_backward(values.clone(), direction.clone(), activation);
            assert_same(default, derived.clone(), 1.0);
            let x = leaf(&values);
            let [node] = gradients!(Train::activation(x.clone(), activation), direction, [x]);
            assert_same(node, derived, 1.0);
            Ok::<_, TestCaseError>(())
        })?;
    }

    // A row of two equal numbers has no variance, and magnifies rounding: the widths begin where
    // that does not happen by chance.
    #[test]
    fn layer_norm_is_burns_and_its_backward_pass_the_derivative(
        rows in 1usize..150,
        width in 8usize..150,
    ) {
        every::set_of_instructions(|| {
            let (values, residual) = (random([rows, width], 1.0), random([rows, width], 2.0));
            let (norm, direction) = (norm(width), random([rows, width], 1.0));
            let sum = values.clone() + residual.clone();
            let expected = reference::layer_norm(sum.clone(), norm.clone());
            assert_same(Flex::layer_norm(sum.clone(), norm.clone()), expected.clone(), 1.0);
            assert_same(Flex::add_layer_norm(values, residual, norm.clone()), expected, 1.0);

            let leaves = |norm: &LayerNormWeights<Flex>| LayerNormWeights {
                gamma: leaf(&norm.gamma),
                beta: leaf(&norm.beta),
                epsilon: norm.epsilon,
            };
            let (x, parameters) = (leaf(&sum), leaves(&norm));
            let output = reference::layer_norm(x.clone(), parameters.clone());
            let [of_values] = gradients!(output, direction, [x]);
            let output = reference::layer_norm(leaf(&sum), parameters.clone());
            let [of_gamma, of_beta] = gradients!(output, direction, [parameters.gamma, parameters.beta]);
            let check = |found: LayerNormGradients<Flex>| {
                assert_same(found.values, of_values.clone(), 4.0);
                // Sums over as many as 150 rows.
                assert_same(found.gamma, of_gamma.clone(), 4.0);
                assert_same(found.beta, of_beta.clone(), 4.0);
            };
            check(Flex::layer_norm_backward(sum.clone(), norm.clone(), direction.clone()));
            check(reference::layer_norm_backward(sum.clone(), norm.clone(), direction.clone()));
            let (x, parameters) = (leaf(&sum), leaves(&norm));
            let output = Train::layer_norm(x.clone(), parameters.clone());
            let [values] = gradients!(output, direction, [x]);
            let output = Train::layer_norm(leaf(&sum), parameters.clone());
            let [gamma, beta] = gradients!(output, direction, [parameters.gamma, parameters.beta]);
            check(LayerNormGradients { values, gamma, beta });
            Ok::<_, TestCaseError>(())
        })?;
    }

    #[test]
    fn dropout_is_the_same_forward_and_backward(rows in 1usize..40, width in 1usize..900, seed in any::<u64>()) {
        every::set_of_instructions(|| {
            let values = random([rows, width], 1.0);
            let mask = DropoutMask { probability: 0.1, seed };
            let expected = reference::dropout(values.clone(), mask);
            let fast = Flex::dropout(values.clone(), mask);
            fast.into_data().assert_eq(&expected.into_data(), true);
            let x = leaf(&values);
            let direction = random([rows, width], 1.0);
            let [back] = gradients!(Train::dropout(x.clone(), mask), direction, [x]);
            let expected = reference::dropout(direction, mask);
            back.into_data().assert_eq(&expected.into_data(), true);
            Ok::<_, TestCaseError>(())
        })?;
    }
}

#[test]
fn weights_of_another_type_stay_as_they_are() {
    let weight = random([4, 4], 1.0).cast(DType::F64);
    let bias = random([4], 1.0).cast(DType::F64);
    assert!(Flex::pack_linear(&[(weight, bias)], Precision::Float32).is_none());
}
