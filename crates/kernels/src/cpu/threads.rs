//! Over how many threads a call shares its work out.
//!
//! # Strategy
//!
//! Pieces of work go into rayon's pool, and whoever has nothing to do takes some. But how large they are depends on how
//! many threads there are for a call: while every thread has a batch of its own, a batch is cut as if there was one, and
//! when the others have run out of batches, the last is cut for all of them. A result does not depend on it.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

thread_local! {
    static BUDGET: RefCell<Option<ThreadBudget>> = const { RefCell::new(None) };
}

/// Computations side by side, whose calls into this crate share the threads among themselves.
#[derive(Clone, Debug)]
pub struct ThreadBudget(Arc<AtomicUsize>);

impl ThreadBudget {
    /// So many, of which each is to [run](Self::run).
    #[must_use]
    pub fn new(count: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(count)))
    }

    /// Runs one of them on this thread. When it has ended, the others have its threads.
    ///
    /// Work of others, which this thread may be given while it waits for pieces, shares the threads in the same way.
    pub fn run<R>(&self, work: impl FnOnce() -> R) -> R {
        struct Running<'a>(&'a ThreadBudget, Option<ThreadBudget>);
        impl Drop for Running<'_> {
            fn drop(&mut self) {
                self.0.0.fetch_sub(1, Ordering::Relaxed);
                BUDGET.set(self.1.take());
            }
        }
        let _running = Running(self, BUDGET.replace(Some(self.clone())));
        work()
    }
}

/// How many threads a call of this one is shared out over.
pub(super) fn threads() -> usize {
    let all = rayon::current_num_threads();
    BUDGET.with_borrow(|budget| match budget {
        Some(ThreadBudget(running)) => (all / running.load(Ordering::Relaxed).max(1)).max(1),
        None => all,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_shares_the_threads_that_there_are() {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(6)
            .build()
            .unwrap();
        pool.install(|| {
            let budget = ThreadBudget::new(4);
            assert_eq!(threads(), 6);
            let within = ThreadBudget::new(9);
            let seen = budget.run(|| (threads(), within.run(threads), threads()));
            assert_eq!(seen, (1, 1, 1));
            // Three are left, then two, then one.
            assert_eq!([(); 3].map(|()| budget.run(threads)), [2, 3, 6]);
            assert_eq!(threads(), 6);
            let failed =
                std::panic::catch_unwind(|| ThreadBudget::new(1).run(|| panic!("on purpose")));
            assert!(failed.is_err());
            assert_eq!(threads(), 6);
        });
    }
}
