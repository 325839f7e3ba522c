//! The fast bodies: burn-flex tensors, seen as slices.

use burn::tensor::{DType, Tensor, TensorData, TensorPrimitive};
use burn_flex::{Flex, FlexTensor};

use crate::adamw::AdamWStep;
use crate::cpu::{
    self, Activation, Attention, Factor, Gradients, NormParameters, PackedLinear, PositionBias,
    Projections, Strided,
};
use crate::dropout::DropoutMask;
use crate::encoder_ops::{AttentionGradients, DenseGradients, EncoderOps, NormalizeGradients};
use crate::plain;
use crate::precision::Precision;
use crate::texts::Texts;
use crate::weights::{EncoderLayerWeights, LinearWeights, Norm};

impl EncoderOps for Flex {
    const END_TO_END: bool = true;
    const PACKS_WEIGHTS: bool = true;

    fn precisions(_: &Self::Device) -> Vec<Precision> {
        // A processor computes in float32: float16 would save memory, as bfloat16 does, at a smaller range.
        vec![Precision::Float32, Precision::Bfloat16, Precision::Int8]
    }

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
        let [rows, _] = input.dims();
        match weights {
            LinearWeights::Packed(packed) if input.dtype() == DType::F32 => {
                let mut output = vec![0.0; rows * packed.output()];
                cpu::linear(slice(&contiguous(input)), &packed, activation, &mut output);
                tensor(output, [rows, packed.output()])
            }
            LinearWeights::Plain { weight, bias }
                if pays(rows, &weight)
                    && [input.dtype(), weight.dtype(), bias.dtype()] == [DType::F32; 3] =>
            {
                let (input, weight, bias) =
                    (contiguous(input), contiguous(weight), contiguous(bias));
                let (left, right) = (Factor::Rows(slice(&input)), Factor::Rows(slice(&weight)));
                let sum = product(left, right, slice(&bias), rows);
                match activation {
                    Activation::Identity => sum,
                    Activation::Gelu => Self::exact_gelu(sum),
                }
            }
            weights => plain::dense(input, weights, activation),
        }
    }

    fn dense_backward(
        input: Option<Tensor<Self, 2>>,
        weight: Option<Tensor<Self, 2>>,
        gradient: Tensor<Self, 2>,
    ) -> DenseGradients<Self> {
        let [rows, outputs] = gradient.dims();
        let mut others = input.iter().chain(&weight);
        if gradient.dtype() != DType::F32
            || !pays(rows, &gradient)
            || !others.all(|other| other.dtype() == DType::F32 && other.dims()[1] > 0)
        {
            return plain::dense_backward(input, weight, gradient);
        }
        let gradient = contiguous(gradient);
        let of_input = |weight: Tensor<Self, 2>| {
            let [inputs, _] = weight.dims();
            let weight = contiguous(weight);
            let right = Factor::Columns(slice(&weight));
            product(
                Factor::Rows(slice(&gradient)),
                right,
                &vec![0.0; inputs],
                rows,
            )
        };
        let of_weight = |input: Tensor<Self, 2>| {
            let [_, inputs] = input.dims();
            let input = contiguous(input);
            let left = Factor::Columns(slice(&input));
            product(
                left,
                Factor::Rows(slice(&gradient)),
                &vec![0.0; outputs],
                inputs,
            )
        };
        DenseGradients {
            input: weight.map(of_input),
            weight: input.map(of_weight),
            bias: tensor(cpu::column_sums(slice(&gradient), outputs), [outputs]),
        }
    }

    fn exact_gelu(values: Tensor<Self, 2>) -> Tensor<Self, 2> {
        if values.dtype() != DType::F32 {
            return burn::tensor::activation::gelu(values);
        }
        in_place(values, cpu::gelu)
    }

    fn exact_gelu_backward(values: Tensor<Self, 2>, gradient: Tensor<Self, 2>) -> Tensor<Self, 2> {
        if [values.dtype(), gradient.dtype()] != [DType::F32; 2] {
            return plain::exact_gelu_backward(values, gradient);
        }
        let values = contiguous(values);
        in_place(gradient, |gradient| {
            cpu::gelu_backward(slice(&values), gradient)
        })
    }

    fn normalize(values: Tensor<Self, 2>, norm: Norm<Self>) -> Tensor<Self, 2> {
        if [values.dtype(), norm.scale.dtype()] != [DType::F32; 2] {
            return plain::normalize(values, norm);
        }
        let norm = NormSlices::of(norm);
        in_place(values, |values| cpu::layer_norm(values, norm.parameters()))
    }

    fn normalize_backward(
        values: Tensor<Self, 2>,
        norm: Norm<Self>,
        gradient: Tensor<Self, 2>,
    ) -> NormalizeGradients<Self> {
        if [values.dtype(), norm.scale.dtype(), gradient.dtype()] != [DType::F32; 3] {
            return plain::normalize_backward(values, norm, gradient);
        }
        let (values, scale) = (contiguous(values), contiguous(norm.scale));
        let mut gradient = contiguous(gradient);
        let of = cpu::layer_norm_backward(
            slice(&values),
            slice(&scale),
            norm.epsilon as f32,
            gradient.storage_mut::<f32>(),
        );
        let width = of.scale.len();
        NormalizeGradients {
            values: Tensor::from_primitive(TensorPrimitive::Float(gradient)),
            scale: tensor(of.scale, [width]),
            shift: tensor(of.shift, [width]),
        }
    }

    fn add_layer_norm(
        values: Tensor<Self, 2>,
        residual: Tensor<Self, 2>,
        norm: Norm<Self>,
    ) -> Tensor<Self, 2> {
        if [values.dtype(), residual.dtype(), norm.scale.dtype()] != [DType::F32; 3] {
            return plain::add_layer_norm(values, residual, norm);
        }
        let residual = contiguous(residual);
        let norm = NormSlices::of(norm);
        in_place(values, |values| {
            cpu::add_layer_norm(values, slice(&residual), norm.parameters());
        })
    }

    fn encoder_layer(
        hidden: Tensor<Self, 2>,
        bias: Tensor<Self, 4>,
        texts: &Texts,
        weights: EncoderLayerWeights<Self>,
    ) -> Tensor<Self, 2> {
        let norms = [&weights.attention_norm, &weights.output_norm];
        if [hidden.dtype(), bias.dtype()] != [DType::F32; 2]
            || norms.iter().any(|norm| norm.scale.dtype() != DType::F32)
        {
            return plain::encoder_layer(hidden, bias, texts, weights);
        }
        let [_, heads, _, length] = bias.dims();
        let bias = contiguous(bias);
        let context = cpu::Context {
            texts: texts.ranges(),
            bias: PositionBias {
                values: slice(&bias),
                length,
            },
            heads,
        };
        let attention_norm = NormSlices::of(weights.attention_norm);
        let output_norm = NormSlices::of(weights.output_norm);
        let layer = cpu::EncoderLayer {
            projections: &weights.projections,
            after_attention: cpu::AfterAttention {
                attention_output: &weights.attention_output,
                attention_norm: attention_norm.parameters(),
                intermediate: &weights.intermediate,
                output: &weights.output,
                output_norm: output_norm.parameters(),
            },
        };
        in_place(hidden, |hidden| cpu::encoder_layer(hidden, context, &layer))
    }

    fn attention_within(
        query_key_value: [Tensor<Self, 2>; 3],
        bias: Tensor<Self, 4>,
        texts: &Texts,
        dropout: Option<DropoutMask>,
        precision: Precision,
    ) -> Tensor<Self, 2> {
        let [tokens, width] = query_key_value[0].dims();
        let Some(input) = AttentionInput::new(&query_key_value, &bias) else {
            return plain::attention_within(query_key_value, bias, texts, dropout);
        };
        let mut output = vec![0.0; tokens * width];
        let attention = input.attention(texts, dropout, precision);
        cpu::attention(&attention, &mut output);
        tensor(output, [tokens, width])
    }

    fn attention_within_backward(
        query_key_value: [Tensor<Self, 2>; 3],
        bias: Tensor<Self, 4>,
        texts: &Texts,
        dropout: Option<DropoutMask>,
        gradient: Tensor<Self, 2>,
        of_bias: bool,
    ) -> AttentionGradients<Self> {
        let shape = query_key_value[0].dims();
        let bias_shape = bias.dims();
        let input = AttentionInput::new(&query_key_value, &bias);
        let Some(input) = input.filter(|_| gradient.dtype() == DType::F32) else {
            return plain::attention_within_backward(
                query_key_value,
                bias,
                texts,
                dropout,
                gradient,
                of_bias,
            );
        };
        let gradient = rows(gradient);
        let mut gradients = [(); 3].map(|()| vec![0.0; shape[0] * shape[1]]);
        let [query, key, value] = &mut gradients;
        let of_bias = cpu::attention_backward(
            &input.attention(texts, dropout, Precision::Float32),
            strided(&gradient),
            Gradients { query, key, value },
            of_bias,
        );
        AttentionGradients {
            query_key_value: gradients.map(|gradient| tensor(gradient, shape)),
            bias: of_bias.map(|of_bias| tensor(of_bias, bias_shape)),
        }
    }

    fn drop_elements<const D: usize>(
        values: Tensor<Self, D>,
        mask: DropoutMask,
    ) -> Tensor<Self, D> {
        if values.dtype() != DType::F32 {
            return plain::drop_elements(values, mask);
        }
        in_place(values, |values| cpu::drop_elements(values, mask))
    }

    fn adamw<const D: usize>(
        weights: Tensor<Self, D>,
        gradient: Tensor<Self, D>,
        moments: [Tensor<Self, D>; 2],
        step: &AdamWStep,
    ) -> (Tensor<Self, D>, [Tensor<Self, D>; 2]) {
        let [mean, square] = moments.each_ref().map(Tensor::dtype);
        if [weights.dtype(), gradient.dtype(), mean, square] != [DType::F32; 4] {
            return plain::adamw(weights, gradient, moments, step);
        }
        let gradient = contiguous(gradient);
        let [mut mean, mut square] = moments.map(contiguous);
        let weights = in_place(weights, |weights| {
            let moments = [mean.storage_mut::<f32>(), square.storage_mut::<f32>()];
            cpu::adamw(weights, slice(&gradient), moments, step);
        });
        let moments =
            [mean, square].map(|mean| Tensor::from_primitive(TensorPrimitive::Float(mean)));
        (weights, moments)
    }

    fn sum_of_squares<const D: usize>(values: Tensor<Self, D>) -> f64 {
        if values.dtype() != DType::F32 {
            return plain::sum_of_squares(values);
        }
        cpu::sum_of_squares(slice(&contiguous(values)))
    }
}

/// `left * right + bias` as a tensor of so many rows.
fn product(left: Factor<'_>, right: Factor<'_>, bias: &[f32], rows: usize) -> Tensor<Flex, 2> {
    let mut output = vec![0.0; rows * bias.len()];
    cpu::product(left, right, bias, &mut output);
    tensor(output, [rows, bias.len()])
}

/// Whether a product of so many rows is worth a pass over the weights to pack them.
fn pays(rows: usize, weights: &Tensor<Flex, 2>) -> bool {
    rows >= FEWEST_ROWS_TO_PACK && weights.dims().iter().all(|&width| width > 0)
}

/// From so many rows on it is about as fast alone as burn's own product (two cores with AVX2), and in a training step,
/// where two lanes share them, faster; with 128 rows packing makes it a third slower.
const FEWEST_ROWS_TO_PACK: usize = 512;

/// What attention looks at, held as slices need it.
struct AttentionInput {
    query_key_value: [FlexTensor; 3],
    bias: FlexTensor,
    /// Of the bias: `[1, heads, length, length]`.
    shape: [usize; 4],
    width: usize,
}

impl AttentionInput {
    /// `None` when these are not float32.
    fn new(query_key_value: &[Tensor<Flex, 2>; 3], bias: &Tensor<Flex, 4>) -> Option<Self> {
        let mut dtypes = query_key_value.iter().map(Tensor::dtype);
        if dtypes.any(|dtype| dtype != DType::F32) || bias.dtype() != DType::F32 {
            return None;
        }
        Some(Self {
            query_key_value: query_key_value.clone().map(rows),
            bias: contiguous(bias.clone()),
            shape: bias.dims(),
            width: query_key_value[0].dims()[1],
        })
    }

    fn attention<'a>(
        &'a self,
        texts: &'a Texts,
        dropout: Option<DropoutMask>,
        precision: Precision,
    ) -> Attention<'a> {
        let [query, key, value] = self.query_key_value.each_ref().map(strided);
        let [_, heads, _, length] = self.shape;
        Attention {
            projections: Projections { query, key, value },
            bias: PositionBias {
                values: slice(&self.bias),
                length,
            },
            texts: texts.ranges(),
            heads,
            head_size: self.width / heads,
            dropout,
            precision,
        }
    }
}

/// A normalisation, held as slices need it.
struct NormSlices {
    scale: FlexTensor,
    shift: FlexTensor,
    epsilon: f64,
}

impl NormSlices {
    fn of(norm: Norm<Flex>) -> Self {
        Self {
            scale: contiguous(norm.scale),
            shift: contiguous(norm.shift),
            epsilon: norm.epsilon,
        }
    }

    fn parameters(&self) -> NormParameters<'_> {
        NormParameters {
            scale: slice(&self.scale),
            shift: slice(&self.shift),
            epsilon: self.epsilon as f32,
        }
    }
}

/// Does `change` with a tensor's floats: in their place when nobody else holds them, else with a copy.
fn in_place<const D: usize>(
    tensor: Tensor<Flex, D>,
    change: impl FnOnce(&mut [f32]),
) -> Tensor<Flex, D> {
    let mut tensor = contiguous(tensor);
    change(tensor.storage_mut::<f32>());
    Tensor::from_primitive(TensorPrimitive::Float(tensor))
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

fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> Tensor<Flex, D> {
    let tensor = FlexTensor::from_data(TensorData::new(values, shape));
    Tensor::from_primitive(TensorPrimitive::Float(tensor))
}
