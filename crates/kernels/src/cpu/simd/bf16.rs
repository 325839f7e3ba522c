//! bfloat16: the upper half of a float32's bits.

/// Of the bits of a float32: those of a bfloat16.
pub(in crate::cpu) const UPPER_HALF: u32 = 0xffff_0000;

/// Rounds to the nearest float32 whose lower half is 0, halves to even; not-a-number stays so.
#[inline(always)]
pub(in crate::cpu) fn bfloat16(value: f32) -> u32 {
    let bits = value.to_bits();
    if value.is_nan() {
        // Its payload may lie in the lower half alone.
        return (bits & UPPER_HALF) | 0x0040_0000;
    }
    let half_to_even = 0x7fff + ((bits >> 16) & 1);
    bits.wrapping_add(half_to_even) & UPPER_HALF
}

/// The nearest bfloat16.
#[inline(always)]
pub(in crate::cpu) fn nearest(value: f32) -> u16 {
    (bfloat16(value) >> 16) as u16
}

/// Numbers of two rows, rounded to the nearest bfloat16, side by side.
#[inline(always)]
pub(in crate::cpu) fn nearest_pairs(one: &[f32; 16], other: &[f32; 16]) -> [u32; 16] {
    let mut pairs = [0; 16];
    for ((pair, one), other) in pairs.iter_mut().zip(one).zip(other) {
        *pair = bfloat16(*one) >> 16 | bfloat16(*other);
    }
    pairs
}

/// A bfloat16 as float32.
#[inline(always)]
pub(in crate::cpu) fn widen(half: u16) -> f32 {
    f32::from_bits(u32::from(half) << 16)
}

/// The nearest bfloat16 and the nearest to the rest. Of a number that is not finite there is no rest; where rounding a
/// finite one would give infinity, it and its rest are cut off instead.
#[inline(always)]
pub(in crate::cpu) fn split(value: f32) -> [u16; 2] {
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

/// Numbers of two rows, [split], side by side: the high halves, and the low ones.
#[inline(always)]
pub(in crate::cpu) fn split_pairs(one: &[f32; 16], other: &[f32; 16]) -> [[u32; 16]; 2] {
    let [mut highs, mut lows] = [[0; 16]; 2];
    let places = highs.iter_mut().zip(&mut lows);
    for ((high, low), (one, other)) in places.zip(one.iter().zip(other)) {
        let ([first, second], [first_low, second_low]) = (split(*one), split(*other));
        *high = u32::from(first) | u32::from(second) << 16;
        *low = u32::from(first_low) | u32::from(second_low) << 16;
    }
    [highs, lows]
}
