//! Batches side by side.
//!
//! Between the parallel parts of a layer every thread waits for the slowest, and what is small runs on
//! one; whole batches side by side keep the cores busy meanwhile. There are as many lanes as threads,
//! and each takes the next batch when it is free. While all of them have one, a batch is cut as if there was one thread; what
//! follows when lanes have ended, the last batches, is cut for the threads that these leave, and so is the only one.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use kernels::cpu::ThreadBudget;

/// Computes every item, `lanes` of them at a time, and hands each result to `take` on the calling
/// thread, in the order in which they come. The first error ends it.
pub(crate) fn for_each<T: Sync, R: Send, E: Send>(
    items: &[T],
    lanes: usize,
    compute: impl Fn(&T) -> Result<R, E> + Sync,
    mut take: impl FnMut(&T, R) -> Result<(), E>,
) -> Result<(), E> {
    // Waiting on a worker thread for the others could leave nobody to do the work.
    let on_worker = rayon::current_thread_index().is_some();
    if let ([item], 2.., false) = (items, lanes, on_worker) {
        // In the pool: from outside, every parallel part of every layer would wake it anew.
        return take(item, rayon::scope(|_| compute(item))?);
    }
    let lanes = lanes.min(items.len());
    if lanes <= 1 || on_worker {
        return items.iter().try_for_each(|item| take(item, compute(item)?));
    }
    let next = AtomicUsize::new(0);
    let running = ThreadBudget::new(lanes);
    let (sender, receiver) = mpsc::channel();
    rayon::in_place_scope(|scope| {
        for _ in 0..lanes {
            let (sender, next, compute, running) = (sender.clone(), &next, &compute, &running);
            let lane = move || {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    // Nobody listens any more once something has failed.
                    if sender.send((item, compute(item))).is_err() {
                        break;
                    }
                }
            };
            scope.spawn(move |_| running.run(lane));
        }
        drop(sender);
        // Dropped on an error, which ends the lanes after what they are at.
        receiver
            .into_iter()
            .try_for_each(|(item, result)| take(item, result?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_taken_once_on_any_number_of_lanes() {
        let items: Vec<usize> = (0..100).collect();
        for lanes in [0, 1, 2, 7, 1000] {
            let mut taken = Vec::new();
            let outcome: Result<(), ()> = for_each(
                &items,
                lanes,
                |item| Ok(item * 2),
                |item, double| {
                    assert_eq!(double, item * 2);
                    taken.push(*item);
                    Ok(())
                },
            );
            assert_eq!(outcome, Ok(()));
            taken.sort_unstable();
            assert_eq!(taken, items, "{lanes} lanes");
        }
    }

    #[test]
    fn an_error_of_either_side_ends_it() {
        let items: Vec<usize> = (0..1000).collect();
        for lanes in [1, 4] {
            let computed = AtomicUsize::new(0);
            let compute = |item: &usize| {
                computed.fetch_add(1, Ordering::Relaxed);
                if *item == 3 { Err("computing") } else { Ok(()) }
            };
            assert_eq!(
                for_each(&items, lanes, compute, |_, ()| Ok(())),
                Err("computing")
            );
            let outcome = for_each(&items, lanes, |_| Ok(()), |_, ()| Err("taking"));
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
