//! Linear layers and LayerNorm, over the backend's operations.

use burn::module::{Initializer, Module, ModuleMapper, Param};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::backend::Backend;
use burn::tensor::{FloatDType, Tensor};
use kernels::half_precision::element_type;
use kernels::{Activation, EncoderOps, LayerNormWeights, LinearWeights, PackedLinear, Precision};

use crate::architecture::EncoderConfig;

/// A linear layer with the initialisation of the configuration.
pub(crate) fn new_linear<B: Backend>(
    config: &EncoderConfig,
    [input, output]: [usize; 2],
    bias: bool,
    device: &B::Device,
) -> Linear<B> {
    LinearConfig::new(input, output)
        .with_bias(bias)
        .with_initializer(Initializer::Normal {
            mean: 0.0,
            std: config.initializer_range,
        })
        .init(device)
}

/// Applies a linear layer, or its packed weights: `[rows, input]` in, `[rows, output]` out.
pub(crate) fn linear<B: EncoderOps>(
    layer: &Linear<B>,
    packed: Option<&PackedLinear>,
    input: Tensor<B, 2>,
    activation: Activation,
) -> Tensor<B, 2> {
    EncoderOps::linear(input, weights(layer, packed), activation)
}

/// Applies a gated linear layer, whose weights are the activated half and then the other, or its packed weights:
/// `[rows, input]` in, `[rows, output / 2]` out.
pub(crate) fn gated_linear<B: EncoderOps>(
    layer: &Linear<B>,
    packed: Option<&PackedLinear>,
    input: Tensor<B, 2>,
    activation: Activation,
) -> Tensor<B, 2> {
    B::gated_linear(input, weights(layer, packed), activation)
}

/// Packs a gated layer; `None` on a backend that does not pack.
pub(crate) fn pack_gated<B: EncoderOps>(
    layer: &Linear<B>,
    precision: Precision,
) -> Option<PackedLinear> {
    let (weight, bias) = tensors(layer);
    let [input, outputs] = weight.dims();
    let half = |start: usize| {
        let columns = start..start + outputs / 2;
        (
            weight.clone().slice([0..input, columns.clone()]),
            bias.clone().slice([columns]),
        )
    };
    B::pack_gated_linear([half(0), half(outputs / 2)], precision)
}

fn weights<B: Backend>(layer: &Linear<B>, packed: Option<&PackedLinear>) -> LinearWeights<B> {
    match packed {
        Some(packed) => LinearWeights::Packed(packed.clone()),
        None => {
            let (weight, bias) = tensors(layer);
            LinearWeights::Unpacked { weight, bias }
        }
    }
}

fn tensors<B: Backend>(linear: &Linear<B>) -> (Tensor<B, 2>, Tensor<B, 1>) {
    let weight = linear.weight.val();
    let bias = match &linear.bias {
        Some(bias) => bias.val(),
        None => Tensor::zeros([weight.dims()[1]], &weight.device()),
    };
    (weight, bias)
}

/// Packs layers that share their input into one; `None` on a backend that does not pack. The caller
/// [empties](empty) the layers when all its groups are packed.
pub(crate) fn pack<B: EncoderOps, const N: usize>(
    linears: [&Linear<B>; N],
    precision: Precision,
) -> Option<PackedLinear> {
    let layers: Vec<_> = linears.into_iter().map(tensors).collect();
    B::pack_linear(&layers, precision)
}

/// Removes the weights of a packed layer, so that they are in memory once.
pub(crate) fn empty<B: Backend>(linear: &mut Linear<B>) {
    let device = linear.weight.lazy_device();
    linear.weight = Param::from_tensor(Tensor::empty([0, 0], &device));
    linear.bias = None;
}

/// Casts parameters to the element type of `precision` on a backend that keeps weights as tensors.
pub(crate) fn in_precision<B: EncoderOps, M: Module<B>>(module: M, precision: Precision) -> M {
    match element_type(precision) {
        Some(dtype) if !B::PACKS_WEIGHTS && dtype != FloatDType::F32 => {
            module.map(&mut Cast(dtype))
        }
        _ => module,
    }
}

struct Cast(FloatDType);

impl<B: Backend> ModuleMapper<B> for Cast {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        param.map(|tensor| tensor.cast(self.0))
    }
}

/// LayerNorm ("Layer Normalization", arXiv 1607.06450, 2016).
#[derive(Module, Debug)]
pub(crate) struct LayerNorm<B: Backend> {
    gamma: Param<Tensor<B, 1>>,
    beta: Option<Param<Tensor<B, 1>>>,
    epsilon: f64,
}

impl<B: Backend> LayerNorm<B> {
    pub(crate) fn new(config: &EncoderConfig, device: &B::Device) -> Self {
        let width = [config.hidden_size];
        Self {
            gamma: Initializer::Ones.init(width, device),
            beta: (config.biases.norm).then(|| Initializer::Zeros.init(width, device)),
            epsilon: config.layer_norm_eps,
        }
    }
}

impl<B: EncoderOps> LayerNorm<B> {
    /// `layer_norm(values + residual)`: `[rows, width]` in and out.
    pub(crate) fn after_adding(
        &self,
        values: Tensor<B, 2>,
        residual: Tensor<B, 2>,
    ) -> Tensor<B, 2> {
        B::add_layer_norm(values, residual, self.norm())
    }

    /// `layer_norm(values)`: `[rows, width]` in and out.
    pub(crate) fn forward(&self, values: Tensor<B, 2>) -> Tensor<B, 2> {
        <B as EncoderOps>::layer_norm(values, self.norm())
    }

    /// Its parameters.
    pub(crate) fn norm(&self) -> LayerNormWeights<B> {
        let gamma = self.gamma.val();
        LayerNormWeights {
            beta: match &self.beta {
                Some(beta) => beta.val(),
                None => gamma.zeros_like().detach(),
            },
            gamma,
            epsilon: self.epsilon,
        }
    }
}
