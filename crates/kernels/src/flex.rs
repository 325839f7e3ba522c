//! The fast bodies: burn-flex tensors, seen as slices.

use burn::tensor::{DType, Tensor, TensorData, TensorPrimitive};
use burn_flex::{Flex, FlexTensor};

use crate::cpu::{self, Activation, PackedLinear, PositionBias, Projections, Strided};
use crate::encoder_ops::{
    EncoderOps, LinearWeights, Norm, plain_add_layer_norm, plain_attention_within, plain_dense,
};
use crate::precision::Precision;
use crate::texts::Texts;

impl EncoderOps for Flex {
    const END_TO_END: bool = true;
    const PACKS_WEIGHTS: bool = true;

    fn pack_linear(
        layers: &[(Tensor<Self, 2>, Tensor<Self, 1>)],
        precision: Precision,
    ) -> Option<PackedLinear> {
        let layers: Vec<(FlexTensor, FlexTensor)> = layers
            .iter()
            .map(|(weight, bias)| (contiguous(weight.clone()), contiguous(bias.clone())))
            .collect();
        if layers
            .iter()
            .any(|(weight, bias)| !is_f32(weight) || !is_f32(bias))
        {
            return None;
        }
        let slices: Vec<(&[f32], &[f32])> = layers
            .iter()
            .map(|(weight, bias)| (slice(weight), slice(bias)))
            .collect();
        Some(PackedLinear::pack(&slices, precision))
    }

    fn dense(
        input: Tensor<Self, 2>,
        weights: LinearWeights<Self>,
        activation: Activation,
    ) -> Tensor<Self, 2> {
        let packed = match weights {
            LinearWeights::Packed(packed) if input.dtype() == DType::F32 => packed,
            plain => return plain_dense(input, plain, activation),
        };
        let [rows, _] = input.dims();
        let mut output = vec![0.0; rows * packed.output()];
        cpu::linear(slice(&contiguous(input)), &packed, activation, &mut output);
        tensor(output, [rows, packed.output()])
    }

    fn add_layer_norm(
        values: Tensor<Self, 2>,
        residual: Tensor<Self, 2>,
        norm: Norm<Self>,
    ) -> Tensor<Self, 2> {
        if [values.dtype(), residual.dtype(), norm.scale.dtype()] != [DType::F32; 3] {
            return plain_add_layer_norm(values, residual, norm);
        }
        let mut values = contiguous(values);
        cpu::add_layer_norm(
            values.storage_mut::<f32>(),
            slice(&contiguous(residual)),
            slice(&contiguous(norm.scale)),
            slice(&contiguous(norm.shift)),
            norm.epsilon as f32,
        );
        Tensor::from_primitive(TensorPrimitive::Float(values))
    }

    fn attention_within(
        query_key_value: [Tensor<Self, 2>; 3],
        bias: Tensor<Self, 4>,
        texts: &Texts,
    ) -> Tensor<Self, 2> {
        let [tokens, width] = query_key_value[0].dims();
        let [_, heads, _, length] = bias.dims();
        if query_key_value
            .iter()
            .any(|tensor| tensor.dtype() != DType::F32)
            || bias.dtype() != DType::F32
        {
            return plain_attention_within(query_key_value, bias, texts);
        }
        let [query, key, value] = query_key_value.map(rows);
        let bias = contiguous(bias);
        let mut output = vec![0.0; tokens * width];
        cpu::attention(
            Projections {
                query: strided(&query),
                key: strided(&key),
                value: strided(&value),
            },
            PositionBias {
                values: slice(&bias),
                length,
            },
            texts.ranges(),
            heads,
            width / heads,
            &mut output,
        );
        tensor(output, [tokens, width])
    }
}

fn primitive<const D: usize>(tensor: Tensor<Flex, D>) -> FlexTensor {
    tensor.into_primitive().tensor()
}

/// Row-major, and nothing else in its storage.
fn contiguous<const D: usize>(tensor: Tensor<Flex, D>) -> FlexTensor {
    primitive(tensor).to_contiguous()
}

/// A matrix whose rows are whole, but may be apart: a slice of columns is not copied.
fn rows(tensor: Tensor<Flex, 2>) -> FlexTensor {
    let tensor = primitive(tensor);
    match *tensor.layout().strides() {
        [row, 1] if row >= 0 => tensor,
        _ => tensor.to_contiguous(),
    }
}

fn is_f32(tensor: &FlexTensor) -> bool {
    tensor.dtype() == DType::F32
}

fn slice(tensor: &FlexTensor) -> &[f32] {
    tensor.storage()
}

fn strided(tensor: &FlexTensor) -> Strided<'_> {
    let layout = tensor.layout();
    Strided {
        values: &slice(tensor)[layout.start_offset()..],
        stride: layout.strides()[0].unsigned_abs(),
    }
}

fn tensor(values: Vec<f32>, shape: [usize; 2]) -> Tensor<Flex, 2> {
    let tensor = FlexTensor::from_data(TensorData::new(values, shape));
    Tensor::from_primitive(TensorPrimitive::Float(tensor))
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Distribution, Tolerance};
    use proptest::prelude::*;

    use super::*;

    fn random<const D: usize>(shape: [usize; D], scale: f64) -> Tensor<Flex, D> {
        Tensor::random(shape, Distribution::Normal(0.0, scale), &Default::default())
    }

    /// Sums of some hundred products in float32, in another order.
    fn assert_same<const D: usize>(fast: Tensor<Flex, D>, plain: Tensor<Flex, D>, scale: f32) {
        let tolerance = Tolerance::absolute(2e-5 * scale);
        fast.into_data()
            .assert_approx_eq::<f32>(&plain.into_data(), tolerance);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn a_dense_layer_is_the_same_as_burns(
            rows in 1usize..60,
            input in 1usize..150,
            output in 1usize..70,
            gelu in any::<bool>(),
        ) {
            let (values, weight, bias) = (random([rows, input], 1.0), random([input, output], 0.3), random([output], 1.0));
            let activation = if gelu { Activation::Gelu } else { Activation::Identity };
            let packed = Flex::pack_linear(&[(weight.clone(), bias.clone())], Precision::Float32).unwrap();
            let plain = plain_dense(values.clone(), LinearWeights::Plain { weight, bias }, activation);
            let fast = Flex::dense(values.clone(), LinearWeights::Packed(packed.clone()), activation);
            // Packed for a matrix unit, float32 keeps 17 significant bits.
            assert_same(fast, plain.clone(), 4.0);
            // The default body understands packed weights too.
            assert_same(plain_dense(values, LinearWeights::Packed(packed), activation), plain, 4.0);
        }

        #[test]
        fn normalisation_is_the_same_as_burns(rows in 1usize..60, width in 2usize..150) {
            let (values, residual) = (random([rows, width], 1.0), random([rows, width], 2.0));
            let norm = Norm { scale: random([width], 1.0), shift: random([width], 1.0), epsilon: 1e-5 };
            let plain = plain_add_layer_norm(values.clone(), residual.clone(), norm.clone());
            // A row of two equal numbers has no variance: the tolerance is for the usual ones.
            assert_same(Flex::add_layer_norm(values, residual, norm), plain, 4.0);
        }

        #[test]
        fn attention_is_the_same_as_burns(
            lengths in prop::collection::vec(1usize..50, 1..6),
            heads in 1usize..5,
            head_size in 1usize..33,
            joined in any::<bool>(),
        ) {
            let texts = Texts::of_lengths(lengths);
            let (tokens, width) = (texts.tokens(), heads * head_size);
            let longest = texts.longest() + 2;
            let bias = random([1, heads, longest, longest], 1.0);
            // As slices of one tensor, which are not copied, or as tensors of their own.
            let projections = if joined {
                let all = random([tokens, 3 * width], 1.0);
                [0, 1, 2].map(|part| all.clone().slice([0..tokens, part * width..(part + 1) * width]))
            } else {
                [0, 1, 2].map(|_| random([tokens, width], 1.0))
            };
            let plain = plain_attention_within(projections.clone(), bias.clone(), &texts);
            assert_same(Flex::attention_within(projections, bias, &texts), plain, 1.0);
        }
    }

    #[test]
    fn no_texts_give_no_rows() {
        let texts = Texts::of_lengths([]);
        let empty = || Tensor::<Flex, 2>::zeros([0, 8], &Default::default());
        let bias = random([1, 2, 1, 1], 1.0);
        let attended = Flex::attention_within([empty(), empty(), empty()], bias, &texts);
        assert_eq!(attended.dims(), [0, 8]);
    }

    #[test]
    fn weights_of_another_type_stay_as_they_are() {
        let weight = random([4, 4], 1.0).cast(DType::F64);
        let bias = random([4], 1.0).cast(DType::F64);
        assert!(Flex::pack_linear(&[(weight, bias)], Precision::Float32).is_none());
    }
}
