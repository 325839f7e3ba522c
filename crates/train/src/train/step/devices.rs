//! The same work on several devices at once.

use model::backend::EncoderOps;

/// Runs `work` for all items, the `i`th of which is on device `i` modulo `devices`; results are in the order of the items.
/// In parallel, except items of one device that threads cannot share.
pub(super) fn map_on_devices<B: EncoderOps, T: Send, R: Send>(
    items: Vec<T>,
    devices: usize,
    work: impl Fn(T) -> R + Sync,
) -> Vec<R> {
    if B::THREADS_SHARE_A_DEVICE {
        return parallel_map(items, work);
    }
    let count = items.len();
    let mut of_device: Vec<Vec<T>> = (0..devices).map(|_| Vec::new()).collect();
    for (index, item) in items.into_iter().enumerate() {
        of_device[index % devices].push(item);
    }
    let one_by_one = |items: Vec<T>| items.into_iter().map(&work).collect::<Vec<R>>();
    let results = parallel_map(of_device, one_by_one).into_iter();
    let mut results: Vec<_> = results.map(Vec::into_iter).collect();
    (0..count)
        .filter_map(|index| results[index % devices].next())
        .collect()
}

/// Runs `work` for all items in parallel, one thread each; results are in the order of the items.
fn parallel_map<T: Send, R: Send>(items: Vec<T>, work: impl Fn(T) -> R + Sync) -> Vec<R> {
    let mut items = items;
    let Some(last) = items.pop() else {
        return Vec::new();
    };
    std::thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = items
            .into_iter()
            .map(|item| scope.spawn(move || work(item)))
            .collect();
        let last = work(last);
        let mut results: Vec<R> = threads
            .into_iter()
            .map(|thread| match thread.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            })
            .collect();
        results.push(last);
        results
    })
}
