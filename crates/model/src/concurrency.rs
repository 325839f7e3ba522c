//! Concurrent batches.
//!
//! Between the parallel parts of a layer every thread waits for the slowest, and small operations run on
//! one thread. Several batches at a time keep the cores busy meanwhile. As many batches run as there are
//! threads, and a free thread takes the next batch. While every thread has a batch, a kernel uses one
//! thread. The last batches, and a single one, use the threads that have become free.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use kernels::cpu::ThreadBudget;

use crate::threads;

/// Computes every item, `at_once` of them concurrently, and hands each result to `take` on the calling
/// thread, in the order of completion. The first error ends it.
pub(crate) fn for_each<T: Sync, R: Send, E: Send>(
    items: &[T],
    at_once: usize,
    compute: impl Fn(&T) -> Result<R, E> + Sync,
    mut take: impl FnMut(&T, R) -> Result<(), E>,
) -> Result<(), E> {
    // Waiting on a worker thread for the others could leave nobody to do the work.
    let on_worker = rayon::current_thread_index().is_some();
    if let ([item], 2.., false) = (items, at_once, on_worker) {
        // In the pool: from outside, every parallel part of every layer would wake the pool again.
        return take(item, threads::in_pool(|| rayon::scope(|_| compute(item)))?);
    }
    let at_once = at_once.min(items.len());
    if at_once <= 1 || on_worker {
        return items
            .iter()
            .try_for_each(|item| take(item, threads::in_pool(|| compute(item))?));
    }
    let next = AtomicUsize::new(0);
    let running = ThreadBudget::new(at_once);
    let (sender, receiver) = mpsc::channel();
    threads::in_place_scope(|scope| {
        for _ in 0..at_once {
            let (sender, next, compute, running) = (sender.clone(), &next, &compute, &running);
            let work = move || {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    // The receiver is gone after an error.
                    if sender.send((item, compute(item))).is_err() {
                        break;
                    }
                }
            };
            scope.spawn(move |_| running.run(work));
        }
        drop(sender);
        // An error drops the receiver, which ends each worker after its current item.
        receiver
            .into_iter()
            .try_for_each(|(item, result)| take(item, result?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_taken_once_at_any_concurrency() {
        let items: Vec<usize> = (0..100).collect();
        for at_once in [0, 1, 2, 7, 1000] {
            let mut taken = Vec::new();
            let outcome: Result<(), ()> = for_each(
                &items,
                at_once,
                |item| Ok(item * 2),
                |item, double| {
                    assert_eq!(double, item * 2);
                    taken.push(*item);
                    Ok(())
                },
            );
            assert_eq!(outcome, Ok(()));
            taken.sort_unstable();
            assert_eq!(taken, items, "{at_once} at once");
        }
    }

    #[test]
    fn an_error_of_either_side_ends_it() {
        let items: Vec<usize> = (0..1000).collect();
        for at_once in [1, 4] {
            let computed = AtomicUsize::new(0);
            let compute = |item: &usize| {
                computed.fetch_add(1, Ordering::Relaxed);
                if *item == 3 { Err("computing") } else { Ok(()) }
            };
            assert_eq!(
                for_each(&items, at_once, compute, |_, ()| Ok(())),
                Err("computing")
            );
            let outcome = for_each(&items, at_once, |_| Ok(()), |_, ()| Err("taking"));
            assert_eq!(outcome, Err("taking"));
        }
        assert_eq!(
            for_each(&[0; 0], 4, |_| Err::<(), _>("no"), |_, ()| Ok(())),
            Ok(())
        );
    }

    #[test]
    fn a_worker_thread_does_the_work_itself() {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(1)
            .build()
            .unwrap();
        let mut sum = 0;
        let outcome: Result<(), ()> = pool.install(|| {
            for_each(
                &[1, 2, 3],
                4,
                |item| Ok(*item),
                |_, item| {
                    sum += item;
                    Ok(())
                },
            )
        });
        assert_eq!((outcome, sum), (Ok(()), 6));
    }
}
