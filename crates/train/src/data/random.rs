//! Random order that depends only on the seed, on every machine and in every release.
//!
//! Nothing depends on the width of `usize` or on algorithms that a library may change:
//!
//! - The generator is xoshiro256++, seeded from `split_mix(split_mix(seed) + stream)` by SplitMix64, as its
//!   authors advise. The stream is the epoch, so every epoch has its own order.
//! - A number below a bound is drawn from 64 random bits by multiplication and rejection, without
//!   bias (Lemire, "Fast Random Integer Generation in an Interval", 2019, arXiv:1805.10941).
//! - Slices are shuffled from their end (Durstenfeld's form of the Fisher-Yates shuffle).

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

use crate::random::split_mix;

/// Reserved stream of the split into training and validation rows; no epoch has this number.
pub(super) const SPLIT_STREAM: u64 = u64::MAX;

/// The generator of a seed and a stream. [`split_mix`] is a bijection, so the streams of a seed never coincide.
pub(super) fn generator(seed: u64, stream: u64) -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(split_mix(split_mix(seed).wrapping_add(stream)))
}

/// Puts a slice in random order.
pub(super) fn shuffle<T>(slice: &mut [T], random: &mut Xoshiro256PlusPlus) {
    for last in (1..slice.len()).rev() {
        // Lossless casts: a `usize` has at most 64 bits, and the number is at most `last`.
        let other = below(random, last as u64 + 1) as usize;
        slice.swap(last, other);
    }
}

/// A uniform number from 0 to `bound - 1`; `bound` is above 0.
fn below(random: &mut Xoshiro256PlusPlus, bound: u64) -> u64 {
    let mut draw = || u128::from(random.next_u64()) * u128::from(bound);
    let mut product = draw();
    if (product as u64) < bound {
        // The part of the 2^64 numbers that cannot be spread evenly.
        let uneven = bound.wrapping_neg() % bound;
        while (product as u64) < uneven {
            product = draw();
        }
    }
    (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shuffled(length: usize, seed: u64, stream: u64) -> Vec<usize> {
        let mut numbers: Vec<usize> = (0..length).collect();
        shuffle(&mut numbers, &mut generator(seed, stream));
        numbers
    }

    /// Computed from the description above by another program.
    #[test]
    fn the_order_of_a_seed_is_fixed() {
        assert_eq!(shuffled(12, 1, 0), [0, 2, 11, 10, 7, 6, 5, 8, 3, 1, 4, 9]);
        assert_eq!(shuffled(12, 1, 1), [3, 8, 4, 0, 10, 5, 2, 1, 6, 7, 11, 9]);
        assert_eq!(shuffled(12, 2, 0), [5, 1, 10, 9, 11, 2, 7, 6, 4, 0, 3, 8]);
        assert_eq!(
            shuffled(12, 0, SPLIT_STREAM),
            [7, 11, 6, 0, 1, 2, 8, 3, 9, 5, 4, 10]
        );
    }

    /// Each of the 6 orders of 3 things is expected 1,000 times; the chi-squared statistic of 5
    /// degrees of freedom is above 20.5 once in a thousand seeds, and this seed is fixed.
    #[test]
    fn every_order_is_as_likely() {
        let mut counts = std::collections::BTreeMap::new();
        for stream in 0..6_000 {
            *counts.entry(shuffled(3, 1, stream)).or_insert(0_u32) += 1;
        }
        assert_eq!(counts.len(), 6);
        let statistic: f64 = counts
            .values()
            .map(|&count| (f64::from(count) - 1_000.0).powi(2) / 1_000.0)
            .sum();
        assert!(statistic < 20.5, "{counts:?}");
    }

    #[test]
    fn nothing_and_one_thing_can_be_shuffled() {
        assert!(shuffled(0, 1, 0).is_empty());
        assert_eq!(shuffled(1, 1, 0), [0]);
    }

    #[test]
    fn numbers_stay_below_a_large_bound() {
        let mut random = generator(3, 0);
        let bound = (1 << 63) + 1;
        assert!((0..1_000).all(|_| below(&mut random, bound) < bound));
    }
}
