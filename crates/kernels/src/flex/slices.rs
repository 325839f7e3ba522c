//! burn-flex tensors as slices, and slices as tensors.

use burn::tensor::{DType, Tensor, TensorData, TensorPrimitive};
use burn_flex::{Flex, FlexTensor};
use cpu_kernels::{
    Attention, DropoutMask, LayerNormParameters, LayerNorms, PositionBias, Precision, Projections,
    Strided,
};

use crate::attention_options::AttentionOptions;
use crate::sequences::SequenceRanges;
use crate::weights::{EncoderLayerNorms, LayerNormWeights};

/// The tensors of attention, laid out for slices.
pub(super) struct AttentionInput {
    query_key_value: [FlexTensor; 3],
    bias: Option<BiasSlice>,
    heads: usize,
    scale: f32,
    window: Option<usize>,
    width: usize,
}

impl AttentionInput {
    /// `None` when these are not float32.
    pub(super) fn new(
        query_key_value: &[Tensor<Flex, 2>; 3],
        options: &AttentionOptions<Flex>,
    ) -> Option<Self> {
        let of_bias = options.bias.iter().map(Tensor::dtype);
        let mut dtypes = query_key_value.iter().map(Tensor::dtype).chain(of_bias);
        if dtypes.any(|dtype| dtype != DType::F32) {
            return None;
        }
        Some(Self {
            query_key_value: query_key_value.clone().map(rows),
            bias: options.bias.clone().map(BiasSlice::of),
            heads: options.heads,
            scale: options.scale as f32,
            window: options.window,
            width: query_key_value[0].dims()[1],
        })
    }

    pub(super) fn attention<'a>(
        &'a self,
        sequences: &'a SequenceRanges,
        dropout: Option<DropoutMask>,
        precision: Precision,
    ) -> Attention<'a> {
        let [query, key, value] = self.query_key_value.each_ref().map(strided);
        Attention {
            projections: Projections { query, key, value },
            sequences: sequences.ranges(),
            heads: self.heads,
            head_size: self.width / self.heads,
            scale: self.scale,
            bias: self.bias.as_ref().map(BiasSlice::bias),
            window: self.window,
            dropout,
            precision,
        }
    }
}

/// A position bias, laid out for slices.
pub(super) struct BiasSlice {
    values: FlexTensor,
    length: usize,
}

impl BiasSlice {
    /// Of `[1, heads, length, length]`.
    pub(super) fn of(bias: Tensor<Flex, 4>) -> Self {
        let [_, _, _, length] = bias.dims();
        Self {
            values: contiguous(bias),
            length,
        }
    }

    pub(super) fn bias(&self) -> PositionBias<'_> {
        PositionBias {
            values: slice(&self.values),
            length: self.length,
        }
    }
}

/// A weight and a bias of a linear layer, laid out for slices.
pub(super) struct LinearSlices {
    weight: FlexTensor,
    bias: FlexTensor,
}

impl LinearSlices {
    /// `None` when these are not float32.
    pub(super) fn of((weight, bias): &(Tensor<Flex, 2>, Tensor<Flex, 1>)) -> Option<Self> {
        let is_f32 = [weight.dtype(), bias.dtype()] == [DType::F32; 2];
        is_f32.then(|| Self {
            weight: contiguous(weight.clone()),
            bias: contiguous(bias.clone()),
        })
    }

    pub(super) fn slices(&self) -> (&[f32], &[f32]) {
        (slice(&self.weight), slice(&self.bias))
    }
}

/// The LayerNorms of an encoder layer, laid out for slices.
pub(super) enum NormSlices {
    Post {
        attention: LayerNormSlices,
        output: LayerNormSlices,
    },
    Pre {
        attention: Option<LayerNormSlices>,
        feed_forward: LayerNormSlices,
    },
}

impl NormSlices {
    pub(super) fn are_f32(norms: &EncoderLayerNorms<Flex>) -> bool {
        let norms = match norms {
            EncoderLayerNorms::Post { attention, output } => [Some(attention), Some(output)],
            EncoderLayerNorms::Pre {
                attention,
                feed_forward,
            } => [attention.as_ref(), Some(feed_forward)],
        };
        let mut norms = norms.into_iter().flatten();
        norms.all(|norm| [norm.gamma.dtype(), norm.beta.dtype()] == [DType::F32; 2])
    }

    pub(super) fn of(norms: EncoderLayerNorms<Flex>) -> Self {
        match norms {
            EncoderLayerNorms::Post { attention, output } => Self::Post {
                attention: LayerNormSlices::of(attention),
                output: LayerNormSlices::of(output),
            },
            EncoderLayerNorms::Pre {
                attention,
                feed_forward,
            } => Self::Pre {
                attention: attention.map(LayerNormSlices::of),
                feed_forward: LayerNormSlices::of(feed_forward),
            },
        }
    }

    pub(super) fn norms(&self) -> LayerNorms<'_> {
        match self {
            Self::Post { attention, output } => LayerNorms::Post {
                attention: attention.parameters(),
                output: output.parameters(),
            },
            Self::Pre {
                attention,
                feed_forward,
            } => LayerNorms::Pre {
                attention: attention.as_ref().map(LayerNormSlices::parameters),
                feed_forward: feed_forward.parameters(),
            },
        }
    }
}

/// The parameters of a LayerNorm, laid out for slices.
pub(super) struct LayerNormSlices {
    gamma: FlexTensor,
    beta: FlexTensor,
    epsilon: f64,
}

impl LayerNormSlices {
    pub(super) fn of(norm: LayerNormWeights<Flex>) -> Self {
        Self {
            gamma: contiguous(norm.gamma),
            beta: contiguous(norm.beta),
            epsilon: norm.epsilon,
        }
    }

    pub(super) fn parameters(&self) -> LayerNormParameters<'_> {
        LayerNormParameters {
            gamma: slice(&self.gamma),
            beta: slice(&self.beta),
            epsilon: self.epsilon as f32,
        }
    }
}

/// Does `change` with a tensor's floats: in place if no other tensor shares them, else with a copy.
pub(super) fn in_place<const D: usize>(
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

/// Row-major, with no other elements in its storage.
pub(super) fn contiguous<const D: usize>(tensor: Tensor<Flex, D>) -> FlexTensor {
    primitive(tensor).to_contiguous()
}

/// A matrix whose rows are whole, but may be apart: a slice of columns is not copied.
pub(super) fn rows(tensor: Tensor<Flex, 2>) -> FlexTensor {
    let tensor = primitive(tensor);
    match *tensor.layout().strides() {
        [row, 1] if row >= 0 => tensor,
        _ => tensor.to_contiguous(),
    }
}

pub(super) fn slice(tensor: &FlexTensor) -> &[f32] {
    tensor.storage()
}

pub(super) fn strided(tensor: &FlexTensor) -> Strided<'_> {
    let layout = tensor.layout();
    Strided {
        values: &slice(tensor)[layout.start_offset()..],
        stride: layout.strides()[0].unsigned_abs(),
    }
}

pub(super) fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> Tensor<Flex, D> {
    let tensor = FlexTensor::from_data(TensorData::new(values, shape));
    Tensor::from_primitive(TensorPrimitive::Float(tensor))
}
