//! Memory of packed weights, in huge pages where the system has them.
//!
//! One sequence is bound by reading all weights once. With pages of 4 KiB the processor spends a part of that time on
//! looking up some ninety thousand pages. Linux gives pages of 2 MiB on request (`madvise`), where such a page is used
//! whole. The rest after the last whole one stays in small pages, so no memory is wasted.

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use bytemuck::Pod;
use memmap2::MmapMut;

/// A huge page of x86-64, and of ARM with small pages of 4 KiB.
const LARGE_PAGE: usize = 2 * 1024 * 1024;

/// A fixed number of elements, 0 at first.
#[derive(Debug)]
pub(super) struct Pages<T> {
    memory: Memory<T>,
    length: usize,
}

#[derive(Debug)]
enum Memory<T> {
    Heap(Vec<T>),
    /// The elements begin `start` bytes into the mapping, where a huge page may begin.
    Mapped {
        mapping: MmapMut,
        start: usize,
        elements: PhantomData<T>,
    },
}

impl<T: Pod> Pages<T> {
    /// `length` elements of zeros.
    pub(super) fn zeroed(length: usize) -> Self {
        let memory = map(length * size_of::<T>()).map_or_else(
            || Memory::Heap(vec![T::zeroed(); length]),
            |(mapping, start)| Memory::Mapped {
                mapping,
                start,
                elements: PhantomData,
            },
        );
        Self { memory, length }
    }
}

/// Zeroed memory with huge pages, and the offset of the first; `None` where there are none or they are of no use.
#[cfg(target_os = "linux")]
fn map(bytes: usize) -> Option<(MmapMut, usize)> {
    let large = bytes / LARGE_PAGE * LARGE_PAGE;
    if large == 0 {
        return None;
    }
    let mapping = MmapMut::map_anon(bytes + LARGE_PAGE).ok()?;
    let start = mapping.as_ptr().align_offset(LARGE_PAGE);
    // Without huge pages it works, too.
    let _ = mapping.advise_range(memmap2::Advice::HugePage, start, large);
    Some((mapping, start))
}

#[cfg(not(target_os = "linux"))]
fn map(_: usize) -> Option<(MmapMut, usize)> {
    None
}

impl<T: Pod> Deref for Pages<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match &self.memory {
            Memory::Heap(values) => values,
            Memory::Mapped { mapping, start, .. } => {
                bytemuck::cast_slice(&mapping[*start..][..self.length * size_of::<T>()])
            }
        }
    }
}

impl<T: Pod> DerefMut for Pages<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        match &mut self.memory {
            Memory::Heap(values) => values,
            Memory::Mapped { mapping, start, .. } => {
                bytemuck::cast_slice_mut(&mut mapping[*start..][..self.length * size_of::<T>()])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_that_can_be_written_whatever_the_length() {
        let in_page = LARGE_PAGE / size_of::<f32>();
        for length in [0, 1, in_page - 1, in_page, 3 * in_page + 7] {
            let mut pages = Pages::<f32>::zeroed(length);
            assert_eq!(pages.len(), length);
            assert!(pages.iter().all(|value| *value == 0.0));
            for (index, value) in pages.iter_mut().enumerate() {
                *value = index as f32;
            }
            assert!(
                pages
                    .iter()
                    .enumerate()
                    .all(|(index, value)| *value == index as f32)
            );
        }
    }
}
