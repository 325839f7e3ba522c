//! `exp`, `erf` and `tanh` without branches or calls, so that a loop over them becomes vector
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

/// `exp(-2 |x|)`, of which `tanh(|x|)` is `(1 - t) / (1 + t)`.
#[inline(always)]
pub(crate) fn tanh_tail(x: f32) -> f32 {
    exp(-2.0 * x.abs())
}

/// The first terms of Taylor's series of `tanh(x) / x` in `x²`, highest first: the next is below 3e-8 up to [`NEAR_0`].
const TANH_SERIES: [f32; 5] = [62.0 / 2835.0, -17.0 / 315.0, 2.0 / 15.0, -1.0 / 3.0, 1.0];

/// From here on the quotient of [`tanh_tail`] is used, whose numerator loses bits near 0.
const NEAR_0: f32 = 0.3;

/// The hyperbolic tangent, within 5e-7 of itself, and exactly -1 or 1 from 44 on.
#[inline(always)]
pub(crate) fn tanh(x: f32) -> f32 {
    let tail = tanh_tail(x);
    let far = ((1.0 - tail) / (1.0 + tail)).copysign(x);
    let near = x * horner(x * x, TANH_SERIES);
    if x.abs() < NEAR_0 { near } else { far }
}

/// A polynomial, highest coefficient first.
#[inline(always)]
fn horner<const N: usize>(x: f32, coefficients: [f32; N]) -> f32 {
    coefficients[1..]
        .iter()
        .fold(coefficients[0], |sum, coefficient| {
            sum.mul_add(x, *coefficient)
        })
}

#[cfg(test)]
mod tests {
    use super::{erf, exp, short_exp, tanh};
    use crate::tests::activations as definition;

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
    fn erf_is_exact_to_a_millionth() {
        for step in 0..=200_000 {
            let x = -10.0 + 20.0 * (step as f32 / 2e5);
            let expected = definition::erf(f64::from(x));
            assert!(
                (f64::from(erf(x)) - expected).abs() < 4e-7,
                "erf({x}) is {}",
                erf(x)
            );
        }
        assert_eq!(erf(0.0), 0.0);
        for large in [20.0, 1e3, 1e10, f32::MAX] {
            assert_eq!((erf(large), erf(-large)), (1.0, -1.0));
        }
        assert!(erf(f32::NAN).is_nan());
    }

    /// Two units in the last place of `exp`, which the numerator makes larger by up to 2, and three roundings.
    #[test]
    fn tanh_is_within_half_a_millionth_of_itself() {
        for step in -400_000..=400_000 {
            let x = 1e-4 * step as f32;
            let expected = f64::from(x).tanh();
            let error = (f64::from(tanh(x)) - expected).abs();
            assert!(error <= 5e-7 * expected.abs(), "tanh({x}) is {}", tanh(x));
        }
        for small in [f32::MIN_POSITIVE, 1e-40, -1e-20] {
            assert_eq!(tanh(small), small);
        }
        for large in [44.0, 1e3, 1e10, f32::MAX, f32::INFINITY] {
            assert_eq!((tanh(large), tanh(-large)), (1.0, -1.0));
        }
        assert!(tanh(f32::NAN).is_nan());
    }
}
