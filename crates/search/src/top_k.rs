//! The best of many with little memory: a bounded heap.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// A vector that was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit {
    /// Its position, from 0.
    pub index: usize,
    /// Its similarity to the query.
    pub score: f32,
}

impl Hit {
    /// Better hits first: higher scores, and of equal scores the lower index.
    fn rank(&self, other: &Self) -> Ordering {
        other
            .score
            .total_cmp(&self.score)
            .then(self.index.cmp(&other.index))
    }
}

/// In the heap the worst kept hit is on top.
#[derive(Clone, Copy)]
struct Kept(Hit);

impl PartialEq for Kept {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Kept {}

impl PartialOrd for Kept {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Kept {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.rank(&other.0)
    }
}

/// The best `k` hits seen so far.
#[derive(Clone)]
pub(crate) struct TopK {
    k: usize,
    heap: BinaryHeap<Kept>,
}

impl TopK {
    pub(crate) fn new(k: usize) -> Self {
        Self {
            k,
            heap: BinaryHeap::new(),
        }
    }

    pub(crate) fn push(&mut self, hit: Hit) {
        if self.heap.len() < self.k {
            self.heap.push(Kept(hit));
        } else if let Some(mut worst) = self.heap.peek_mut()
            && hit.rank(&worst.0) == Ordering::Less
        {
            *worst = Kept(hit);
        }
    }

    pub(crate) fn merge(mut self, other: Self) -> Self {
        for kept in other.heap {
            self.push(kept.0);
        }
        self
    }

    /// Best first.
    pub(crate) fn into_hits(self) -> Vec<Hit> {
        self.heap
            .into_sorted_vec()
            .into_iter()
            .map(|kept| kept.0)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn as_a_sort(scores in prop::collection::vec(-3i8..3, 0..60), k in 0usize..70, cut in 0usize..60) {
            let hits: Vec<Hit> =
                scores.iter().enumerate().map(|(index, s)| Hit { index, score: f32::from(*s) }).collect();
            let (front, back) = hits.split_at(cut.min(hits.len()));
            let collect = |hits: &[Hit]| hits.iter().fold(TopK::new(k), |mut top, hit| { top.push(*hit); top });
            // In two parts, the later first: the order of arrival must not matter.
            let best = collect(back).merge(collect(front)).into_hits();

            let mut sorted = hits.clone();
            sorted.sort_by(|a, b| b.score.partial_cmp(&a.score).unwrap().then(a.index.cmp(&b.index)));
            sorted.truncate(k);
            prop_assert_eq!(best, sorted);
        }
    }
}
