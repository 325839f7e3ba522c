//! bfloat16: the upper half of a float32's bits.

/// The bits of a float32 that a bfloat16 keeps.
pub(crate) const UPPER_HALF: u32 = 0xffff_0000;

/// The nearest bfloat16 as the bits of a float32, halves to even; NaN stays NaN.
#[inline(always)]
pub(crate) fn bfloat16(value: f32) -> u32 {
    let bits = value.to_bits();
    if value.is_nan() {
        // The payload may be in the lower half only.
        return (bits & UPPER_HALF) | 0x0040_0000;
    }
    let half_to_even = 0x7fff + ((bits >> 16) & 1);
    bits.wrapping_add(half_to_even) & UPPER_HALF
}

/// The nearest bfloat16.
#[inline(always)]
pub(crate) fn nearest(value: f32) -> u16 {
    (bfloat16(value) >> 16) as u16
}

/// Numbers of two rows, rounded to the nearest bfloat16, in pairs.
#[inline(always)]
pub(crate) fn nearest_pairs(one: &[f32; 16], other: &[f32; 16]) -> [u32; 16] {
    let mut pairs = [0; 16];
    for ((pair, one), other) in pairs.iter_mut().zip(one).zip(other) {
        *pair = bfloat16(*one) >> 16 | bfloat16(*other);
    }
    pairs
}

/// A bfloat16 as float32.
#[inline(always)]
pub(crate) fn upcast(half: u16) -> f32 {
    f32::from_bits(u32::from(half) << 16)
}

/// The nearest bfloat16, and the nearest to the rest.
///
/// The rest of an infinite number or NaN is 0. Where rounding a finite number would give infinity, it and its rest are
/// truncated.
#[inline(always)]
pub(crate) fn split(value: f32) -> [u16; 2] {
    let (finite, rounded) = (value.is_finite(), bfloat16(value));
    let cut = finite && !f32::from_bits(rounded).is_finite();
    let high = if cut {
        value.to_bits() & UPPER_HALF
    } else {
        rounded
    };
    let rest = if finite {
        value - f32::from_bits(high)
    } else {
        0.0
    };
    let low = if cut { rest.to_bits() } else { bfloat16(rest) };
    [high, low].map(|bits| (bits >> 16) as u16)
}

/// Numbers of two rows, [split], in pairs: the high halves, and the low ones.
#[inline(always)]
pub(crate) fn split_pairs(one: &[f32; 16], other: &[f32; 16]) -> [[u32; 16]; 2] {
    let [mut highs, mut lows] = [[0; 16]; 2];
    let places = highs.iter_mut().zip(&mut lows);
    for ((high, low), (one, other)) in places.zip(one.iter().zip(other)) {
        let ([one_high, one_low], [other_high, other_low]) = (split(*one), split(*other));
        *high = u32::from(one_high) | u32::from(other_high) << 16;
        *low = u32::from(one_low) | u32::from(other_low) << 16;
    }
    [highs, lows]
}
