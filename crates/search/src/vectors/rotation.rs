//! A rotation that looks random: signs and Walsh-Hadamard transforms.
//!
//! The signs of a vector's values are a fair code of its direction only if no value is much larger than the others. After
//! random signs and a Walsh-Hadamard transform every value is a sum of all values, half of them with the other sign. The
//! transform has a power of two values, so for other widths three rounds take the first, the last and the first values,
//! as many as fit.

/// The rounds: the first values, the last, the first.
const ROUNDS: usize = 3;

/// Any number: codes are compared only with those of the same rotation. A change needs a new version of the codes.
const SEED: u64 = 0x6d70_6e65_7462_7572;

/// The rotation of vectors of one width.
#[derive(Clone, Debug)]
pub(crate) struct Rotation {
    /// 1 or -1 for every value and round, divided by the root of the transform's size.
    factors: [Vec<f32>; ROUNDS],
    width: usize,
}

impl Rotation {
    pub(crate) fn new(width: usize) -> Self {
        let size = transformed(width);
        let factor = 1.0 / (size as f64).sqrt();
        let mut random = SplitMix64(SEED);
        let mut sign = || {
            if random.next() >> 63 == 0 { 1.0 } else { -1.0 }
        };
        let factors =
            std::array::from_fn(|_| (0..size).map(|_| (sign() * factor) as f32).collect());
        Self { factors, width }
    }

    /// Rotates a vector. Only additions, subtractions and products of single values: the same on every processor.
    #[inline(always)]
    pub(crate) fn apply(&self, values: &mut [f32]) {
        for (round, factors) in self.factors.iter().enumerate() {
            let first = if round % 2 == 0 {
                0
            } else {
                self.width - factors.len()
            };
            let values = &mut values[first..][..factors.len()];
            for (value, factor) in values.iter_mut().zip(factors) {
                *value *= factor;
            }
            walsh_hadamard(values);
        }
    }
}

/// The largest power of two that is not above `width`.
fn transformed(width: usize) -> usize {
    width.checked_ilog2().map_or(0, |bits| 1 << bits)
}

/// Values of the innermost steps of the transform.
const INNER: usize = 16;

/// The transform of a power of two values, without a factor.
#[inline(always)]
fn walsh_hadamard(values: &mut [f32]) {
    let (chunks, rest) = values.as_chunks_mut::<INNER>();
    for chunk in chunks {
        steps(chunk, 1, INNER);
    }
    // Fewer values than a chunk.
    let few = rest.len();
    steps(rest, 1, few);
    let count = values.len();
    steps(values, INNER, count);
}

/// The steps from a distance of `half` values up to below `end`.
#[inline(always)]
fn steps(values: &mut [f32], mut half: usize, end: usize) {
    while half < end {
        for pair in values.chunks_exact_mut(2 * half) {
            let (left, right) = pair.split_at_mut(half);
            for (left, right) in left.iter_mut().zip(right) {
                (*left, *right) = (*left + *right, *left - *right);
            }
        }
        half *= 2;
    }
}

/// The generator SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_angles_stay() {
        for width in [1, 2, 3, 7, 16, 31, 64, 100, 384, 768] {
            let rotation = Rotation::new(width);
            let one: Vec<f32> = (0..width).map(|place| (place % 5) as f32 - 1.5).collect();
            let other: Vec<f32> = (0..width).map(|place| (place % 3) as f32 + 0.25).collect();
            let dot = |one: &[f32], other: &[f32]| -> f64 {
                let pairs = one.iter().zip(other);
                pairs.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
            };
            let rotated = |values: &[f32]| {
                let mut values = values.to_vec();
                rotation.apply(&mut values);
                values
            };
            let (new_one, new_other) = (rotated(&one), rotated(&other));
            let size = dot(&one, &one).sqrt() * dot(&other, &other).sqrt();
            for (before, after) in [
                (dot(&one, &one), dot(&new_one, &new_one)),
                (dot(&one, &other), dot(&new_one, &new_other)),
            ] {
                assert!(
                    (before - after).abs() < 1e-5 * size.max(before),
                    "width {width}"
                );
            }
        }
    }

    #[test]
    fn one_value_is_spread_over_all() {
        for width in [2, 100, 384, 768] {
            let mut values = vec![0.0; width];
            values[width - 1] = 1.0;
            Rotation::new(width).apply(&mut values);
            assert!(
                values.iter().all(|value| value.abs() <= 0.8),
                "width {width}"
            );
            assert!(values.iter().filter(|value| **value != 0.0).count() > width / 4);
        }
    }
}
