//! The whole encoder layer, gated linear layers and rotary position embeddings.

use burn::tensor::s;
use cpu_kernels::Rotation;

use super::attention::any_options;
use super::*;
use crate::cpu::ThreadBudget;
use crate::{
    AttentionOptions, EncoderLayerNorms, EncoderLayerWeights, RotaryTable, SequenceRanges,
};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    // The reference composes fast implementations, too, and a row gives the same bits in any block.
    #[test]
    fn a_layer_is_its_operations_one_by_one(
        lengths in prop_oneof![
            prop::collection::vec(1usize..60, 1..3),
            prop::collection::vec(0usize..60, 2..12),
            prop::collection::vec(200usize..400, 1..3),
            // Shared by several threads.
            (1usize..80, 3usize..13).prop_map(|(length, count)| vec![length; count]),
        ],
        heads in 1usize..4,
        half_head in 2usize..12,
        // The depth of the last layer: one k-block, and two.
        inner in prop_oneof![8 => 1usize..130, 1 => 1025usize..1100],
        precisions in [(); 4].map(|()| prop::sample::select(vec![Precision::Float32, Precision::Bfloat16, Precision::Int8])),
        activation in any_activation(),
        (with_bias, window, _) in any_options(),
        // Pre-norm, a norm before attention, gated, rotated.
        choices in any::<[bool; 4]>(),
    ) {
        let [pre, first_norm, gated, rotated] = choices;
        let head_size = 2 * half_head;
        let (sequences, width) = (SequenceRanges::of_lengths(lengths), heads * head_size);
        every::set_of_instructions(|| {
            let layer = |input, output| (random([input, output], 0.3), random([output], 1.0));
            let pack = |input, output, precision: usize| {
                Flex::pack_linear(&[layer(input, output)], precisions[precision]).unwrap()
            };
            let intermediate = if gated {
                let halves = [layer(width, inner), layer(width, inner)];
                Flex::pack_gated_linear(halves, precisions[1]).unwrap()
            } else {
                pack(width, inner, 1)
            };
            let norms = if pre {
                let attention = first_norm.then(|| norm(width));
                EncoderLayerNorms::Pre { attention, feed_forward: norm(width) }
            } else {
                EncoderLayerNorms::Post { attention: norm(width), output: norm(width) }
            };
            let weights = EncoderLayerWeights {
                projections: pack(width, 3 * width, 3),
                attention_output: pack(width, width, 0),
                rotary: rotated.then(|| RotaryTable::new(head_size, 10_000.0, sequences.longest())),
                norms,
                intermediate,
                activation,
                output: pack(inner, width, 2),
            };
            let hidden = random([sequences.tokens(), width], 1.0);
            let bias = random([1, heads, sequences.longest(), sequences.longest()], 1.0);
            let options = AttentionOptions {
                bias: with_bias.then_some(bias),
                window,
                ..AttentionOptions::new(heads, head_size)
            };
            let expected =
                reference::encoder_layer(hidden.clone(), options.clone(), &sequences, weights.clone());
            // In the place of `hidden`, except where another tensor shares it.
            let before = bits(hidden.clone());
            // In a pool of two threads, a call may use both, or one.
            let layer = |hidden, lanes| ThreadBudget::new(lanes).run(|| {
                Flex::encoder_layer(hidden, options.clone(), &sequences, weights.clone())
            });
            for lanes in [1, 2] {
                let found = layer(hidden.clone(), lanes);
                prop_assert_eq!(found.dims(), [sequences.tokens(), width]);
                prop_assert_eq!(bits(found), bits(expected.clone()));
                prop_assert_eq!(bits(hidden.clone()), before.clone());
            }
            prop_assert_eq!(bits(layer(hidden, 2)), bits(expected));
            Ok::<_, TestCaseError>(())
        })?;
    }

    #[test]
    fn a_gated_layer_is_the_same_as_burns_and_its_backward_pass_the_derivative(
        rows in 1usize..60,
        input in 1usize..150,
        output in 1usize..70,
        activation in any_activation(),
    ) {
        every::set_of_instructions(|| {
            let (values, direction) = (random([rows, input], 1.0), random([rows, output], 1.0));
            let (weight, bias) = (random([input, 2 * output], 0.1), random([2 * output], 1.0));
            let of_burn = |x: Tensor<Train, 2>, w: Tensor<Train, 2>, b: Tensor<Train, 1>| {
                let sums = x.matmul(w) + b.unsqueeze();
                let gates = sums.clone().slice(s![.., ..output]);
                Train::activation(gates, activation) * sums.slice(s![.., output..])
            };
            let leaves = || (leaf(&values), leaf(&weight), leaf(&bias));
            let (x, w, b) = leaves();
            let expected = of_burn(x.clone(), w.clone(), b.clone());
            let forward = expected.clone().inner();
            let derived = (expected * Tensor::from_inner(direction.clone())).sum().backward();

            // Sums of up to 150 products of about 0.1, and products of two of them; on AMX each is off by 2^-15.
            let scale = if crate::cpu::uses_amx() { 100.0 } else { 10.0 };
            let half = |columns: std::ops::Range<usize>| {
                (weight.clone().slice(s![.., columns.clone()]), bias.clone().slice(s![columns]))
            };
            let halves = [half(0..output), half(output..2 * output)];
            let packed = Flex::pack_gated_linear(halves, Precision::Float32).unwrap();
            let packed = || LinearWeights::Packed(packed.clone());
            assert_same(Flex::gated_linear(values.clone(), packed(), activation), forward.clone(), scale);
            assert_same(Flex::linear(values.clone(), packed(), activation), forward.clone(), scale);
            assert_same(reference::gated_linear(values.clone(), packed(), activation), forward.clone(), scale);
            assert_same(reference::linear(values.clone(), packed(), activation), forward.clone(), scale);
            let not_f32 = [(); 2].map(|()| {
                let (weight, bias) = (random([input, output], 0.1), random([output], 1.0));
                (weight.cast(DType::F64), bias.cast(DType::F64))
            });
            prop_assert!(Flex::pack_gated_linear(not_f32, Precision::Float32).is_none());

            let (x_node, w_node, b_node) = leaves();
            let weights = LinearWeights::Unpacked { weight: w_node.clone(), bias: b_node.clone() };
            let node = Train::gated_linear(x_node.clone(), weights, activation);
            assert_same(node.clone().inner(), forward, 10.0);
            let found = (node * Tensor::from_inner(direction.clone())).sum().backward();
            assert_same(x_node.grad(&found).unwrap(), x.grad(&derived).unwrap(), 10.0);
            assert_same(w_node.grad(&found).unwrap(), w.grad(&derived).unwrap(), 40.0);
            assert_same(b_node.grad(&found).unwrap(), b.grad(&derived).unwrap(), 40.0);
            Ok::<_, TestCaseError>(())
        })?;
    }

    #[test]
    fn rotary_embeddings_are_those_of_the_reference_and_go_back_by_the_opposite_angle(
        lengths in prop::collection::vec(0usize..50, 1..6),
        heads in 1usize..5,
        pairs in 1usize..33,
    ) {
        let (sequences, width) = (SequenceRanges::of_lengths(lengths), heads * 2 * pairs);
        let table = RotaryTable::new(2 * pairs, 10_000.0, 50);
        every::set_of_instructions(|| {
            let (values, direction) =
                (random([sequences.tokens(), width], 1.0), random([sequences.tokens(), width], 1.0));
            let of = |x: Tensor<Train, 2>| reference::rotary(x, &table, &sequences, Rotation::Forward);
            let expected = reference::rotary(values.clone(), &table, &sequences, Rotation::Forward);
            assert_same(Flex::rotary(values.clone(), &table, &sequences), expected, 0.1);
            if sequences.tokens() == 0 {
                return Ok(());
            }
            let x = leaf(&values);
            let [derived] = gradients!(of(x.clone()), direction, [x]);
            let fast = Flex::rotary_backward(direction.clone(), &table, &sequences);
            assert_same(fast, derived.clone(), 0.1);
            let default = reference::rotary(direction.clone(), &table, &sequences, Rotation::Backward);
            assert_same(default, derived.clone(), 0.1);
            let x = leaf(&values);
            let [node] = gradients!(Train::rotary(x.clone(), &table, &sequences), direction, [x]);
            assert_same(node, derived, 0.1);
            Ok::<_, TestCaseError>(())
        })?;
    }
}
