//! Over how many threads a call shares its work out.
//!
//! # Strategy
//!
//! Pieces of work go into rayon's pool, and whoever has nothing to do takes some. But how large they are depends on how
//! many threads there are for a call: where every thread has a batch of its own, one batch is cut as if there was one.

use std::cell::Cell;

thread_local! {
    static SHARE: Cell<Option<usize>> = const { Cell::new(None) };
}

/// Does `work`, whose calls into this crate are made by this thread, as if the pool had so many threads (1 at least): for
/// who computes several things side by side. Threads with nothing to do may help all the same.
pub fn with_threads<R>(count: usize, work: impl FnOnce() -> R) -> R {
    struct Restored(Option<usize>);
    impl Drop for Restored {
        fn drop(&mut self) {
            SHARE.set(self.0);
        }
    }
    let _restored = Restored(SHARE.replace(Some(count.max(1))));
    work()
}

/// How many threads a call of this one is shared out over.
pub(super) fn threads() -> usize {
    SHARE.get().unwrap_or_else(rayon::current_num_threads)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_that_of_the_innermost_until_it_ends() {
        let pool = threads();
        let inner = with_threads(7, || (with_threads(0, threads), threads()));
        assert_eq!((inner, threads()), ((1, 7), pool));
        let failed = std::panic::catch_unwind(|| with_threads(pool + 1, || panic!("on purpose")));
        assert!(failed.is_err());
        assert_eq!(threads(), pool);
    }
}
