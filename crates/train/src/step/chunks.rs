//! Micro-batches of a batch, and the activations to keep of them.

use model::backend::EncoderOps;
use model::parts::TokenBatch;
use model::parts::{BatchCost, BatchLimit, plan_batches};
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
    /// size; the loss still holds its own values for the whole batch. Computes the network twice.
    GradCache,
    /// Only the vectors and, during the backward pass of a micro-batch, the input of every layer: the
    /// least memory, with two more forward passes.
    GradCacheCheckpointed,
}

/// Texts that go through the network together.
pub(super) struct MicroBatch {
    /// Their positions in the batch.
    pub(super) texts: Vec<usize>,
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

/// Cuts a batch into micro-batches, longest texts first: so that they cost least where `cost` says what they cost, and
/// otherwise of at most the tokens of the batch. Several `replicas` each have an equal part of those.
pub(super) fn plan_micro_batches(
    batch: &TrainingBatch,
    limit: BatchLimit,
    cost: Option<BatchCost>,
    replicas: usize,
    pad_token_id: u32,
) -> Vec<MicroBatch> {
    let lengths: Vec<usize> = batch.texts.iter().map(Vec::len).collect();
    let share = match (replicas, cost) {
        // One replica computes all, with as much padding as pays.
        (0 | 1, Some(_)) => usize::MAX,
        _ => lengths.iter().sum::<usize>().div_ceil(replicas.max(1)),
    };
    let limit = BatchLimit {
        tokens: limit.tokens.min(share),
        ..limit
    };
    plan_batches(&lengths, limit, cost)
        .into_iter()
        .enumerate()
        .map(|(index, texts)| {
            let ids = texts.iter().map(|&text| batch.texts[text].as_slice());
            MicroBatch {
                unpadded: ids.clone().map(<[u32]>::len).sum(),
                tokens: TokenBatch::new(ids, pad_token_id),
                seed: derive_seed(batch.seed, index as u64),
                texts,
            }
        })
        .collect()
}

/// Assigns micro-batches to replicas. The assignment is fixed, so sums always run in the same order.
/// Micro-batches come sorted by size, and alternating directions balance the replicas.
pub(super) fn assign_to_replicas(
    micro_batches: Vec<MicroBatch>,
    replicas: usize,
) -> Vec<Vec<MicroBatch>> {
    let replicas = replicas.clamp(1, micro_batches.len().max(1));
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
            .flat_map(|micro_batch| micro_batch.texts.clone())
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
    fn an_empty_batch_has_one_idle_replica() {
        let assigned = assign_to_replicas(Vec::new(), 4);
        assert_eq!(assigned.len(), 1);
        assert!(assigned[0].is_empty());
    }
}
