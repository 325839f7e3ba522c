//! Batches: the texts that go through the network together.

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

/// The texts of a batch, as distinct positions in the caller's list.
pub type BatchPlan = Vec<usize>;

/// Sorts texts by length, longest first, and fills batches up to the limit.
///
/// Texts of similar length share a batch, which keeps padding small. The longest come first, so that a
/// batch that does not fit into memory fails at once. Equal lengths keep their order: the plan depends only
/// on the lengths.
#[must_use]
pub fn plan_batches(lengths: &[usize], limit: BatchLimit) -> Vec<BatchPlan> {
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by_key(|&index| std::cmp::Reverse(lengths[index]));
    let mut batches = Vec::new();
    let mut rest = order.as_slice();
    while let Some(&longest) = rest.first() {
        let fit = limit.tokens / lengths[longest].max(1);
        let size = fit.clamp(1, limit.texts.max(1)).min(rest.len());
        let (batch, behind) = rest.split_at(size);
        batches.push(batch.to_vec());
        rest = behind;
    }
    batches
}

/// Token ids of a batch, padded to one length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenBatch {
    ids: Vec<i32>,
    mask: Vec<bool>,
    texts: usize,
    length: usize,
    pooled_from: usize,
    /// For each text the first token of its second part, where texts are pairs.
    second_from: Option<Vec<usize>>,
}

impl TokenBatch {
    /// Pads `texts` with `pad_token_id` to the length of the longest.
    pub fn new<'a>(texts: impl IntoIterator<Item = &'a [u32]>, pad_token_id: u32) -> Self {
        Self::with_length(texts, pad_token_id, |longest| longest)
    }

    /// Pads `texts` with `pad_token_id` to `length(longest)`, or to the longest text if that is more.
    pub(crate) fn with_length<'a>(
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
            second_from: None,
        }
    }

    /// Leaves the first `tokens` of every text out of the pooling: those of a prompt.
    pub(crate) fn pooled_from(mut self, tokens: usize) -> Self {
        self.pooled_from = tokens;
        self
    }

    /// Makes pairs of the texts: the tokens of each from its number in `first_tokens` on are of its second part, and have
    /// type 1.
    pub(crate) fn pairs(mut self, first_tokens: Vec<usize>) -> Self {
        self.second_from = Some(first_tokens);
        self
    }

    /// Types of the tokens of the [varlen batch](Self::varlen); `None` if all have type 0.
    pub(crate) fn varlen_types(&self) -> Option<Vec<i32>> {
        let types = self.padded_types()?;
        let kept = types.into_iter().zip(&self.mask).filter(|(_, kept)| **kept);
        Some(kept.map(|(kind, _)| kind).collect())
    }

    /// Types of all tokens, `[texts, length]`; `None` if all have type 0.
    pub(crate) fn types<B: Backend>(&self, device: &B::Device) -> Option<Tensor<B, 2, Int>> {
        let types = TensorData::new(self.padded_types()?, [self.texts, self.length]);
        Some(Tensor::from_data(types, device))
    }

    fn padded_types(&self) -> Option<Vec<i32>> {
        let second_from = self.second_from.as_ref()?;
        let types = second_from
            .iter()
            .flat_map(|&second| (0..self.length).map(move |token| i32::from(token >= second)));
        Some(types.collect())
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
            plan_batches(&[2, 5, 3, 5, 2], limit),
            [vec![1, 3], vec![2, 0, 4]]
        );
        assert_eq!(plan_batches(&[50, 2], limit), [vec![0], vec![1]]);
        assert_eq!(
            plan_batches(&[2, 2, 2], BatchLimit { texts: 2, ..limit }),
            [vec![0, 1], vec![2]]
        );
        assert!(plan_batches(&[], limit).is_empty());
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
        ) {
            let limit = BatchLimit { tokens, texts };
            let batches = plan_batches(&lengths, limit);
            let mut seen: Vec<usize> = batches.concat();
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..lengths.len()).collect::<Vec<_>>());
            for batch in &batches {
                let longest = batch.iter().map(|&i| lengths[i]).max().unwrap();
                prop_assert!(batch.len() == 1 || (longest * batch.len() <= tokens && batch.len() <= texts));
            }
        }
    }
}
