//! Which server holds a row.

/// The shard of `shards` that holds the row with that id: FNV-1a of the id's bytes, in 64 bits, modulo the number of
/// shards.
///
/// Every program that writes into the same store must agree on it, so it never changes.
#[must_use]
pub fn shard_of(id: &str, shards: usize) -> usize {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let hash = id.bytes().fold(OFFSET, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(PRIME)
    });
    // Below `shards`, which is a `usize`.
    (hash % shards.max(1) as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_published_one() {
        // Vectors of the FNV reference: the empty text and "foobar".
        assert_eq!(shard_of("", usize::MAX), 0xcbf2_9ce4_8422_2325_u64 as usize);
        assert_eq!(
            shard_of("foobar", usize::MAX),
            0x8594_4171_f739_67e8_u64 as usize
        );
    }

    #[test]
    fn rows_are_spread_evenly() {
        let mut counts = [0_usize; 3];
        for number in 0..30_000 {
            counts[shard_of(&format!("sku-{number}"), 3)] += 1;
        }
        assert!(
            counts.iter().all(|count| (9_500..10_500).contains(count)),
            "{counts:?}"
        );
    }
}
