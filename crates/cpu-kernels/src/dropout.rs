//! Dropout masks as a function of a seed.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// A dropout mask that forward and backward pass compute where they need it, instead of storing it.
///
/// The mask consists of blocks, each with its own random numbers, so that threads can compute blocks in any order. It is the
/// same on every machine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DropoutMask {
    /// The probability of a zero, in `[0, 1)`.
    pub probability: f64,
    /// Seed of the random numbers.
    pub seed: u64,
}

/// Odd, with bits all over; not the step of SplitMix64, from which the generator's state is filled:
/// neighbouring blocks would share three of their four words.
const BLOCK_STEP: u64 = 0xd6e8_feb8_6659_fd93;

/// Resolution of the probability: it is met within 1/131,072.
const STEPS: f64 = 65_536.0;

impl DropoutMask {
    /// The factors of a block's elements, in order.
    #[must_use]
    pub fn block(&self, index: usize) -> Factors {
        let seed = self
            .seed
            .wrapping_add((index as u64 + 1).wrapping_mul(BLOCK_STEP));
        Factors {
            generator: Xoshiro256PlusPlus::seed_from_u64(seed),
            threshold: (self.probability * STEPS).round() as u32,
            kept: (1.0 / (1.0 - self.probability)) as f32,
        }
    }

    /// The factors of `count` elements, in blocks of 8,192.
    #[must_use]
    pub fn factors(&self, count: usize) -> Vec<f32> {
        let mut factors = vec![0.0; count];
        for (index, block) in factors.chunks_mut(BLOCK).enumerate() {
            self.block(index).fill(block);
        }
        factors
    }
}

/// Elements of a block of a tensor: a task of some microseconds.
pub(crate) const BLOCK: usize = 8_192;

/// The factors of a block: 0 for dropped elements, and for the others the one that keeps the expected sum.
#[derive(Debug)]
pub struct Factors {
    generator: Xoshiro256PlusPlus,
    threshold: u32,
    kept: f32,
}

impl Factors {
    /// The next factors: four from each random number, 16 bits each.
    #[inline(always)]
    pub fn fill(&mut self, factors: &mut [f32]) {
        for four in factors.chunks_mut(4) {
            let mut bits = self.generator.next_u64();
            for factor in four {
                let dropped = ((bits & 0xffff) as u32) < self.threshold;
                *factor = if dropped { 0.0 } else { self.kept };
                bits >>= 16;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_mask_and_the_expected_share_of_zeros() {
        let mask = |seed| {
            let probability = 0.25;
            DropoutMask { probability, seed }.factors(20_000)
        };
        let factors = mask(3);
        assert_eq!(factors, mask(3));
        assert_ne!(factors, mask(4));
        let zeros = factors.iter().filter(|&&factor| factor == 0.0).count();
        // 5,000 expected, five standard deviations of 61 to either side.
        assert!((4_695..5_305).contains(&zeros), "{zeros} zeros");
        let kept = 1.0 / 0.75;
        assert!(
            factors
                .iter()
                .all(|&factor| factor == 0.0 || factor == kept)
        );
    }

    #[test]
    fn blocks_differ() {
        let mask = DropoutMask {
            probability: 0.5,
            seed: 1,
        };
        let block = |index| {
            let mut factors = [0.0; 64];
            mask.block(index).fill(&mut factors);
            factors
        };
        assert_ne!(block(0), block(1));
        assert_ne!(block(1), block(2));
    }
}
