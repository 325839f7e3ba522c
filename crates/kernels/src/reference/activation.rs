//! Activations and their derivatives, written out: burn's own backward passes are not all exact.
//!
//! burn 0.21 computes its own `gelu` exactly, but in the backward pass most backends take the derivative of the tanh form
//! (`gelu_backward` in burn-backend's `activation.rs`), which is up to 3e-4 off.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_PI, PI};

use burn::tensor::Tensor;
use burn::tensor::activation::{gelu, relu, sigmoid, silu, tanh};
use burn::tensor::backend::Backend;
use cpu_kernels::Activation;

use crate::half_precision::{in_float32, upcast};

/// The factor of the cube in the tanh form of GELU.
const CUBE: f64 = 0.044715;

pub(crate) fn activation<B: Backend>(values: Tensor<B, 2>, activation: Activation) -> Tensor<B, 2> {
    let function = match activation {
        Activation::Identity => return values,
        Activation::Gelu => gelu,
        Activation::GeluTanh => gelu_tanh,
        Activation::Relu => relu,
        Activation::Silu => silu,
        Activation::Tanh => tanh,
    };
    in_float32(values, function)
}

pub(crate) fn activation_backward<B: Backend>(
    values: Tensor<B, 2>,
    gradient: Tensor<B, 2>,
    activation: Activation,
) -> Tensor<B, 2> {
    let dtype = gradient.dtype();
    let (values, gradient) = (upcast(values), upcast(gradient));
    let gradient = match activation {
        Activation::Identity => gradient,
        Activation::Gelu => gelu_derivative(values) * gradient,
        Activation::GeluTanh => gelu_tanh_derivative(values) * gradient,
        // 0 at 0, as in PyTorch.
        Activation::Relu => gradient.mask_fill(values.lower_equal_elem(0), 0),
        Activation::Silu => silu_derivative(values) * gradient,
        Activation::Tanh => (tanh(values).square().neg() + 1.0) * gradient,
    };
    gradient.cast(dtype)
}

/// `(1 + erf(x / sqrt(2))) / 2 + x * exp(-x² / 2) / sqrt(2 * pi)`.
fn gelu_derivative<B: Backend>(values: Tensor<B, 2>) -> Tensor<B, 2> {
    let below = (values.clone() * FRAC_1_SQRT_2).erf() * 0.5 + 0.5;
    let density = (values.clone().square() * -0.5).exp() / (2.0 * PI).sqrt();
    values * density + below
}

/// `tanh(sqrt(2 / pi) * (x + 0.044715 * x³))`, for `x` up to 10 only: beyond that it is -1 or 1 in float32, and the shaders of
/// some graphics drivers have no number for it.
fn inner_tanh<B: Backend>(values: Tensor<B, 2>) -> Tensor<B, 2> {
    let values = values.clamp(-10.0, 10.0);
    let factor = values.clone().square() * CUBE + 1.0;
    tanh(values * factor * FRAC_2_PI.sqrt())
}

/// `x * (1 + tanh(u)) / 2` with `u = sqrt(2 / pi) * (x + 0.044715 * x³)`.
fn gelu_tanh<B: Backend>(values: Tensor<B, 2>) -> Tensor<B, 2> {
    (inner_tanh(values.clone()) + 1.0) * values * 0.5
}

/// `(1 + t) / 2 + x * (1 - t²) / 2 * u'` with `t = tanh(u)` and `u' = sqrt(2 / pi) * (1 + 3 * 0.044715 * x²)`.
fn gelu_tanh_derivative<B: Backend>(values: Tensor<B, 2>) -> Tensor<B, 2> {
    let tanh = inner_tanh(values.clone());
    // Beyond 10 its factor is 0.
    let values = values.clamp(-10.0, 10.0);
    let slope = (values.clone().square() * (3.0 * CUBE) + 1.0) * FRAC_2_PI.sqrt();
    let bend = (tanh.clone().square().neg() + 1.0) * values * slope;
    (tanh + bend + 1.0) * 0.5
}

/// `s * (1 + x * (1 - s))` with `s = 1 / (1 + exp(-x))`.
fn silu_derivative<B: Backend>(values: Tensor<B, 2>) -> Tensor<B, 2> {
    let sigmoid = sigmoid(values.clone());
    let rest = sigmoid.clone().neg() + 1.0;
    (values * rest + 1.0) * sigmoid
}
