//! Activations of a linear layer.

use crate::simd::activations::{
    gelu, gelu_derivative, gelu_tanh, gelu_tanh_derivative, relu, relu_derivative, silu,
    silu_derivative, tanh_derivative,
};
use crate::simd::math::tanh;

/// The activation after a linear layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// No activation.
    Identity,
    /// The exact GELU, `x * (1 + erf(x / sqrt(2))) / 2` (Hendrycks and Gimpel, 2016).
    Gelu,
    /// The approximation of GELU by a hyperbolic tangent, `x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x³))) / 2`.
    GeluTanh,
    /// `max(x, 0)`.
    Relu,
    /// `x / (1 + exp(-x))`, also called swish.
    Silu,
    /// The hyperbolic tangent.
    Tanh,
}

impl Activation {
    /// Applies it to each value. Inlined, so that it uses the caller's instructions.
    #[inline(always)]
    pub(crate) fn apply(self, values: &mut [f32]) {
        // A loop for each activation, which the compiler vectorizes.
        macro_rules! each {
            ($function:expr) => {
                for value in values.iter_mut() {
                    *value = $function(*value);
                }
            };
        }
        match self {
            Self::Identity => {}
            Self::Gelu => each!(gelu),
            Self::GeluTanh => each!(gelu_tanh),
            Self::Relu => each!(relu),
            Self::Silu => each!(silu),
            Self::Tanh => each!(tanh),
        }
    }

    /// Multiplies each gradient with the derivative at its value; inlined as [`apply`](Self::apply).
    #[inline(always)]
    pub(crate) fn apply_derivative(self, values: &[f32], gradient: &mut [f32]) {
        macro_rules! each {
            ($derivative:expr) => {
                for (gradient, value) in gradient.iter_mut().zip(values) {
                    *gradient *= $derivative(*value);
                }
            };
        }
        match self {
            Self::Identity => {}
            Self::Gelu => each!(gelu_derivative),
            Self::GeluTanh => each!(gelu_tanh_derivative),
            Self::Relu => each!(relu_derivative),
            Self::Silu => each!(silu_derivative),
            Self::Tanh => each!(tanh_derivative),
        }
    }
}

#[cfg(test)]
impl Activation {
    pub(crate) const ALL: [Self; 6] = [
        Self::Identity,
        Self::Gelu,
        Self::GeluTanh,
        Self::Relu,
        Self::Silu,
        Self::Tanh,
    ];
}
