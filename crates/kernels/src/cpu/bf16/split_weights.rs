//! float32 weights in 25 bits: the bfloat16 that goes into the unit, and nine bits for what it leaves.
//!
//! Of a few rows reading the weights is what takes the time, and a bfloat16 for the rest too would be more than a quarter
//! more to read. So the rest is a whole number of units of its own `high`'s: `2^-9` of that number's last place. It
//! becomes a bfloat16 again (`low`) on the first walk over a panel, beside the products ([`loops`](super)), and stays in the
//! cache for the other rows. Both together are within `2^-17` of the number (of `high`, to be exact). With eight bits
//! alone vectors of the tiny test model were off by 1.02e-5, where 1e-5 is the limit, with nine by 7.0e-6; all-mpnet-base-v2's,
//! simulated in PyTorch, by 8.3e-6 and 4.4e-6, and by 5.0e-6 with a bfloat16 for the rest.
//!
//! The way back takes no more than a few instructions for a register of weights: with the middle of `high`'s last place
//! (`high` and half of that) in the upper half of a float32, and the nine bits added below, the difference of these two is
//! `low`, exactly (but for numbers below `2^-100`, whose `low` is none that the unit knows).

use super::tiles::{PAIR, SIDE, Tile};
use crate::cpu::simd::bf16::{UPPER_HALF, widen};

/// Tiles of a step: both columns' `high`, and one of the upper eight bits. There a place has four bytes: those of the first
/// column's two depths, then those of the second column's.
pub(in crate::cpu) const SPLIT_STEP: usize = PAIR + 1;

/// The lowest bits of a step: for each row of its tiles one for all 16 places, in the order of the bytes.
pub(in crate::cpu) type StepBits = [[u16; 2 * PAIR]; SIDE];

/// The steps whose bits fill a tile.
const STEPS_OF_TILE: usize = size_of::<Tile>() / size_of::<StepBits>();

/// Tiles of the bits of so many steps. They stand at the start of a panel, before its steps.
pub(in crate::cpu) const fn tiles_of_bits(steps: usize) -> usize {
    steps.div_ceil(STEPS_OF_TILE)
}

/// The bits, step by step.
pub(in crate::cpu) fn bits_of_steps(tiles: &[Tile]) -> &[StepBits] {
    bytemuck::cast_slice(tiles)
}

/// The bits, step by step, to be set.
pub(in crate::cpu) fn bits_of_steps_mut(tiles: &mut [Tile]) -> &mut [StepBits] {
    bytemuck::cast_slice_mut(tiles)
}

/// The most that a weight changes by, for its own size: `2^-17` of `high`, which is up to `1 / 511` larger.
#[cfg(test)]
pub(in crate::cpu) const SHORTENED: f32 = 512.0 / 511.0 / 131_072.0;

/// What half of a bfloat16's last place is in the bits of a float32.
const MIDDLE: u32 = 0x8000;

/// Where the nine bits lie in these.
const REST: u32 = 0xff80;

/// Where the upper eight of them do.
const BYTE: u32 = 0xff00;

/// What is added to a float32 before its lower half is cut off: it is rounded up where the rest would be more than 255
/// units else, at 255.5 of them.
const ROUNDING: u32 = 0x1_0000 - (MIDDLE - 0x40);

/// `high`, and the rest from -256 to 255. Where rounding would give infinity, `high` is cut off and the rest is 255 at most;
/// that of a number that is not finite may be anything, and its `low` is not a number.
#[inline(always)]
pub(in crate::cpu) fn shorten(value: f32) -> (u16, i32) {
    let bits = value.to_bits();
    let rounded = bits.wrapping_add(ROUNDING) & UPPER_HALF;
    let high = if value.is_finite() && f32::from_bits(rounded).is_finite() {
        rounded
    } else {
        // A payload may be in the lower half alone.
        bits & UPPER_HALF | u32::from(value.is_nan()) << 22
    };
    let half_place = f32::from_bits(high | MIDDLE) - f32::from_bits(high);
    let units = (value - f32::from_bits(high)) / half_place * 256.0;
    // Added to this number they stand in its last bits: a conversion would be one number at a time.
    const WHOLE: f32 = 1.5 * (1 << 23) as f32;
    let rest = (units.clamp(-256.0, 255.0) + WHOLE).to_bits();
    (
        (high >> 16) as u16,
        rest.wrapping_sub(WHOLE.to_bits()).cast_signed(),
    )
}

/// `low`, from `high` in the upper half of these bits.
#[inline(always)]
fn low(high: u32, rest: u32) -> u32 {
    let middle = high & UPPER_HALF | MIDDLE;
    let difference = f32::from_bits(middle ^ rest & REST) - f32::from_bits(middle);
    difference.to_bits()
}

/// The tiles of `low` that belong to a step.
pub(in crate::cpu) fn low_tiles(
    step: &[Tile; SPLIT_STEP],
    bits: &StepBits,
    tiles: &mut [Tile; PAIR],
) {
    for (column, tile) in tiles.iter_mut().enumerate() {
        for (row, bits) in bits.iter().enumerate() {
            let (highs, bytes) = (step[column].places(row), step[PAIR].places(row));
            for (place, low_pair) in tile.row_places_mut(row).iter_mut().enumerate() {
                let (high, bytes) = (highs[place], bytes[place] >> (16 * column));
                let bit = |of_pair: usize| u32::from(bits[2 * column + of_pair] >> place & 1) << 7;
                let even = low(high << 16, bytes << 8 & BYTE | bit(0));
                let odd = low(high, bytes & BYTE | bit(1));
                *low_pair = even >> 16 | odd & UPPER_HALF;
            }
        }
    }
}

/// `high + low`; what is not finite, as it was.
pub(in crate::cpu) fn lengthen(high: u16, byte: u8, bit: u16) -> f32 {
    let rest = u32::from(byte) << 8 | u32::from(bit) << 7;
    let (high, low) = (widen(high), low(u32::from(high) << 16, rest));
    if high.is_finite() {
        high + f32::from_bits(low)
    } else {
        high
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cpu::tests::numbers;

    fn joined(value: f32) -> (f32, f32) {
        let (high, rest) = shorten(value);
        let rest = rest.cast_unsigned() << 7;
        let low = low(u32::from(high) << 16, rest);
        (widen(high), f32::from_bits(low))
    }

    #[test]
    fn a_number_is_a_bfloat16_and_nine_bits() {
        assert_eq!(joined(1.0), (1.0, 0.0));
        assert_eq!(joined(0.0).0.to_bits(), 0);
        assert_eq!(joined(-0.0).0.to_bits(), (-0.0_f32).to_bits());
        assert_eq!(joined(-0.0).1, 0.0);
        // The ends: 255 units above, 256 below.
        let unit = 2f32.powi(-16);
        assert_eq!(joined(1.0 + 255.0 * unit), (1.0, 255.0 * unit));
        let next = 1.0 + 512.0 * unit;
        assert_eq!(joined(1.0 + 256.0 * unit), (next, -256.0 * unit));
        // Below a power of two the places are half as large, the units are not.
        assert_eq!(joined(1.0 - 3.0 * unit), (1.0, -3.0 * unit));
        assert_eq!(joined(-1.0 + 3.0 * unit), (-1.0, 3.0 * unit));
        // Rounded it would be infinite.
        let (high, low) = joined(f32::MAX);
        assert!(((high + low) / f32::MAX - 1.0).abs() <= 1.0 / 256.0);
        assert_eq!(joined(f32::NEG_INFINITY).0, f32::NEG_INFINITY);
        for payload in [1, 0x40_0000, 0x7f_ffff] {
            assert!(joined(f32::from_bits(0x7f80_0000 | payload)).0.is_nan());
        }
    }

    proptest! {
        #[test]
        fn it_is_close_and_low_is_a_bfloat16(value in prop::num::f32::NORMAL) {
            prop_assume!((1e-33..3.38e38).contains(&value.abs()));
            let (high, low) = joined(value);
            prop_assert_eq!(low.to_bits() & !UPPER_HALF, 0);
            let error = f64::from(high) + f64::from(low) - f64::from(value);
            prop_assert!(error.abs() <= f64::from(value.abs() * SHORTENED));
        }
    }

    #[test]
    fn tiles_are_taken_apart_place_by_place() {
        let values = numbers(PAIR * SIDE * 2 * SIDE, 5, 2.0);
        let (mut step, mut bits) = ([Tile::ZERO; SPLIT_STEP], StepBits::default());
        let mut expected = [Tile::ZERO; PAIR];
        for (index, value) in values.iter().enumerate() {
            let (column, row, place) = (index / 512, index / 32 % 16, index % 32);
            let (high, rest) = shorten(*value);
            step[column].row_mut(row)[place] = high;
            let byte = &mut step[PAIR].bytes_mut(row)[place / 2 * 4 + column * 2 + place % 2];
            *byte = (rest >> 1) as u8;
            bits[row][column * 2 + place % 2] |= ((rest & 1) as u16) << (place / 2);
            expected[column].row_mut(row)[place] = (joined(*value).1.to_bits() >> 16) as u16;
        }
        let mut tiles = [Tile::ZERO; PAIR];
        low_tiles(&step, &bits, &mut tiles);
        for (tile, expected) in tiles.iter().zip(&expected) {
            for row in 0..SIDE {
                assert_eq!(tile.row(row), expected.row(row), "row {row}");
            }
        }
    }
}
