//! `exp`, `erf` and GELU without branches or calls, so that a loop over them becomes vector
//! instructions.
//!
//! The coefficients were fitted for this file: `exp`'s polynomial is Taylor's, whose seventh term is
//! below half a unit in the last place on the reduced range; `erf`'s quotient is the minimax one of
//! degree 5 over 5 (Loeb's iteration with Lawson's weights, relative error 2e-8 before rounding).

/// `1.5 * 2^23`: adding it rounds a small float to an integer, in the lowest bits.
const ROUND: f32 = 12_582_912.0;

/// `ln 2` in two parts: the first has so few bits that its product with an exponent is exact.
const LN_2_HIGH: f32 = 355.0 / 512.0;
const LN_2_LOW: f32 = -2.121_944_4e-4;

/// Below this, `exp` is smaller than the smallest normal float, and 0 here.
const EXP_UNDERFLOW: f32 = -87.336_54;

/// `e^x` for `x <= 88`, within 2 units in the last place; exactly 0 below -87.3, where it would be subnormal (so a masked
/// score costs no subnormal arithmetic).
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    let shifted = x.mul_add(std::f32::consts::LOG2_E, ROUND);
    let whole = shifted - ROUND;
    let rest = (-whole).mul_add(LN_2_LOW, (-whole).mul_add(LN_2_HIGH, x));
    let mut series = 1.0 / 720.0;
    for coefficient in [1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        series = rest.mul_add(series, coefficient);
    }
    // The whole part, brought into the exponent's place.
    let power = f32::from_bits(shifted.to_bits().wrapping_add(127) << 23);
    if x < EXP_UNDERFLOW {
        0.0
    } else {
        series * power
    }
}

/// The minimax polynomial of `2^x` for `x` from -0.5 to 0.5, of degree 3: relative error `7.5e-5` (Lawson's iteration).
const SHORT_POWER: [f32; 4] = [0.055_171_67, 0.242_611_14, 0.693_260_97, 0.999_928_06];

/// Below this power the short exponential is constant: it stays a normal float.
const SHORT_EXP_LOWEST: f32 = -125.0;

/// `e^x` for `x <= 0`, within `1e-4` of the value, which is enough before rounding to bfloat16 (`2^-9`). At least `2^-125`.
#[inline(always)]
pub(crate) fn short_exp(x: f32) -> f32 {
    let power = x * std::f32::consts::LOG2_E;
    // Not `max`, which would turn NaN into a number.
    let power = if power < SHORT_EXP_LOWEST {
        SHORT_EXP_LOWEST
    } else {
        power
    };
    // The lowest bits become the whole part as the exponent of a float has it.
    const ROUND_TO_EXPONENT: f32 = ROUND + 127.0;
    let shifted = power + ROUND_TO_EXPONENT;
    let rest = power - (shifted - ROUND_TO_EXPONENT);
    let [cube, square, first, constant] = SHORT_POWER;
    let series = cube
        .mul_add(rest, square)
        .mul_add(rest, first)
        .mul_add(rest, constant);
    series * f32::from_bits(shifted.to_bits() << 23)
}

/// From here on `erf` is 1 in f32.
const ERF_SATURATION: f32 = 3.925;

const ERF_NUMERATOR: [f32; 6] = [
    2.045_992_6e-6,
    2.848_261_5e-4,
    3.772_124_8e-3,
    5.276_795e-2,
    0.190_584_97,
    std::f32::consts::FRAC_2_SQRT_PI,
];
const ERF_DENOMINATOR: [f32; 6] = [
    3.804_650_4e-5,
    1.163_740_2e-3,
    1.498_235e-2,
    0.114_178_926,
    0.502_234_3,
    1.0,
];

/// The error function, within 4e-7, and exactly -1 or 1 at saturation: GELU multiplies the difference to 1 with `x`.
#[inline(always)]
pub(crate) fn erf(x: f32) -> f32 {
    let near = x.clamp(-ERF_SATURATION, ERF_SATURATION);
    let square = near * near;
    let quotient = near * horner(square, ERF_NUMERATOR) / horner(square, ERF_DENOMINATOR);
    if x.abs() >= ERF_SATURATION {
        1.0f32.copysign(x)
    } else {
        quotient
    }
}

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

/// A polynomial, highest coefficient first.
#[inline(always)]
fn horner(x: f32, coefficients: [f32; 6]) -> f32 {
    let [first, rest @ ..] = coefficients;
    rest.into_iter()
        .fold(first, |sum, coefficient| sum.mul_add(x, coefficient))
}

#[cfg(test)]
mod tests {
    use super::{erf, exp, gelu, gelu_derivative, short_exp};
    use crate::tests as definition;

    /// `exp` promises 2 units in the last place, that is 2.4e-7 of the value.
    #[test]
    fn exp_is_within_two_units_in_the_last_place() {
        for step in 0..=2_000_000 {
            let x = -87.3 + 175.3 * (step as f32 / 2e6);
            let expected = f64::from(x).exp();
            let error = (f64::from(exp(x)) - expected).abs() / expected;
            assert!(
                error < 2.4e-7,
                "exp({x}) is {} instead of {expected}",
                exp(x)
            );
        }
        assert_eq!(exp(0.0), 1.0);
        for tiny in [-88.0, -1e10, f32::NEG_INFINITY] {
            assert_eq!(exp(tiny), 0.0);
        }
        assert!(exp(f32::NAN).is_nan());
    }

    /// bfloat16 rounds by `2^-9`; for large arguments the product with `log2(e)` loses a little, too.
    #[test]
    fn a_short_exponential_is_within_a_ten_thousandth() {
        for step in 0..=2_000_000 {
            let x = -86.0 * (step as f32 / 2e6);
            let expected = f64::from(x).exp();
            let error = (f64::from(short_exp(x)) - expected).abs() / expected;
            assert!(error < 1e-4, "e^{x} is {}", short_exp(x));
        }
        for tiny in [-87.0, -1e10, f32::MIN, f32::NEG_INFINITY] {
            let value = short_exp(tiny);
            assert!(value.is_normal() && value < 4e-38, "e^{tiny} is {value}");
        }
        assert!(short_exp(f32::NAN).is_nan());
    }

    #[test]
    fn erf_and_gelu_are_exact_to_a_millionth() {
        for step in 0..=200_000 {
            let x = -10.0 + 20.0 * (step as f32 / 2e5);
            let expected = definition::erf(f64::from(x));
            assert!(
                (f64::from(erf(x)) - expected).abs() < 4e-7,
                "erf({x}) is {}",
                erf(x)
            );
            let expected = definition::gelu(f64::from(x));
            assert!(
                (f64::from(gelu(x)) - expected).abs() < 1e-6,
                "gelu({x}) is {}",
                gelu(x)
            );
        }
        assert_eq!((gelu(0.0), erf(0.0)), (0.0, 0.0));
        // GELU multiplies the difference of `erf` to 1 with these.
        for large in [20.0, 1e3, 1e10, f32::MAX] {
            assert_eq!((gelu(large), gelu(-large)), (large, 0.0));
            assert_eq!((erf(large), erf(-large)), (1.0, -1.0));
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
        assert!(erf(f32::NAN).is_nan() && gelu(f32::NAN).is_nan());
    }
}
