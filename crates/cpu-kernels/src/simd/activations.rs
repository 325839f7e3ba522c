//! Activation functions and their derivatives, without branches or calls, so that a loop over them becomes vector
//! instructions.

use super::math::{erf, exp, tanh_tail};

/// `x * (1 + erf(x / sqrt(2))) / 2`.
#[inline(always)]
pub(crate) fn gelu(x: f32) -> f32 {
    let half = 0.5 * x;
    half.mul_add(erf(x * std::f32::consts::FRAC_1_SQRT_2), half)
}

/// The derivative of [`gelu`]: `(1 + erf(x / sqrt(2))) / 2 + x * exp(-x² / 2) / sqrt(2 * pi)`.
#[inline(always)]
pub(crate) fn gelu_derivative(x: f32) -> f32 {
    /// `1 / sqrt(2 * pi)`.
    const DENSITY: f32 = 0.398_942_3;
    let below = 0.5f32.mul_add(erf(x * std::f32::consts::FRAC_1_SQRT_2), 0.5);
    let density = DENSITY * exp(-0.5 * x * x);
    x.mul_add(density, below)
}

/// `s = 1 / (1 + exp(-x))` and `1 - s`, each within `5e-7` of itself: an error of two units in the last place of `exp`, and
/// three roundings. Exactly 0 and 1 beyond 87.3.
#[inline(always)]
fn sigmoids(x: f32) -> [f32; 2] {
    let tail = exp(-x.abs());
    let large = 1.0 / (1.0 + tail);
    let small = tail * large;
    if x < 0.0 {
        [small, large]
    } else {
        [large, small]
    }
}

/// `2 * sqrt(2 / pi)`.
const TWO_ROOTS: f32 = 1.595_769_2;

/// The factor of `x³` in [`gelu_tanh`].
const CUBE: f32 = 0.044_715;

/// `x * (1 + tanh(u)) / 2` with `u = sqrt(2 / pi) * (x + 0.044715 * x³)`, as `x * sigmoid(2 * u)`: next to -1, the sum with 1
/// would lose the tail of the hyperbolic tangent.
#[inline(always)]
pub(crate) fn gelu_tanh(x: f32) -> f32 {
    let [sigmoid, _] = sigmoids(x * (TWO_ROOTS * CUBE).mul_add(x * x, TWO_ROOTS));
    x * sigmoid
}

/// The derivative of [`gelu_tanh`]: `s + x * s * (1 - s) * 2 u'` with `s = sigmoid(2 * u)`.
#[inline(always)]
pub(crate) fn gelu_tanh_derivative(x: f32) -> f32 {
    // Beyond 10 it is 0 or 1 in float32, and the square of a large number is infinite.
    let x = x.clamp(-10.0, 10.0);
    let square = x * x;
    let [sigmoid, rest] = sigmoids(x * (TWO_ROOTS * CUBE).mul_add(square, TWO_ROOTS));
    let slope = (3.0 * TWO_ROOTS * CUBE).mul_add(square, TWO_ROOTS);
    (x * sigmoid * rest).mul_add(slope, sigmoid)
}

/// `max(x, 0)`; NaN stays.
#[inline(always)]
pub(crate) fn relu(x: f32) -> f32 {
    if x < 0.0 { 0.0 } else { x }
}

/// The derivative of [`relu`], 0 at 0 as in PyTorch.
#[inline(always)]
pub(crate) fn relu_derivative(x: f32) -> f32 {
    if x <= 0.0 { 0.0 } else { 1.0 }
}

/// `x / (1 + exp(-x))`.
#[inline(always)]
pub(crate) fn silu(x: f32) -> f32 {
    let [sigmoid, _] = sigmoids(x);
    x * sigmoid
}

/// The derivative of [`silu`]: `s * (1 + x * (1 - s))` with `s = sigmoid(x)`.
#[inline(always)]
pub(crate) fn silu_derivative(x: f32) -> f32 {
    let [sigmoid, rest] = sigmoids(x);
    sigmoid * x.mul_add(rest, 1.0)
}

/// The derivative of the hyperbolic tangent: `1 - tanh(x)² = 4 t / (1 + t)²` with `t = exp(-2 |x|)`.
#[inline(always)]
pub(crate) fn tanh_derivative(x: f32) -> f32 {
    let tail = tanh_tail(x);
    let inverse = 1.0 / (1.0 + tail);
    4.0 * tail * inverse * inverse
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Activation;
    use crate::tests::activations as definition;

    #[test]
    fn gelu_is_exact_to_a_millionth() {
        for step in 0..=200_000 {
            let x = -10.0 + 20.0 * (step as f32 / 2e5);
            let expected = definition::gelu(f64::from(x));
            assert!(
                (f64::from(gelu(x)) - expected).abs() < 1e-6,
                "gelu({x}) is {}",
                gelu(x)
            );
        }
        assert_eq!(gelu(0.0), 0.0);
        // GELU multiplies the difference of `erf` to 1 with these.
        for large in [20.0, 1e3, 1e10, f32::MAX] {
            assert_eq!((gelu(large), gelu(-large)), (large, 0.0));
            assert_eq!(
                (gelu_derivative(large), gelu_derivative(-large)),
                (1.0, 0.0)
            );
        }
        for value in [f32::MIN_POSITIVE, 1e-40] {
            assert!(
                (gelu(value) - 0.5 * value).abs() <= 1e-6 * value,
                "{}",
                gelu(value)
            );
        }
        assert!(gelu(f32::NAN).is_nan());
    }

    /// Values are at most the number itself: `5e-7` for a sigmoid, and for the argument of GELU's, which is off by three
    /// roundings, at most `2 u s (1 - s) * 1.8e-7 < 1e-7`.
    #[test]
    fn values_are_within_a_millionth_of_the_number() {
        for activation in Activation::ALL {
            for step in 0..=200_000 {
                let x = -20.0 + 40.0 * (step as f32 / 2e5);
                let mut value = [x];
                activation.apply(&mut value);
                let expected = definition::activated(activation, f64::from(x));
                assert!(
                    (f64::from(value[0]) - expected).abs() <= 1e-6 * f64::from(x.abs()),
                    "{activation:?}({x}) is {} instead of {expected}",
                    value[0]
                );
            }
        }
    }

    /// Slopes are at most 1.13, and the terms of their sums at most 10.
    #[test]
    fn derivatives_are_exact_to_some_millionths() {
        for activation in Activation::ALL {
            for step in 0..=200_000 {
                let x = -20.0 + 40.0 * (step as f32 / 2e5);
                let mut slope = [1.0];
                activation.apply_derivative(&[x], &mut slope);
                let expected = definition::slope(activation, f64::from(x));
                assert!(
                    (f64::from(slope[0]) - expected).abs() <= 2e-6,
                    "{activation:?}'({x}) is {} instead of {expected}",
                    slope[0]
                );
            }
        }
    }

    #[test]
    fn numbers_at_the_edges() {
        for large in [100.0, 1e3, 1e10, 1e30, f32::MAX] {
            for activation in [Activation::GeluTanh, Activation::Relu, Activation::Silu] {
                let (mut values, mut slopes) = ([large, -large], [1.0; 2]);
                activation.apply_derivative(&values, &mut slopes);
                activation.apply(&mut values);
                assert_eq!(values, [large, 0.0], "{activation:?}");
                assert!((slopes[0] - 1.0).abs() < 1e-6, "{activation:?}: {slopes:?}");
                assert!(slopes[1].abs() < 1e-6, "{activation:?}: {slopes:?}");
            }
            let (mut values, mut slopes) = ([large, -large], [1.0; 2]);
            Activation::Tanh.apply_derivative(&values, &mut slopes);
            Activation::Tanh.apply(&mut values);
            assert_eq!((values, slopes), ([1.0, -1.0], [0.0; 2]));
        }
        for activation in Activation::ALL {
            let mut values = [0.0, f32::NAN];
            activation.apply(&mut values);
            assert_eq!(values[0], 0.0, "{activation:?}");
            assert!(values[1].is_nan(), "{activation:?}");
        }
        let mut slopes = [1.0; 2];
        Activation::Relu.apply_derivative(&[0.0, f32::MIN_POSITIVE], &mut slopes);
        assert_eq!(slopes, [0.0, 1.0]);
    }
}
