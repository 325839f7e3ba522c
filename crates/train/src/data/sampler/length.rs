//! Sorting of rows by length.

/// Batches per pool: enough for similar lengths within a batch, few enough that epochs have different
/// batches. Hugging Face's `LengthGroupedSampler` uses at most as many.
const POOL_BATCHES: usize = 50;

/// Cuts `order` into pools and sorts each by `lengths`, shortest first; equal lengths keep their
/// order.
pub(super) fn sort_in_pools(order: &mut [usize], lengths: &[u32], batch_size: usize) {
    for pool in order.chunks_mut(batch_size.saturating_mul(POOL_BATCHES)) {
        pool.sort_by_key(|&place| lengths[place]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pools_are_sorted_one_by_one() {
        let lengths: Vec<u32> = (0..120).map(|place| (120 - place) % 7).collect();
        let mut order: Vec<usize> = (0..120).collect();
        sort_in_pools(&mut order, &lengths, 2);
        assert!(order[..100].iter().all(|&place| place < 100));
        for pool in [&order[..100], &order[100..]] {
            // Equal lengths keep their order.
            assert!(pool.is_sorted_by_key(|&place| (lengths[place], place)));
        }
    }
}
