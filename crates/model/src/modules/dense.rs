//! The module `Dense` of sentence-transformers: a linear layer with an activation.

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::Tensor;
use burn::tensor::activation::{gelu, relu, sigmoid, silu, tanh};
use burn::tensor::backend::Backend;
use kernels::{Activation, EncoderOps, PackedLinear, Precision};

use crate::encoder::linear::{empty, linear, pack};

/// A linear layer with an activation.
#[derive(Module, Debug)]
pub(crate) struct Dense<B: Backend> {
    linear: Linear<B>,
    #[module(skip)]
    activation: DenseActivation,
    /// The weights where they are packed; the layer itself is then empty.
    #[module(skip)]
    packed: Option<PackedLinear>,
}

/// The activation of a `Dense`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DenseActivation {
    Identity,
    Gelu,
    Relu,
    Sigmoid,
    Silu,
    Tanh,
}

impl DenseActivation {
    /// Every activation, with the name of its class in `torch.nn`.
    pub(crate) const ALL: [(&'static str, Self); 6] = [
        ("Identity", Self::Identity),
        ("GELU", Self::Gelu),
        ("ReLU", Self::Relu),
        ("Sigmoid", Self::Sigmoid),
        ("SiLU", Self::Silu),
        ("Tanh", Self::Tanh),
    ];

    /// The activation of a class of PyTorch, such as `torch.nn.modules.activation.Tanh`.
    pub(crate) fn of_class(path: &str) -> Option<Self> {
        let (package, class) = path.rsplit_once('.')?;
        let known = Self::ALL.into_iter().find(|(name, _)| *name == class);
        known
            .filter(|_| package.starts_with("torch.nn"))
            .map(|(_, activation)| activation)
    }

    /// The class of PyTorch, such as `torch.nn.modules.activation.Tanh`.
    pub(crate) fn class(self) -> String {
        let known = Self::ALL.into_iter().find(|(_, known)| *known == self);
        let module = if self == Self::Identity {
            "linear"
        } else {
            "activation"
        };
        format!(
            "torch.nn.modules.{module}.{}",
            known.map_or("", |(name, _)| name)
        )
    }

    /// The activation of values.
    pub(crate) fn forward<B: Backend>(self, values: Tensor<B, 2>) -> Tensor<B, 2> {
        match self {
            Self::Identity => values,
            Self::Gelu => gelu(values),
            Self::Relu => relu(values),
            Self::Sigmoid => sigmoid(values),
            Self::Silu => silu(values),
            Self::Tanh => tanh(values),
        }
    }
}

impl<B: Backend> Dense<B> {
    /// A layer with the weight `[input, output]` and the bias `[output]`.
    pub(crate) fn new(
        weight: Tensor<B, 2>,
        bias: Option<Tensor<B, 1>>,
        activation: DenseActivation,
    ) -> Self {
        Self {
            linear: Linear {
                weight: Param::from_tensor(weight),
                bias: bias.map(Param::from_tensor),
            },
            activation,
            packed: None,
        }
    }

    /// The layer with another activation.
    pub(crate) fn with_activation(self, activation: DenseActivation) -> Self {
        Self { activation, ..self }
    }

    /// The layer with weight and bias divided by a number.
    pub(crate) fn divided_by(self, number: f64) -> Self {
        let divided = Linear {
            weight: Param::from_tensor((self.linear.weight.val() / number).detach()),
            bias: (self.linear.bias).map(|bias| Param::from_tensor((bias.val() / number).detach())),
        };
        Self {
            linear: divided,
            ..self
        }
    }

    /// The weight `[output, input]`, as PyTorch has it, and the bias.
    pub(crate) fn weights(&self) -> (Tensor<B, 2>, Option<Tensor<B, 1>>) {
        let bias = self.linear.bias.as_ref().map(Param::val);
        (self.linear.weight.val().transpose(), bias)
    }
}

impl<B: EncoderOps> Dense<B> {
    /// Packs the weights in float32 on a backend that packs: a vector then is the same in any batch.
    pub(crate) fn pack(mut self) -> Self {
        self.packed = pack([&self.linear], Precision::Float32);
        if self.packed.is_some() {
            empty(&mut self.linear);
        }
        self
    }

    /// `activation(vectors * weight + bias)`: `[batch, input]` in, `[batch, output]` out.
    pub(crate) fn forward(&self, vectors: Tensor<B, 2>) -> Tensor<B, 2> {
        let packed = self.packed.as_ref();
        let sums = linear(&self.linear, packed, vectors, Activation::Identity);
        self.activation.forward(sums)
    }
}
