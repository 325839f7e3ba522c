//! The fast bodies: burn-flex tensors, seen as slices.

use burn::tensor::{DType, Tensor, TensorData, TensorPrimitive};
use burn_flex::{Flex, FlexTensor};

use crate::cpu::{self, Activation, PackedLinear, PositionBias, Precision, Projections, Strided};
use crate::encoder_ops::{
    EncoderOps, LinearWeights, Norm, plain_add_layer_norm, plain_attention_within, plain_dense,
};
use crate::texts::Texts;

impl EncoderOps for Flex {
    const END_TO_END: bool = true;

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
