//! Micro-batches of a batch, and the activations to keep of them.

use model::backend::EncoderOps;
use model::parts::TokenBatch;
use model::parts::{BatchCost, BatchLimit, padded_length, plan_batches};
use serde::{Deserialize, Serialize};

use crate::batch::TrainingBatch;
use crate::random::derive_seed;

/// Activations kept between the forward and the backward pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activations {
    /// All activations: the fastest, with the most memory.
    #[default]
    Stored,
    /// The input of every layer (gradient checkpointing; Chen et al., "Training Deep Nets with
    /// Sublinear Memory Cost", 2016). Computes each layer twice.
    Checkpointed,
    /// Only the vectors (GradCache). The network needs the memory of one micro-batch for any batch
    /// size; most losses still hold their own values for the whole batch. Computes the network twice.
    GradCache,
    /// Only the vectors and, during the backward pass of a micro-batch, the input of every layer: the
    /// least memory, with two more forward passes.
    GradCacheCheckpointed,
}

impl Activations {
    pub(super) fn is_grad_cache(self) -> bool {
        matches!(self, Self::GradCache | Self::GradCacheCheckpointed)
    }
}

/// What padding costs, on a device that computes it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Padding {
    /// Cost of a micro-batch.
    pub cost: BatchCost,
    /// Maximum number of tokens of a text. Micro-batches have few lengths up to it, see
    /// [`padded_length`], because burn compiles kernels for every length.
    pub longest: usize,
}

/// Texts that go through the network together.
pub(super) struct MicroBatch {
    /// The positions of its rows of the model's output in that of the whole batch: those of the texts, or of a tagger those
    /// of their tokens.
    pub(super) rows: Vec<usize>,
    pub(super) tokens: TokenBatch,
    /// Number of tokens without padding.
    pub(super) unpadded: usize,
    /// Seed of dropout, the same in every pass over the micro-batch.
    pub(super) seed: u64,
}

impl MicroBatch {
    /// Number of tokens that the backend computes: with padding, unless it computes varlen batches.
    pub(super) fn computed_tokens<B: EncoderOps>(&self) -> usize {
        if B::VARLEN {
            self.unpadded
        } else {
            self.tokens.texts() * self.tokens.length()
        }
    }
}

/// Cuts a batch into micro-batches, longest texts first: so that they cost least with `padding`, and
/// otherwise of at most the tokens of the batch. Several `replicas` each have an equal part of those.
pub(super) fn plan_micro_batches(
    batch: &TrainingBatch,
    limit: BatchLimit,
    padding: Option<Padding>,
    replicas: usize,
    pad_token_id: u32,
) -> Vec<MicroBatch> {
    let padded = |length| match padding {
        Some(padding) => padded_length(length, padding.longest),
        None => length,
    };
    let lengths: Vec<usize> = batch.texts.iter().map(|text| padded(text.len())).collect();
    let share = match (replicas, padding) {
        // One replica computes all, with as much padding as pays.
        (0 | 1, Some(_)) => usize::MAX,
        _ => lengths.iter().sum::<usize>().div_ceil(replicas.max(1)),
    };
    let limit = BatchLimit {
        tokens: limit.tokens.min(share),
        ..limit
    };
    // Where the tokens of each text begin.
    let begins = batch.texts.iter().scan(0, |next, text| {
        let begin = *next;
        *next += text.len();
        Some(begin)
    });
    let begins: Vec<usize> = begins.collect();
    plan_batches(&lengths, limit, padding.map(|padding| padding.cost))
        .into_iter()
        .enumerate()
        .map(|(index, texts)| {
            let ids = texts.iter().map(|&text| batch.texts[text].as_slice());
            let unpadded = ids.clone().map(<[u32]>::len).sum();
            let mut tokens = TokenBatch::with_length(ids, pad_token_id, padded);
            if let Some(types) = &batch.types {
                tokens = tokens.with_types(texts.iter().map(|&text| types[text].as_slice()));
            }
            let rows = match batch.scored_tokens {
                None => texts,
                Some(_) => {
                    let tokens =
                        |&text: &usize| begins[text]..begins[text] + batch.texts[text].len();
                    texts.iter().flat_map(tokens).collect()
                }
            };
            MicroBatch {
                rows,
                unpadded,
                tokens,
                seed: derive_seed(batch.seed, index as u64),
            }
        })
        .collect()
}

/// Assigns micro-batches to replicas. The assignment is fixed, so sums always run in the same order.
/// Micro-batches come sorted by size, and alternating directions balance the replicas. Without
/// micro-batches there is no replica.
pub(super) fn assign_to_replicas(
    micro_batches: Vec<MicroBatch>,
    replicas: usize,
) -> Vec<Vec<MicroBatch>> {
    let replicas = replicas.max(1).min(micro_batches.len());
    let mut assigned: Vec<Vec<MicroBatch>> = (0..replicas).map(|_| Vec::new()).collect();
    for (index, micro_batch) in micro_batches.into_iter().enumerate() {
        let (round, place) = (index / replicas, index % replicas);
        let replica = if round % 2 == 0 {
            place
        } else {
            replicas - 1 - place
        };
        assigned[replica].push(micro_batch);
    }
    assigned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_is_in_one_micro_batch_of_one_replica() {
        let batch = TrainingBatch {
            texts: (1..=9).map(|length| vec![7; length]).collect(),
            rows: 9,
            ..TrainingBatch::default()
        };
        let limit = BatchLimit {
            tokens: 12,
            texts: 3,
        };
        let assigned = assign_to_replicas(plan_micro_batches(&batch, limit, None, 2, 1), 2);
        assert_eq!(assigned.len(), 2);
        let mut texts: Vec<usize> = assigned
            .iter()
            .flatten()
            .flat_map(|micro_batch| micro_batch.rows.clone())
            .collect();
        texts.sort_unstable();
        assert_eq!(texts, (0..9).collect::<Vec<_>>());
        let mut seeds: Vec<u64> = assigned
            .iter()
            .flatten()
            .map(|micro_batch| micro_batch.seed)
            .collect();
        let micro_batches = seeds.len();
        seeds.sort_unstable();
        seeds.dedup();
        assert_eq!(seeds.len(), micro_batches);
    }

    #[test]
    fn padded_micro_batches_are_those_that_cost_least_and_have_few_lengths() {
        let batch = TrainingBatch {
            texts: [3, 50, 9, 12, 61, 70].map(|length| vec![7; length]).into(),
            rows: 3,
            ..TrainingBatch::default()
        };
        let limit = BatchLimit {
            tokens: 4096,
            texts: usize::MAX,
        };
        let lengths = |batch_cost| {
            let cost = BatchCost {
                batch: batch_cost,
                token: 1.0,
            };
            let padding = Some(Padding { cost, longest: 72 });
            let planned = plan_micro_batches(&batch, limit, padding, 1, 1);
            let lengths = planned
                .iter()
                .map(|micro_batch| micro_batch.tokens.length());
            lengths.collect::<Vec<_>>()
        };
        // One, although most of it is padding; the length is that of the encoder, below the bucket of 80.
        assert_eq!(lengths(1e6), [72]);
        // Each bucket by itself.
        assert_eq!(lengths(0.0), [72, 64, 56, 16, 8]);
        assert_eq!(
            plan_micro_batches(&batch, limit, None, 1, 1)[0]
                .tokens
                .length(),
            70
        );
    }

    #[test]
    fn an_empty_batch_has_no_replica() {
        assert!(assign_to_replicas(Vec::new(), 4).is_empty());
    }
}
