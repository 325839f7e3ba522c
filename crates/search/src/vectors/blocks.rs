//! Work in blocks that all threads take from one counter.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

/// Calls `work` for all blocks of `size` of `count`, on all threads. A thread that is faster takes more.
pub(crate) fn share(count: usize, size: usize, work: impl Fn(Range<usize>) + Sync) {
    let next = AtomicUsize::new(0);
    (0..count.div_ceil(size).min(rayon::current_num_threads()))
        .into_par_iter()
        .with_max_len(1)
        .for_each(|_| {
            loop {
                let first = next.fetch_add(1, Ordering::Relaxed).saturating_mul(size);
                if first >= count {
                    break;
                }
                work(first..count.min(first + size));
            }
        });
}
