//! Which texts of a batch go through the network together, and what is kept of them.

use model::TokenBatch;
use model::batch::{BatchLimit, plan_batches};
use serde::{Deserialize, Serialize};

use crate::batch::TrainingBatch;
use crate::random::mix;

/// What is kept of the forward pass until the gradients come back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activations {
    /// Everything: the fastest, and the most memory.
    #[default]
    Kept,
    /// The input of every layer (gradient checkpointing; Chen et al., "Training Deep Nets with
    /// Sublinear Memory Cost", 2016). Each layer is computed a second time.
    LayerInputs,
    /// Nothing but the vectors (GradCache): the memory of one chunk, however large the batch. The
    /// network is computed a second time.
    Forgotten,
    /// Nothing but the vectors, and of a chunk on its way back the input of every layer: the least
    /// memory, and two more forward passes.
    ForgottenAndLayerInputs,
}

/// Texts that go through the network together.
pub(super) struct Chunk {
    /// Where they stand in the batch.
    pub(super) texts: Vec<usize>,
    pub(super) tokens: TokenBatch,
    /// Of dropout: the same in every pass over the chunk.
    pub(super) seed: u64,
}

/// Cuts a batch into chunks, longest texts first: small enough that each of `lanes` has one.
pub(super) fn plan(
    batch: &TrainingBatch,
    limit: BatchLimit,
    lanes: usize,
    pad_token_id: u32,
) -> Vec<Chunk> {
    let lengths: Vec<usize> = batch.texts.iter().map(Vec::len).collect();
    let share = lengths.iter().sum::<usize>().div_ceil(lanes.max(1));
    let limit = BatchLimit {
        tokens: limit.tokens.min(share),
        ..limit
    };
    plan_batches(&lengths, limit)
        .into_iter()
        .enumerate()
        .map(|(index, texts)| {
            let ids = texts.iter().map(|&text| batch.texts[text].as_slice());
            Chunk {
                tokens: TokenBatch::new(ids, pad_token_id),
                seed: mix(batch.seed, index as u64),
                texts,
            }
        })
        .collect()
}

/// Deals chunks to lanes. The dealing is fixed, so that sums always run in the same order; chunks
/// come sorted by size, and going back and forth evens the lanes out.
pub(super) fn deal(chunks: Vec<Chunk>, lanes: usize) -> Vec<Vec<Chunk>> {
    let lanes = lanes.clamp(1, chunks.len().max(1));
    let mut dealt: Vec<Vec<Chunk>> = (0..lanes).map(|_| Vec::new()).collect();
    for (index, chunk) in chunks.into_iter().enumerate() {
        let (round, place) = (index / lanes, index % lanes);
        let lane = if round % 2 == 0 {
            place
        } else {
            lanes - 1 - place
        };
        dealt[lane].push(chunk);
    }
    dealt
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_is_in_one_chunk_and_every_chunk_on_one_lane() {
        let batch = TrainingBatch {
            texts: (1..=9).map(|length| vec![7; length]).collect(),
            rows: 9,
            ..TrainingBatch::default()
        };
        let limit = BatchLimit {
            tokens: 12,
            texts: 3,
        };
        let dealt = deal(plan(&batch, limit, 2, 1), 2);
        assert_eq!(dealt.len(), 2);
        let mut texts: Vec<usize> = dealt
            .iter()
            .flatten()
            .flat_map(|chunk| chunk.texts.clone())
            .collect();
        texts.sort_unstable();
        assert_eq!(texts, (0..9).collect::<Vec<_>>());
        let mut seeds: Vec<u64> = dealt.iter().flatten().map(|chunk| chunk.seed).collect();
        let chunks = seeds.len();
        seeds.sort_unstable();
        seeds.dedup();
        assert_eq!(seeds.len(), chunks);
    }

    #[test]
    fn an_empty_batch_has_one_idle_lane() {
        let dealt = deal(Vec::new(), 4);
        assert_eq!(dealt.len(), 1);
        assert!(dealt[0].is_empty());
    }
}
