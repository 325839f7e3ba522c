//! The number of threads over which a call shares out its work.
//!
//! Work goes into rayon's pool in pieces, whose size depends on the threads that a call may use. While every thread has its
//! own batch, a batch is cut for one thread; when other batches are done, the last ones are cut for all threads. Results do
//! not depend on it.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

thread_local! {
    static BUDGET: RefCell<Option<ThreadBudget>> = const { RefCell::new(None) };
}

/// How many threads each of several concurrent computations may use in this crate.
#[derive(Clone, Debug)]
pub struct ThreadBudget(Arc<AtomicUsize>);

impl ThreadBudget {
    /// For `count` computations, each of which is to [run](Self::run).
    #[must_use]
    pub fn new(count: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(count)))
    }

    /// Runs one computation on this thread. When it ends, the others share its threads.
    ///
    /// While this thread waits for pieces, rayon may give it work of other computations. That uses the same budget.
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

/// The number of threads that a call from this one may use.
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
