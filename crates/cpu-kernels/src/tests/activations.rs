//! Activations against their definitions in float64.

use proptest::prelude::*;

use super::numbers;
use crate::{Activation, activate, activation_backward, every};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Within a millionth of the number, and the derivative, whose terms are at most 10, within two: see
    /// `simd/activations.rs`.
    #[test]
    fn activations_of_many_numbers_are_what_their_definitions_say(
        // More than one task.
        count in prop_oneof![0usize..100, 16_000usize..40_000],
        activation in any_activation(),
        seed in any::<u64>(),
    ) {
        let (values, gradient) = (numbers(count, seed, 8.0), numbers(count, seed ^ 1, 1.0));
        every::set_of_instructions(|| {
            let (mut found, mut back) = (values.clone(), gradient.clone());
            activate(&mut found, activation);
            activation_backward(&values, &mut back, activation);
            for (place, value) in values.iter().map(|value| f64::from(*value)).enumerate() {
                let difference = f64::from(found[place]) - activated(activation, value);
                prop_assert!(difference.abs() <= 1e-6 * value.abs(), "{} of {value}", found[place]);
                let difference =
                    f64::from(back[place]) - slope(activation, value) * f64::from(gradient[place]);
                prop_assert!(difference.abs() <= 2e-6, "{} at {value}", back[place]);
            }
            Ok::<_, TestCaseError>(())
        })?;
    }
}

/// Abramowitz and Stegun 7.1.6, whose terms all have one sign.
pub(crate) fn erf(x: f64) -> f64 {
    if x.abs() > 6.0 {
        return x.signum();
    }
    let (mut term, mut sum) = (x, x);
    for n in 1..200 {
        term *= 2.0 * x * x / f64::from(2 * n + 1);
        sum += term;
    }
    sum * (-x * x).exp() * std::f64::consts::FRAC_2_SQRT_PI
}

pub(crate) fn gelu(x: f64) -> f64 {
    0.5 * x * (1.0 + erf(x / std::f64::consts::SQRT_2))
}

/// The definition of an activation.
pub(crate) fn activated(activation: Activation, x: f64) -> f64 {
    match activation {
        Activation::Identity => x,
        Activation::Gelu => gelu(x),
        Activation::GeluTanh => {
            let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3));
            0.5 * x * (1.0 + inner.tanh())
        }
        Activation::Relu => x.max(0.0),
        Activation::Silu => x / (1.0 + (-x).exp()),
        Activation::Tanh => x.tanh(),
    }
}

/// The derivative of an activation: the central difference over `2e-5`, whose own error is below `1e-9`.
pub(crate) fn slope(activation: Activation, x: f64) -> f64 {
    let step = 1e-5;
    match activation {
        // It has a corner.
        Activation::Relu => f64::from(u8::from(x > 0.0)),
        _ => (activated(activation, x + step) - activated(activation, x - step)) / (2.0 * step),
    }
}

/// Any activation.
pub(crate) fn any_activation() -> impl Strategy<Value = Activation> {
    prop::sample::select(&Activation::ALL[..])
}
