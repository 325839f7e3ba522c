//! Batches: the texts that go through the network together.

use std::collections::VecDeque;
use std::ops::Range;

use burn::tensor::backend::Backend;
use burn::tensor::{Bool, Int, Tensor, TensorData};
use kernels::SequenceRanges;

/// Maximum size of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchLimit {
    /// Maximum tokens, padding included; a longer text is a batch of one.
    pub tokens: usize,
    /// Maximum texts.
    pub texts: usize,
}

impl BatchLimit {
    /// Texts of a length that a batch may hold, at least one.
    fn texts_of(self, length: usize) -> usize {
        (self.tokens / length.max(1)).clamp(1, self.texts.max(1))
    }
}

/// The texts of a batch, as distinct positions in the caller's list.
pub type BatchPlan = Vec<usize>;

/// What a batch costs on a device that computes padding too.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchCost {
    /// Seconds of a batch, however small it is.
    pub batch: f64,
    /// Seconds of each token, padding included.
    pub token: f64,
}

impl BatchCost {
    /// That of a GPU, until it is measured for each: in bf16 on an H100, one text took 10.4 ms, and the times of three
    /// files of product texts fit 4.4 to 5.5 µs more for every token. Plans depend on the ratio alone: a batch costs as
    /// much as about 2,100 tokens.
    pub const GPU: Self = Self {
        batch: 10.4e-3,
        token: 4.95e-6,
    };

    /// Seconds of a batch of `texts` that are padded to `length` tokens.
    #[must_use]
    pub fn seconds(self, texts: usize, length: usize) -> f64 {
        self.batch + (texts * length) as f64 * self.token
    }
}

/// Sorts texts by length, longest first, and divides them into batches within the limit. `lengths` are those to which a
/// batch that begins with the text is padded.
///
/// Without a cost, where nothing is padded, batches are as full as the limit allows. With one, the batches are those that
/// cost least together: many where padding would cost more than another batch, few where it would not.
///
/// Texts of similar length share a batch, which keeps padding small. The longest come first, so that a
/// batch that does not fit into memory fails at once. Equal lengths keep their order: the plan depends only
/// on the lengths.
#[must_use]
pub fn plan_batches(
    lengths: &[usize],
    limit: BatchLimit,
    cost: Option<BatchCost>,
) -> Vec<BatchPlan> {
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by_key(|&index| std::cmp::Reverse(lengths[index]));
    let sorted: Vec<usize> = order.iter().map(|&index| lengths[index]).collect();
    let ends = match cost {
        Some(cost) => cheapest_ends(&sorted, limit, cost),
        None => (0..sorted.len())
            .map(|first| (first + limit.texts_of(sorted[first])).min(sorted.len()))
            .collect(),
    };
    let mut batches = Vec::new();
    let mut first = 0;
    while let Some(&end) = ends.get(first) {
        batches.push(order[first..end].to_vec());
        first = end;
    }
    batches
}

/// For each text of a list, longest first, the end of the batch that it begins, so that the batches from it on cost least
/// together.
///
/// A batch is a run of the list: of two batches that are none, exchanging texts so that one gets the longer ones makes
/// neither longer. With the least cost `best(i)` of the texts from `i` on, and the length `L` of text `i`,
/// `best(i) = batch + min over j of (best(j) + (j - i) L token)`, for the ends `j` that the limit allows. While `L` stays
/// the same, those ends are a window that moves by one, and only those are kept that may yet be the minimum (a monotone
/// queue): the time is that of the texts, and of one window for each different length.
fn cheapest_ends(lengths: &[usize], limit: BatchLimit, cost: BatchCost) -> Vec<usize> {
    let texts = lengths.len();
    let mut best = vec![0.0; texts + 1];
    let mut ends = vec![texts; texts];
    // From the far end of the window to the near one, with rising costs.
    let mut window: VecDeque<usize> = VecDeque::new();
    let mut length_of_window = None;
    for first in (0..texts).rev() {
        let length = lengths[first];
        let last = (first + limit.texts_of(length)).min(texts);
        // Without what all ends have in common.
        let cost_to = |end: usize, best: &[f64]| best[end] + (end * length) as f64 * cost.token;
        let mut new_ends = first + 1..=first + 1;
        if length_of_window != Some(length) {
            window.clear();
            length_of_window = Some(length);
            new_ends = first + 1..=last;
        }
        for end in new_ends.rev() {
            // Of equal costs the far end stays: fewer batches.
            while window
                .back()
                .is_some_and(|&back| cost_to(back, &best) > cost_to(end, &best))
            {
                window.pop_back();
            }
            window.push_back(end);
        }
        while window.front().is_some_and(|&front| front > last) {
            window.pop_front();
        }
        // The window holds at least the end behind this text.
        let end = window.front().copied().unwrap_or(first + 1);
        best[first] = cost.seconds(end - first, length) + best[end];
        ends[first] = end;
    }
    ends
}

/// Token ids of a batch, padded to one length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenBatch {
    ids: Vec<i32>,
    mask: Vec<bool>,
    texts: usize,
    length: usize,
    pooled_from: usize,
    /// The type of every token, padded as the ids; `None` if all have type 0.
    types: Option<Vec<i32>>,
}

impl TokenBatch {
    /// Pads `texts` with `pad_token_id` to the length of the longest.
    pub fn new<'a>(texts: impl IntoIterator<Item = &'a [u32]>, pad_token_id: u32) -> Self {
        Self::with_length(texts, pad_token_id, |longest| longest)
    }

    /// Pads `texts` with `pad_token_id` to `length(longest)`, or to the longest text if that is more.
    pub fn with_length<'a>(
        texts: impl IntoIterator<Item = &'a [u32]>,
        pad_token_id: u32,
        length: impl FnOnce(usize) -> usize,
    ) -> Self {
        let texts: Vec<&[u32]> = texts.into_iter().collect();
        let longest = texts.iter().map(|ids| ids.len()).max().unwrap_or(0);
        let length = length(longest).max(longest);
        let mut ids = Vec::with_capacity(texts.len() * length);
        let mut mask = Vec::with_capacity(texts.len() * length);
        for text in &texts {
            ids.extend(text.iter().map(|&id| id as i32));
            mask.resize(mask.len() + text.len(), true);
            let padding: Range<usize> = text.len()..length;
            ids.extend(padding.clone().map(|_| pad_token_id as i32));
            mask.extend(padding.map(|_| false));
        }
        Self {
            ids,
            mask,
            texts: texts.len(),
            length,
            pooled_from: 0,
            types: None,
        }
    }

    /// Leaves the first `tokens` of every text out of the pooling: those of a prompt.
    pub(crate) fn pooled_from(mut self, tokens: usize) -> Self {
        self.pooled_from = tokens;
        self
    }

    /// Gives the tokens types, as many for each text as it has tokens; padding has type 0.
    #[must_use]
    pub fn with_types<'a>(mut self, types: impl IntoIterator<Item = &'a [u32]>) -> Self {
        let mut padded = Vec::with_capacity(self.ids.len());
        for (text, types) in types.into_iter().enumerate() {
            padded.extend(types.iter().map(|kind| *kind as i32));
            padded.resize((text + 1) * self.length, 0);
        }
        self.types = Some(padded);
        self
    }

    /// Types of the tokens of the [varlen batch](Self::varlen); `None` if all have type 0.
    pub(crate) fn varlen_types(&self) -> Option<Vec<i32>> {
        let types = self.types.as_ref()?;
        let kept = types.iter().zip(&self.mask).filter(|(_, kept)| **kept);
        Some(kept.map(|(kind, _)| *kind).collect())
    }

    /// Types of all tokens, `[texts, length]`; `None` if all have type 0.
    pub(crate) fn types<B: Backend>(&self, device: &B::Device) -> Option<Tensor<B, 2, Int>> {
        let types = TensorData::new(self.types.clone()?, [self.texts, self.length]);
        Some(Tensor::from_data(types, device))
    }

    /// Number of tokens at the beginning of every text that are not pooled.
    pub(crate) fn not_pooled(&self) -> usize {
        self.pooled_from
    }

    /// Number of texts.
    #[must_use]
    pub fn texts(&self) -> usize {
        self.texts
    }

    /// Padded length of every text: that of the longest, or more.
    #[must_use]
    pub fn length(&self) -> usize {
        self.length
    }

    /// The varlen batch: ids of all texts without padding, and the range of each text.
    #[must_use]
    pub fn varlen(&self) -> (Vec<i32>, SequenceRanges) {
        let rows = self.mask.chunks(self.length.max(1));
        let texts =
            SequenceRanges::of_lengths(rows.map(|row| row.iter().filter(|kept| **kept).count()));
        let kept = self.ids.iter().zip(&self.mask).filter(|(_, kept)| **kept);
        (kept.map(|(id, _)| *id).collect(), texts)
    }

    /// For each place of the padded batch its row in the [varlen batch](Self::varlen), and whether it is a
    /// token: `[texts * length]` each. Padding points to the first row.
    #[must_use]
    pub(crate) fn places(&self) -> (Vec<i32>, &[bool]) {
        let mut next = 0;
        let places = self.mask.iter().map(|kept| {
            let place = if *kept { next } else { 0 };
            next += i32::from(*kept);
            place
        });
        (places.collect(), &self.mask)
    }

    /// Ids and mask as [`SentenceModel::forward`](crate::parts::SentenceModel::forward) takes them,
    /// `[texts, length]`; no mask if no text is padded.
    #[must_use]
    pub fn to_tensors<B: Backend>(
        &self,
        device: &B::Device,
    ) -> (Tensor<B, 2, Int>, Option<Tensor<B, 2, Bool>>) {
        let shape = [self.texts, self.length];
        let ids = Tensor::from_data(TensorData::new(self.ids.clone(), shape), device);
        let padded = self.mask.contains(&false);
        let mask =
            padded.then(|| Tensor::from_data(TensorData::new(self.mask.clone(), shape), device));
        (ids, mask)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn longest_first_and_within_the_budget() {
        let limit = BatchLimit {
            tokens: 10,
            texts: 100,
        };
        assert_eq!(
            plan_batches(&[2, 5, 3, 5, 2], limit, None),
            [vec![1, 3], vec![2, 0, 4]]
        );
        assert_eq!(plan_batches(&[50, 2], limit, None), [vec![0], vec![1]]);
        assert_eq!(
            plan_batches(&[2, 2, 2], BatchLimit { texts: 2, ..limit }, None),
            [vec![0, 1], vec![2]]
        );
        for cost in [None, Some(BatchCost::GPU)] {
            assert!(plan_batches(&[], limit, cost).is_empty());
        }
    }

    #[test]
    fn a_batch_more_where_padding_would_cost_more() {
        let limit = BatchLimit {
            tokens: 32_768,
            texts: usize::MAX,
        };
        let sizes = |lengths: &[usize]| -> Vec<usize> {
            let batches = plan_batches(lengths, limit, Some(BatchCost::GPU));
            batches.iter().map(Vec::len).collect()
        };
        // 100 x 16 tokens of padding cost less than another batch, and 1,000 x 176 more.
        assert_eq!(sizes(&[vec![32; 100], vec![16; 100]].concat()), [200]);
        assert_eq!(sizes(&[vec![192; 10], vec![16; 1000]].concat()), [10, 1000]);
        // The last batch of the long texts takes as many short ones as spare a batch of those.
        assert_eq!(
            sizes(&[vec![64; 500], vec![32; 1030]].concat()),
            [506, 1024]
        );
    }

    /// Seconds of a plan.
    fn seconds(batches: &[BatchPlan], lengths: &[usize], cost: BatchCost) -> f64 {
        batches
            .iter()
            .map(|batch| cost.seconds(batch.len(), lengths[batch[0]]))
            .sum()
    }

    /// The least cost of any division of texts, longest first, into batches: every end is tried for every text.
    fn least_seconds(lengths: &[usize], limit: BatchLimit, cost: BatchCost) -> f64 {
        let mut best = vec![0.0; lengths.len() + 1];
        for first in (0..lengths.len()).rev() {
            let length = lengths[first];
            best[first] = (first + 1..=lengths.len())
                .filter(|end| {
                    let texts = end - first;
                    texts == 1 || (texts <= limit.texts && texts * length <= limit.tokens)
                })
                .map(|end| cost.seconds(end - first, length) + best[end])
                .fold(f64::INFINITY, f64::min);
        }
        best[0]
    }

    #[test]
    fn padding_is_marked() {
        let batch = TokenBatch::new([&[0u32, 7, 2][..], &[0, 2]], 1);
        assert_eq!((batch.texts(), batch.length()), (2, 3));
        assert_eq!(batch.ids, [0, 7, 2, 0, 2, 1]);
        assert_eq!(batch.mask, [true, true, true, true, true, false]);
    }

    proptest! {
        #[test]
        fn every_text_is_in_one_batch_and_none_is_too_large(
            lengths in prop::collection::vec(0usize..400, 0..200),
            tokens in 0usize..2000,
            texts in 0usize..50,
            batch in prop::option::of(0.0..10.0),
        ) {
            let limit = BatchLimit { tokens, texts };
            let cost = batch.map(|batch| BatchCost { batch, token: 1e-3 });
            let batches = plan_batches(&lengths, limit, cost);
            let mut seen: Vec<usize> = batches.concat();
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..lengths.len()).collect::<Vec<_>>());
            for batch in &batches {
                let longest = batch.iter().map(|&i| lengths[i]).max().unwrap();
                prop_assert_eq!(longest, lengths[batch[0]]);
                prop_assert!(batch.len() == 1 || (longest * batch.len() <= tokens && batch.len() <= texts));
            }
        }

        #[test]
        fn no_plan_costs_less(
            mut lengths in prop::collection::vec(2usize..=384, 0..300),
            tokens in 300usize..6000,
            texts in 1usize..200,
            batch in 0.0..5.0,
            buckets in any::<bool>(),
        ) {
            if buckets {
                for length in &mut lengths {
                    *length = crate::bucket::padded_length(*length, 384);
                }
            }
            let limit = BatchLimit { tokens, texts };
            let cost = BatchCost { batch, token: 1e-3 };
            let found = seconds(&plan_batches(&lengths, limit, Some(cost)), &lengths, cost);
            lengths.sort_unstable_by(|left, right| right.cmp(left));
            let least = least_seconds(&lengths, limit, cost);
            // The same additions in another order.
            prop_assert!((found - least).abs() <= 1e-9 * (1.0 + least), "{} {}", found, least);
        }
    }
}
