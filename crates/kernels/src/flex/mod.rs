//! The CPU implementations: burn-flex tensors as slices for [`cpu`].

mod matmul;
mod slices;

use burn::tensor::{DType, Tensor, TensorPrimitive};
use burn_flex::Flex;
use cpu_kernels::{
    self as cpu, Activation, AdamWStep, DropoutMask, Gradients, Operand, PackedLinear, Precision,
    RotaryRows, RotaryTable, Rotation,
};
use matmul::{emulates_tf32, matmul, pays};
use slices::{
    AttentionInput, BiasSlice, LayerNormSlices, LinearSlices, NormSlices, contiguous, in_place,
    rows, slice, strided, tensor,
};

use crate::attention_options::AttentionOptions;
use crate::encoder_ops::{AttentionGradients, EncoderOps, LayerNormGradients, LinearGradients};
use crate::reference;
use crate::sequences::SequenceRanges;
use crate::tf32x3;
use crate::weights::{EncoderLayerWeights, LayerNormWeights, LinearWeights};

impl EncoderOps for Flex {
    const VARLEN: bool = true;
    const PACKS_WEIGHTS: bool = true;

    fn matmul_uses_tf32() -> bool {
        emulates_tf32()
    }

    fn exact_matmul<const D: usize>(
        left: Tensor<Self, D>,
        right: Tensor<Self, D>,
    ) -> Tensor<Self, D> {
        if emulates_tf32() {
            tf32x3::matmul(left, right)
        } else {
            left.matmul(right)
        }
    }

    fn precisions(_: &Self::Device) -> Vec<Precision> {
        // A CPU computes in float32: float16 would save as much memory as bfloat16, at a smaller range.
        vec![Precision::Float32, Precision::Bfloat16, Precision::Int8]
    }

    fn pack_linear(
        layers: &[(Tensor<Self, 2>, Tensor<Self, 1>)],
        precision: Precision,
    ) -> Option<PackedLinear> {
        let layers: Option<Vec<LinearSlices>> = layers.iter().map(LinearSlices::of).collect();
        let layers = layers?;
        let slices: Vec<_> = layers.iter().map(LinearSlices::slices).collect();
        Some(PackedLinear::pack(&slices, precision))
    }

    fn pack_gated_linear(
        layers: [(Tensor<Self, 2>, Tensor<Self, 1>); 2],
        precision: Precision,
    ) -> Option<PackedLinear> {
        let [Some(first), Some(second)] = layers.each_ref().map(LinearSlices::of) else {
            return None;
        };
        let slices = [first.slices(), second.slices()];
        Some(PackedLinear::pack_gated(slices, precision))
    }

    fn linear(
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
            LinearWeights::Unpacked { weight, bias }
                if pays(rows, &weight)
                    && [input.dtype(), weight.dtype(), bias.dtype()] == [DType::F32; 3] =>
            {
                let (input, weight, bias) =
                    (contiguous(input), contiguous(weight), contiguous(bias));
                let (left, right) = (
                    Operand::RowMajor(slice(&input)),
                    Operand::RowMajor(slice(&weight)),
                );
                let sum = matmul(left, right, slice(&bias), rows);
                Self::activation(sum, activation)
            }
            weights => reference::linear(input, weights, activation),
        }
    }

    fn gated_linear(
        input: Tensor<Self, 2>,
        weights: LinearWeights<Self>,
        activation: Activation,
    ) -> Tensor<Self, 2> {
        match weights {
            // A packed layer knows whether it is gated.
            LinearWeights::Packed(packed) if packed.is_gated() => {
                Self::linear(input, LinearWeights::Packed(packed), activation)
            }
            weights => reference::gated_linear(input, weights, activation),
        }
    }

    fn rotary(
        values: Tensor<Self, 2>,
        table: &RotaryTable,
        sequences: &SequenceRanges,
    ) -> Tensor<Self, 2> {
        rotate(values, table, sequences, Rotation::Forward)
    }

    fn rotary_backward(
        gradient: Tensor<Self, 2>,
        table: &RotaryTable,
        sequences: &SequenceRanges,
    ) -> Tensor<Self, 2> {
        rotate(gradient, table, sequences, Rotation::Backward)
    }

    fn linear_backward(
        input: Option<Tensor<Self, 2>>,
        weight: Option<Tensor<Self, 2>>,
        gradient: Tensor<Self, 2>,
    ) -> LinearGradients<Self> {
        let [rows, outputs] = gradient.dims();
        let mut others = input.iter().chain(&weight);
        if gradient.dtype() != DType::F32
            || !pays(rows, &gradient)
            || !others.all(|other| other.dtype() == DType::F32 && other.dims()[1] > 0)
        {
            return reference::linear_backward(input, weight, gradient);
        }
        let gradient = contiguous(gradient);
        let of_input = |weight: Tensor<Self, 2>| {
            let [inputs, _] = weight.dims();
            let weight = contiguous(weight);
            let right = Operand::ColumnMajor(slice(&weight));
            matmul(
                Operand::RowMajor(slice(&gradient)),
                right,
                &vec![0.0; inputs],
                rows,
            )
        };
        let of_weight = |input: Tensor<Self, 2>| {
            let [_, inputs] = input.dims();
            let input = contiguous(input);
            let left = Operand::ColumnMajor(slice(&input));
            matmul(
                left,
                Operand::RowMajor(slice(&gradient)),
                &vec![0.0; outputs],
                inputs,
            )
        };
        LinearGradients {
            input: weight.map(of_input),
            weight: input.map(of_weight),
            bias: tensor(cpu::column_sums(slice(&gradient), outputs), [outputs]),
        }
    }

    fn activation(values: Tensor<Self, 2>, activation: Activation) -> Tensor<Self, 2> {
        if values.dtype() != DType::F32 || activation == Activation::Identity {
            return reference::activation(values, activation);
        }
        in_place(values, |values| cpu::activate(values, activation))
    }

    fn activation_backward(
        values: Tensor<Self, 2>,
        gradient: Tensor<Self, 2>,
        activation: Activation,
    ) -> Tensor<Self, 2> {
        if [values.dtype(), gradient.dtype()] != [DType::F32; 2]
            || activation == Activation::Identity
        {
            return reference::activation_backward(values, gradient, activation);
        }
        let values = contiguous(values);
        in_place(gradient, |gradient| {
            cpu::activation_backward(slice(&values), gradient, activation)
        })
    }

    fn layer_norm(values: Tensor<Self, 2>, norm: LayerNormWeights<Self>) -> Tensor<Self, 2> {
        if [values.dtype(), norm.gamma.dtype()] != [DType::F32; 2] {
            return reference::layer_norm(values, norm);
        }
        let norm = LayerNormSlices::of(norm);
        in_place(values, |values| cpu::layer_norm(values, norm.parameters()))
    }

    fn layer_norm_backward(
        values: Tensor<Self, 2>,
        norm: LayerNormWeights<Self>,
        gradient: Tensor<Self, 2>,
    ) -> LayerNormGradients<Self> {
        if [values.dtype(), norm.gamma.dtype(), gradient.dtype()] != [DType::F32; 3] {
            return reference::layer_norm_backward(values, norm, gradient);
        }
        let (values, gamma) = (contiguous(values), contiguous(norm.gamma));
        let mut gradient = contiguous(gradient);
        let of = cpu::layer_norm_backward(
            slice(&values),
            slice(&gamma),
            norm.epsilon as f32,
            gradient.storage_mut::<f32>(),
        );
        let width = of.gamma.len();
        LayerNormGradients {
            values: Tensor::from_primitive(TensorPrimitive::Float(gradient)),
            gamma: tensor(of.gamma, [width]),
            beta: tensor(of.beta, [width]),
        }
    }

    fn add_layer_norm(
        values: Tensor<Self, 2>,
        residual: Tensor<Self, 2>,
        norm: LayerNormWeights<Self>,
    ) -> Tensor<Self, 2> {
        if [values.dtype(), residual.dtype(), norm.gamma.dtype()] != [DType::F32; 3] {
            return reference::add_layer_norm(values, residual, norm);
        }
        let residual = contiguous(residual);
        let norm = LayerNormSlices::of(norm);
        in_place(values, |values| {
            cpu::add_layer_norm(values, slice(&residual), norm.parameters());
        })
    }

    fn encoder_layer(
        hidden: Tensor<Self, 2>,
        options: AttentionOptions<Self>,
        sequences: &SequenceRanges,
        weights: EncoderLayerWeights<Self>,
    ) -> Tensor<Self, 2> {
        let of_bias = options.bias.as_ref().map(Tensor::dtype);
        let mut dtypes = [hidden.dtype()].into_iter().chain(of_bias);
        if dtypes.any(|dtype| dtype != DType::F32) || !NormSlices::are_f32(&weights.norms) {
            return reference::encoder_layer(hidden, options, sequences, weights);
        }
        let bias = options.bias.map(BiasSlice::of);
        let context = cpu::Context {
            sequences: sequences.ranges(),
            heads: options.heads,
            scale: options.scale as f32,
            bias: bias.as_ref().map(BiasSlice::bias),
            window: options.window,
            rotary: weights.rotary.as_ref(),
        };
        let norms = NormSlices::of(weights.norms);
        let layer = cpu::EncoderLayer {
            projections: &weights.projections,
            feed_forward: cpu::FeedForwardBlock {
                attention_output: &weights.attention_output,
                norms: norms.norms(),
                intermediate: &weights.intermediate,
                activation: weights.activation,
                output: &weights.output,
            },
        };
        in_place(hidden, |hidden| cpu::encoder_layer(hidden, context, &layer))
    }

    fn varlen_attention(
        query_key_value: [Tensor<Self, 2>; 3],
        options: AttentionOptions<Self>,
        sequences: &SequenceRanges,
        dropout: Option<DropoutMask>,
        precision: Precision,
    ) -> Tensor<Self, 2> {
        let [tokens, width] = query_key_value[0].dims();
        let Some(input) = AttentionInput::new(&query_key_value, &options) else {
            return reference::varlen_attention(query_key_value, options, sequences, dropout);
        };
        let mut output = vec![0.0; tokens * width];
        let attention = input.attention(sequences, dropout, precision);
        cpu::attention(&attention, &mut output);
        tensor(output, [tokens, width])
    }

    fn varlen_attention_backward(
        query_key_value: [Tensor<Self, 2>; 3],
        options: AttentionOptions<Self>,
        sequences: &SequenceRanges,
        dropout: Option<DropoutMask>,
        gradient: Tensor<Self, 2>,
        of_bias: bool,
    ) -> AttentionGradients<Self> {
        let shape = query_key_value[0].dims();
        let input = AttentionInput::new(&query_key_value, &options);
        let Some(input) = input.filter(|_| gradient.dtype() == DType::F32) else {
            return reference::varlen_attention_backward(
                query_key_value,
                options,
                sequences,
                dropout,
                gradient,
                of_bias,
            );
        };
        let gradient = rows(gradient);
        let mut gradients = [(); 3].map(|()| vec![0.0; shape[0] * shape[1]]);
        let [query, key, value] = &mut gradients;
        let of_bias = cpu::attention_backward(
            &input.attention(sequences, dropout, Precision::Float32),
            strided(&gradient),
            Gradients { query, key, value },
            of_bias,
        );
        let bias_shape = options.bias.map(|bias| bias.dims());
        AttentionGradients {
            query_key_value: gradients.map(|gradient| tensor(gradient, shape)),
            bias: of_bias
                .zip(bias_shape)
                .map(|(of_bias, shape)| tensor(of_bias, shape)),
        }
    }

    fn dropout<const D: usize>(values: Tensor<Self, D>, mask: DropoutMask) -> Tensor<Self, D> {
        if values.dtype() != DType::F32 {
            return reference::dropout(values, mask);
        }
        in_place(values, |values| cpu::dropout(values, mask))
    }

    fn adamw<const D: usize>(
        weights: Tensor<Self, D>,
        gradient: Tensor<Self, D>,
        moments: [Tensor<Self, D>; 2],
        step: &AdamWStep,
    ) -> (Tensor<Self, D>, [Tensor<Self, D>; 2]) {
        let [mean, square] = moments.each_ref().map(Tensor::dtype);
        if [weights.dtype(), gradient.dtype(), mean, square] != [DType::F32; 4] {
            return reference::adamw(weights, gradient, moments, step);
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
            return reference::sum_of_squares(values);
        }
        cpu::sum_of_squares(slice(&contiguous(values)))
    }
}

fn rotate(
    values: Tensor<Flex, 2>,
    table: &RotaryTable,
    sequences: &SequenceRanges,
    rotation: Rotation,
) -> Tensor<Flex, 2> {
    if values.dtype() != DType::F32 {
        return reference::rotary(values, table, sequences, rotation);
    }
    let [_, width] = values.dims();
    in_place(values, |values| {
        let rows = RotaryRows {
            values,
            stride: width,
            width,
        };
        cpu::rotary(rows, table, sequences.ranges(), rotation);
    })
}
