//! The best `k` of many hits in a bounded heap.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// A vector found for a query.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit {
    /// Position of the vector in the index, from 0.
    pub index: usize,
    /// Similarity of the vector to the query.
    pub score: f32,
}

impl Hit {
    /// Better hits first: higher scores, and of equal scores the lower index.
    fn cmp_best_first(&self, other: &Self) -> Ordering {
        other
            .score
            .total_cmp(&self.score)
            .then(self.index.cmp(&other.index))
    }
}

/// Orders hits so that the top of a [`BinaryHeap`] is the worst of them.
#[derive(Clone, Copy)]
struct WorstFirst(Hit);

impl PartialEq for WorstFirst {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for WorstFirst {}

impl PartialOrd for WorstFirst {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for WorstFirst {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp_best_first(&other.0)
    }
}

/// The best `k` hits seen so far.
#[derive(Clone)]
pub(crate) struct TopK {
    k: usize,
    heap: BinaryHeap<WorstFirst>,
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
            self.heap.push(WorstFirst(hit));
        } else if let Some(mut worst) = self.heap.peek_mut()
            && hit.cmp_best_first(&worst.0) == Ordering::Less
        {
            *worst = WorstFirst(hit);
        }
    }

    /// The score below which no hit is kept: that of the worst, if there are `k`.
    pub(crate) fn threshold(&self) -> Option<f32> {
        let worst = self.heap.peek().filter(|_| self.heap.len() >= self.k);
        worst.map(|worst| worst.0.score)
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
        fn equals_a_full_sort(scores in prop::collection::vec(-3i8..3, 0..60), k in 0usize..70, cut in 0usize..60) {
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
