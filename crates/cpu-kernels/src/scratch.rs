//! Thread-local scratch memory: new pages for every call would cost as much as filling them.

use std::cell::Cell;
use std::thread::LocalKey;

use bytemuck::Pod;

/// The scratch of a thread.
pub(super) type Scratch<T> = LocalKey<Cell<Vec<T>>>;

/// Does `work` with `count` elements of any value. The thread keeps the largest number that it needed, so `count` must be
/// bounded.
pub(super) fn with_scratch<T: Pod>(
    kept: &'static Scratch<T>,
    count: usize,
    work: impl FnOnce(&mut [T]),
) {
    // Taken, not borrowed: while a thread of rayon waits inside `work`, it may call this again.
    let mut elements = kept.take();
    if elements.len() < count {
        elements = vec![T::zeroed(); count];
    }
    work(&mut elements[..count]);
    kept.set(elements);
}

#[cfg(test)]
mod tests {
    use super::*;

    thread_local! {
        static NUMBERS: Cell<Vec<u32>> = const { Cell::new(Vec::new()) };
    }

    #[test]
    fn a_call_within_a_call_has_elements_of_its_own() {
        for count in [3, 5, 0, 4] {
            with_scratch(&NUMBERS, count, |outer| {
                assert_eq!(outer.len(), count);
                outer.fill(1);
                with_scratch(&NUMBERS, 2, |inner| inner.fill(2));
                assert!(outer.iter().all(|number| *number == 1));
            });
        }
    }
}
