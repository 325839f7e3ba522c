//! Derived random seeds.

/// Derives seed number `index` from `seed`: output `index` of SplitMix64 (Steele, Lea and Flood, "Fast
/// Splittable Pseudorandom Number Generators", 2014).
#[must_use]
pub fn derive_seed(seed: u64, index: u64) -> u64 {
    split_mix(seed.wrapping_add(index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15)))
}

/// The output function of SplitMix64, which is a bijection.
pub(crate) fn split_mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_seeds_are_the_outputs_of_split_mix() {
        // The first three outputs of SplitMix64 from the seed 0, as its authors publish them.
        let expected = [
            0xe220_a839_7b1d_cdaf,
            0x6e78_9e6a_a1b9_65f4,
            0x06c4_5d18_8009_454f,
        ];
        assert_eq!([0, 1, 2].map(|index| derive_seed(0, index)), expected);
        assert_ne!(derive_seed(1, 0), derive_seed(0, 0));
    }
}
